import type { JSX } from 'preact';

import { messages } from '../i18n';
import type { LiveFleet } from '../live/store';

/** Says that what is shown is old; the status region is there all the time, so that its change is read out. */
export function ConnectionBanner({ live }: { live: LiveFleet }): JSX.Element {
  // Read, so that a new pace is drawn.
  void live.tick.value;
  const text = live.state.value === 'lost' ? messages.value.connectionLost : paceText(live.fleet.pace);
  return (
    <div class={text === '' ? 'banner hidden' : 'banner'} role="status">
      {text}
    </div>
  );
}

function paceText(pace: number): string {
  return pace > 1 ? messages.value.hubIsBusy(pace) : '';
}
