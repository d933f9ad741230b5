/** What a value is a number of. Empty where there is no number: it is the case or it is not. */
export type Unit = 'percent' | 'bytes' | 'bytes/s' | 'load' | 'connections' | 'processes' | 'celsius' | 'seconds' | '';

/** A number of each report, something that happens, the absence of reports, or a number of the hub itself. */
export type MeasureKind = 'level' | 'event' | 'absence' | 'hub';

export interface Measure {
  unit: Unit;
  kind: MeasureKind;
}

function level(unit: Unit): Measure {
  return { unit, kind: 'level' };
}

/** What conditions look at, as `engine/src/alert/measure.rs` lists it. `measures.test.ts` compares the two. */
export const MEASURES = {
  cpu: level('percent'),
  gpu: level('percent'),
  mem: level('percent'),
  swap: level('percent'),
  disk: level('percent'),
  mem_used: level('bytes'),
  swap_used: level('bytes'),
  disk_used: level('bytes'),
  net_in: level('bytes/s'),
  net_out: level('bytes/s'),
  net_all: level('bytes/s'),
  load1: level('load'),
  load5: level('load'),
  load15: level('load'),
  load1_per_core: level('load'),
  load5_per_core: level('load'),
  load15_per_core: level('load'),
  tcp_conn: level('connections'),
  udp_conn: level('connections'),
  process_count: level('processes'),
  temperature: level('celsius'),
  offline: { unit: 'seconds', kind: 'absence' },
  rebooted: { unit: '', kind: 'event' },
  address_changed: { unit: '', kind: 'event' },
  late_s: level('seconds'),
  'hub.disk_free': { unit: 'percent', kind: 'hub' },
  'hub.commits_failing': { unit: '', kind: 'hub' },
  'hub.isolated': { unit: '', kind: 'hub' },
} satisfies Record<string, Measure>;

export type MeasureName = keyof typeof MEASURES;

export const MEASURE_NAMES = Object.keys(MEASURES) as MeasureName[];

/** The measure of that name; one without a number for a name that only a newer hub knows. */
export function measureOf(name: string): Measure {
  const known = MEASURE_NAMES.find((one) => one === name);
  return known === undefined ? { unit: '', kind: 'level' } : MEASURES[known];
}
