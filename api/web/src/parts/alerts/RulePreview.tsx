import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { measureOf } from '../../alerts/measures';
import type { RuleBody } from '../../alerts/rule';
import { measuredText } from '../../alerts/texts';
import { call } from '../../api';
import { errorText } from '../../errors';
import { duration } from '../../format';
import { messages } from '../../i18n';
import { shownName } from '../../live/fleet';
import { Alert } from '../Alert';

/** What a rule would have done in the last 24 hours. */
interface Preview {
  servers: number;
  /** Not all servers were looked at. */
  cut: boolean;
  firings: { server: number; name: string; times: number; total_s: number; worst: number | null }[];
}

const SHOWN_MAX = 10;

interface Shown {
  preview: Preview;
  /** The rule that it is about. */
  body: RuleBody;
}

/** Tries the rule of the form on history. */
export function RulePreview({ body }: { body: () => RuleBody }): JSX.Element {
  const text = messages.value.alerts.rules;
  const [shown, setShown] = useState<Shown | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [isBusy, setBusy] = useState(false);

  const run = async (form: HTMLFormElement | null): Promise<void> => {
    // An empty field would be taken for 0.
    if (isBusy || form?.reportValidity() === false) return;
    const asked = body();
    setBusy(true);
    setError(null);
    setShown(null);
    try {
      setShown({ preview: await call<Preview>('POST', '/alert/rule/preview', { body: asked }), body: asked });
    } catch (failure) {
      setError(errorText(failure));
    }
    setBusy(false);
  };

  return (
    <div class="preview">
      <button
        type="button"
        class="button small"
        aria-busy={isBusy}
        onClick={(event) => void run(event.currentTarget.form)}
      >
        {text.preview}
      </button>
      <div role="status">
        {isBusy && <p class="quiet">{text.previewRunning}</p>}
        {shown && JSON.stringify(shown.body) === JSON.stringify(body()) && <PreviewText {...shown} />}
      </div>
      {error !== null && <Alert>{error}</Alert>}
    </div>
  );
}

function PreviewText({ preview, body }: Shown): JSX.Element {
  const text = messages.value.alerts.rules;
  const { servers, cut, firings } = preview;
  const times = firings.reduce((sum, firing) => sum + firing.times, 0);
  const worst = [...firings].sort((a, b) => b.total_s - a.total_s).slice(0, SHOWN_MAX);
  const unit = measureOf(body.when[0]?.metric ?? '').unit;
  if (servers === 0) return <p>{text.previewNobody}</p>;
  return (
    <>
      <p>{times === 0 ? text.previewNone(servers) : text.previewResult(firings.length, times)}</p>
      {cut && <p class="quiet">{text.previewCut(servers)}</p>}
      <ul>
        {worst.map((firing) => (
          <li key={firing.server} class="breakable">
            {text.previewLine(
              shownName(firing.server, firing.name),
              firing.times,
              duration(firing.total_s),
              measuredText(unit, firing.worst),
            )}
          </li>
        ))}
        {firings.length > worst.length && <li>{text.previewMore(firings.length - worst.length)}</li>}
      </ul>
    </>
  );
}
