import { Component, type ComponentChildren, type JSX } from 'preact';
import { Suspense } from 'preact/compat';
import { useEffect, useState } from 'preact/hooks';

import { messages } from '../i18n';
import { Alert } from './Alert';

/** Time after which a page that is not there yet is said to hang. */
const LOADING_MAX_MS = 15_000;

/** A page whose scripts may come later, or not at all: then it says so instead of nothing. */
export class PageBoundary extends Component<{ children: ComponentChildren }, { error: unknown }> {
  override state = { error: null };

  static override getDerivedStateFromError(error: unknown): { error: unknown } {
    console.error(error);
    return { error: error ?? 'unknown' };
  }

  override render(): ComponentChildren {
    if (this.state.error !== null) return <Broken text={messages.value.pageBroken} />;
    return <Suspense fallback={<PageLoading />}>{this.props.children}</Suspense>;
  }
}

function PageLoading(): JSX.Element {
  const [isLate, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), LOADING_MAX_MS);
    return () => clearTimeout(timer);
  }, []);
  return isLate ? <Broken text={messages.value.hubSilent} /> : <p class="quiet">{messages.value.loading}</p>;
}

/** What failed to load is not asked for again by the browser until the page is loaded anew. */
function Broken({ text }: { text: string }): JSX.Element {
  return (
    <div class="page narrow">
      <Alert>
        {text}{' '}
        <button type="button" class="button small" onClick={() => location.reload()}>
          {messages.value.loadAnew}
        </button>
      </Alert>
    </div>
  );
}
