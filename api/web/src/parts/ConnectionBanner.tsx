import type { JSX } from 'preact';

import { timeOfDay } from '../format';
import { languageTag, messages } from '../i18n';
import type { LiveFleet } from '../live/store';
import type { Loss } from '../live/stream';

/** Says that what is shown is old; the status region is there all the time, so that its change is read out. */
export function ConnectionBanner({ live }: { live: LiveFleet }): JSX.Element {
  // Read, so that a new pace is drawn.
  const tick = live.tick.value;
  const isLost = live.state.value === 'lost';
  const text = isLost ? lossText(live.loss.value, tick > 0 ? live.heardAtMs : 0) : paceText(live.fleet.pace);
  return (
    <div class={text === '' ? 'banner hidden' : `banner ${isLost ? 'lost' : ''}`} role="status">
      {text}
    </div>
  );
}

function lossText(loss: Loss | null, heardAtMs: number): string {
  const text = messages.value;
  const parts = [text.connectionLost];
  if (loss === 'held') parts.push(text.streamHeld);
  if (loss !== null && typeof loss === 'object') parts.push(text.streamRefused(loss.refused));
  if (heardAtMs > 0) parts.push(text.shownIsOf(timeOfDay(heardAtMs / 1000, languageTag.value)));
  return parts.join(text.betweenSentences);
}

function paceText(pace: number): string {
  return pace > 1 ? messages.value.hubIsBusy(pace) : '';
}
