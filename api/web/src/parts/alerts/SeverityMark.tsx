import type { JSX } from 'preact';

import type { Severity } from '../../alerts/rule';
import { messages } from '../../i18n';

/** A severity by its word, and by a colour beside it. */
export function SeverityMark({ severity }: { severity: Severity }): JSX.Element {
  return <span class={`severity ${severity}`}>{messages.value.alerts.severities[severity]}</span>;
}
