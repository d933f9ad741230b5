import { ago, duration, NOTHING } from '../../format';
import { languageTag, messages } from '../../i18n';
import { type Fleet, NEVER } from '../../live/fleet';

export function uptimeText(fleet: Fleet, row: number): string {
  const { bootTime } = fleet.factsAt(row);
  return bootTime > 0 ? duration(fleet.now - bootTime) : NOTHING;
}

export function lastReportText(fleet: Fleet, row: number): string {
  const text = messages.value.live;
  const active = fleet.value(row, 'active');
  return active === NEVER ? text.neverReported : text.lastReport(ago(fleet.now - active, languageTag.value));
}
