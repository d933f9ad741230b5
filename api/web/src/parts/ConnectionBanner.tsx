import type { JSX } from 'preact';

import { messages } from '../i18n';
import type { LiveFleet } from '../live/store';

/** Says that what is shown is old; the status region is there all the time, so that its change is read out. */
export function ConnectionBanner({ live }: { live: LiveFleet }): JSX.Element {
  const isLost = live.state.value === 'lost';
  return (
    <div class={isLost ? 'banner' : 'banner hidden'} role="status">
      {isLost ? messages.value.connectionLost : ''}
    </div>
  );
}
