import type { JSX } from 'preact';

import type { Severity } from '../../alerts/rule';
import { messages } from '../../i18n';
import { shownName } from '../../live/fleet';
import { hrefOf } from '../../root';

/** A severity by its word, and by a colour beside it. */
export function SeverityMark({ severity }: { severity: Severity }): JSX.Element {
  return (
    <span class="severity" data-severity={severity}>
      {messages.value.alerts.severities[severity]}
    </span>
  );
}

/** What an alert is about: a server, or the hub, which has the id 0. */
export function AlertServer({ id, name }: { id: number; name: string }): JSX.Element {
  if (id === 0) return <>{messages.value.alerts.theHub}</>;
  return <a href={hrefOf(`/server/${id}`)}>{shownName(id, name)}</a>;
}
