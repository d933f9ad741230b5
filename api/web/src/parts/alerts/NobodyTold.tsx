import type { JSX } from 'preact';

import { path } from '../../address';
import type { Rule } from '../../alerts/rule';
import { messages } from '../../i18n';
import { hrefOf } from '../../root';
import { isAdmin } from '../../session';

interface NobodyToldProps {
  /** `null` until they are loaded, as `channels`. */
  rules: readonly Pick<Rule, 'channels'>[] | null;
  channels: readonly unknown[] | null;
}

/** Tells administrators that alerts are only shown, and what to do about it. A new hub has rules and no channel. */
export function NobodyTold({ rules, channels }: NobodyToldProps): JSX.Element | null {
  if (!isAdmin.value || rules === null || channels === null) return null;
  if (rules.some((rule) => rule.channels.length > 0)) return null;
  const text = messages.value.alerts.nobodyTold;
  const [page, words] =
    channels.length === 0 ? (['/channels', text.addChannel] as const) : (['/rules', text.chooseChannel] as const);
  return (
    <p class="warning">
      {text.said}
      {messages.value.betweenSentences}
      {path.value === page ? words : <a href={hrefOf(page)}>{words}</a>}
    </p>
  );
}
