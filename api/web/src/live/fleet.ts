/** One server of a snapshot, as the hub sends it. */
export type ServerRow = [
  id: number,
  name: string,
  tag: string,
  displayIndex: number,
  hidden: number,
  country: string,
  platform: string,
  platformVersion: string,
  arch: string,
  virtualization: string,
  cpu: string,
  memTotal: number,
  swapTotal: number,
  diskTotal: number,
  bootTime: number,
  agentVersion: string,
  state: number[],
];

export interface Snapshot {
  now: number;
  /** Report intervals that what is shown may be old; absent is 1. */
  pace?: number;
  offline_after: number;
  fields: [name: string, scale: number][];
  servers: ServerRow[];
}

export interface Change {
  now: number;
  pace?: number;
  rows?: number[];
  servers?: ServerRow[];
  gone?: number[];
}

/** What rarely changes about a server. */
export interface Facts {
  id: number;
  name: string;
  tag: string;
  displayIndex: number;
  isHidden: boolean;
  country: string;
  platform: string;
  platformVersion: string;
  arch: string;
  virtualization: string;
  cpu: string;
  memTotal: number;
  swapTotal: number;
  diskTotal: number;
  bootTime: number;
  agentVersion: string;
  /** What a search looks at, in lower case. */
  searched: string;
}

/** Fields of the live state that the panel knows; the hub may send more. */
export const FIELDS = [
  'active',
  'cpu',
  'mem',
  'swap',
  'disk',
  'net_in_speed',
  'net_out_speed',
  'net_in_transfer',
  'net_out_transfer',
  'load1',
] as const;
export type Field = (typeof FIELDS)[number];

/** Values of `active` that are no time. */
export const ONLINE = 0;
export const NEVER = -1;

/** Ticks, each a second, of which the CPU is kept for each server. */
export const HISTORY_TICKS = 60;
/** In the CPU history: nothing known. */
export const UNKNOWN = 255;

export interface Totals {
  servers: number;
  online: number;
  inSpeed: number;
  outSpeed: number;
  /** Mean of those online; NaN when none is. */
  cpu: number;
}

/**
 * A server as a component shows it. `tick` is another number whenever values changed: with the same fleet and row
 * alone a component would not be drawn anew.
 */
export interface Shown {
  fleet: Fleet;
  row: number;
  tick: number;
}

interface WireField {
  column: Float64Array | null;
  field: Field | null;
  scale: number;
}

/**
 * Everything that the stream has said about the servers. A server is a row; each field is a column of numbers, so that
 * a change of ten thousand servers makes no objects. Rows move when servers go: a row is good until the next change.
 */
export class Fleet {
  now = 0;
  /** Report intervals that what is shown may be old: above 1 the hub has more to do than it can. */
  pace = 1;
  offlineAfter = 0;
  /** Whether the stream is heard: what is shown of a lost one says nothing of now. */
  isCurrent = true;
  /** Counts whiles of which the stream said nothing, so that nothing is known of the CPU in them. */
  gaps = 0;
  /** Counts changes of which servers there are, and of their facts. */
  structure = 0;
  private readonly facts: Facts[] = [];
  private readonly rowOf = new Map<number, number>();
  private columns = newColumns(0);
  private cpuHistory = new Uint8Array(0);
  private capacity = 0;
  /** The newest tick, within the history's ring. */
  private cursor = 0;
  /** When that is, Unix seconds. */
  private tickAt = 0;
  private wireFields: WireField[] = [];
  private readonly versions = new Map<Field, number>();

  get size(): number {
    return this.facts.length;
  }

  row(id: number): number | undefined {
    return this.rowOf.get(id);
  }

  factsAt(row: number): Facts {
    const facts = this.facts[row];
    if (!facts) throw new RangeError(`no row ${row}`);
    return facts;
  }

  value(row: number, field: Field): number {
    return this.columns[field][row] ?? NaN;
  }

  isOnline(row: number): boolean {
    return this.columns.active[row] === ONLINE;
  }

  /** Counts changes of any value of that field. */
  version(field: Field): number {
    return this.versions.get(field) ?? 0;
  }

  applySnapshot(snapshot: Snapshot): void {
    // The CPU seen so far stays: a snapshot also comes after a lost connection.
    const seen = this.cpuHistory;
    const seenRows = new Map(this.rowOf);
    this.now = snapshot.now;
    this.pace = snapshot.pace ?? 1;
    this.offlineAfter = snapshot.offline_after;
    this.facts.length = 0;
    this.rowOf.clear();
    this.capacity = 0;
    this.cpuHistory = new Uint8Array(0);
    this.columns = newColumns(0);
    this.reserve(snapshot.servers.length);
    this.bindFields(snapshot.fields);
    for (const server of snapshot.servers) {
      const row = this.put(server);
      const seenRow = seenRows.get(server[0]);
      if (seenRow === undefined) continue;
      const start = seenRow * HISTORY_TICKS;
      this.cpuHistory.set(seen.subarray(start, start + HISTORY_TICKS), row * HISTORY_TICKS);
    }
    this.structure += 1;
    for (const field of FIELDS) this.touch(field);
    this.beginTick(false);
    this.recordCpu();
  }

  applyChange(change: Change): void {
    this.now = change.now;
    this.pace = change.pace ?? 1;
    this.beginTick(true);
    for (const id of change.gone ?? []) this.remove(id);
    for (const server of change.servers ?? []) this.put(server);
    if (change.gone?.length || change.servers?.length) {
      this.structure += 1;
      for (const field of FIELDS) this.touch(field);
    }
    if (change.rows) this.applyRows(change.rows);
    this.recordCpu();
  }

  /** Time went on until that second, and nothing changed. */
  passQuietly(now: number): void {
    this.now = now;
    this.beginTick(true);
    this.recordCpu();
  }

  /**
   * Fills ticks of a server's CPU of which nothing is known with what was reported then. A report holds until the next
   * one, as it does while the stream is heard: for as long as a server without one counts as online.
   */
  recallCpu(id: number, times: readonly number[], percents: readonly (number | null)[]): void {
    const row = this.rowOf.get(id);
    if (row === undefined) return;
    const reported = new Map<number, number>();
    times.forEach((time, index) => {
      const percent = percents[index];
      if (percent != null) reported.set(HISTORY_TICKS - 1 - (this.tickAt - Math.floor(time)), cpuByte(percent));
    });
    let held = UNKNOWN;
    let heldTicks = 0;
    for (let tick = -HISTORY_TICKS; tick < HISTORY_TICKS; tick += 1) {
      const slot = row * HISTORY_TICKS + ((this.cursor + 1 + tick) % HISTORY_TICKS);
      const seen = tick < 0 ? UNKNOWN : (this.cpuHistory[slot] ?? UNKNOWN);
      const known = seen === UNKNOWN ? (reported.get(tick) ?? UNKNOWN) : seen;
      heldTicks = known === UNKNOWN ? heldTicks + 1 : 0;
      held = known === UNKNOWN && heldTicks < this.offlineAfter ? held : known;
      if (tick >= 0) this.cpuHistory[slot] = held;
    }
  }

  /** Forgets everything. */
  clear(): void {
    this.applySnapshot({ now: 0, offline_after: 0, fields: [], servers: [] });
    this.cursor = 0;
  }

  totals(): Totals {
    const { active, cpu, net_in_speed: inSpeed, net_out_speed: outSpeed } = this.columns;
    const totals: Totals = { servers: this.size, online: 0, inSpeed: 0, outSpeed: 0, cpu: 0 };
    for (let row = 0; row < this.size; row += 1) {
      if (active[row] !== ONLINE) continue;
      totals.online += 1;
      totals.inSpeed += inSpeed[row] ?? 0;
      totals.outSpeed += outSpeed[row] ?? 0;
      totals.cpu += cpu[row] ?? 0;
    }
    totals.cpu /= totals.online;
    return totals;
  }

  /** The tags of all servers, each once, sorted; no tag is none. */
  tags(): string[] {
    const tags = new Set(this.facts.map((facts) => facts.tag));
    tags.delete('');
    return [...tags].sort();
  }

  /** The CPU percent of one of the last ticks: 0 is the oldest, HISTORY_TICKS - 1 the newest. */
  cpuAt(row: number, tick: number): number {
    const slot = (this.cursor + 1 + tick) % HISTORY_TICKS;
    return this.cpuHistory[row * HISTORY_TICKS + slot] ?? UNKNOWN;
  }

  private bindFields(fields: Snapshot['fields']): void {
    this.wireFields = fields.map(([name, scale]) => {
      const field = FIELDS.find((known) => known === name) ?? null;
      return { field, scale, column: field && this.columns[field] };
    });
  }

  /** Adds a server or replaces what is known of it. */
  private put(server: ServerRow): number {
    const id = server[0];
    let row = this.rowOf.get(id);
    if (row === undefined) {
      row = this.facts.length;
      this.reserve(row + 1);
      this.rowOf.set(id, row);
      this.cpuHistory.fill(UNKNOWN, row * HISTORY_TICKS, (row + 1) * HISTORY_TICKS);
    }
    this.facts[row] = factsOf(server);
    const state = server[16];
    this.wireFields.forEach(({ column, scale }, index) => {
      const value = state[index];
      if (column && value !== undefined) column[row] = value / scale;
    });
    return row;
  }

  /** The last row takes the place of the one that goes. */
  private remove(id: number): void {
    const row = this.rowOf.get(id);
    if (row === undefined) return;
    const last = this.facts.length - 1;
    const moved = this.factsAt(last);
    this.facts[row] = moved;
    this.rowOf.set(moved.id, row);
    for (const field of FIELDS) {
      const column = this.columns[field];
      column[row] = column[last] ?? NaN;
    }
    this.cpuHistory.copyWithin(row * HISTORY_TICKS, last * HISTORY_TICKS, (last + 1) * HISTORY_TICKS);
    this.facts.pop();
    this.rowOf.delete(id);
  }

  private applyRows(rows: number[]): void {
    let id = 0;
    let touched = 0;
    let at = 0;
    while (at < rows.length) {
      id += rows[at] ?? 0;
      const mask = rows[at + 1] ?? 0;
      at += 2;
      touched |= mask;
      // Values of a server that is not known are passed over.
      const row = this.rowOf.get(id) ?? -1;
      for (let bit = 0, rest = mask; rest !== 0; bit += 1, rest >>>= 1) {
        if ((rest & 1) === 0) continue;
        const wire = this.wireFields[bit];
        if (row >= 0 && wire?.column) wire.column[row] = (rows[at] ?? NaN) / wire.scale;
        at += 1;
      }
    }
    this.wireFields.forEach(({ field }, bit) => {
      if (field && (touched >>> bit) & 1) this.touch(field);
    });
  }

  private touch(field: Field): void {
    this.versions.set(field, this.version(field) + 1);
  }

  /** Goes on to the tick of now. Those in between were as the last one, or are unknown where nobody listened. */
  private beginTick(isHeard: boolean): void {
    const ticks = Math.min(Math.max(0, this.now - this.tickAt), HISTORY_TICKS);
    this.tickAt = this.now;
    for (let tick = 1; tick <= ticks; tick += 1) {
      this.cursor = (this.cursor + 1) % HISTORY_TICKS;
      if (tick < ticks) this.writeCpu((row) => (isHeard ? this.cpuNow(row) : UNKNOWN));
    }
    if (ticks > 1 && !isHeard) this.gaps += 1;
  }

  private recordCpu(): void {
    this.writeCpu((row) => this.cpuNow(row));
  }

  private writeCpu(percentOf: (row: number) => number): void {
    for (let row = 0; row < this.size; row += 1) this.cpuHistory[row * HISTORY_TICKS + this.cursor] = percentOf(row);
  }

  private cpuNow(row: number): number {
    return this.isOnline(row) ? cpuByte(this.columns.cpu[row] ?? 0) : UNKNOWN;
  }

  private reserve(rows: number): void {
    if (rows <= this.capacity) return;
    this.capacity = Math.max(rows, this.capacity * 2, 64);
    const columns = newColumns(this.capacity);
    for (const field of FIELDS) columns[field].set(this.columns[field]);
    this.columns = columns;
    const history = new Uint8Array(this.capacity * HISTORY_TICKS).fill(UNKNOWN);
    history.set(this.cpuHistory);
    this.cpuHistory = history;
    for (const wire of this.wireFields) wire.column = wire.field && columns[wire.field];
  }
}

/** Whole percents, so that none is taken for `UNKNOWN`. */
function cpuByte(percent: number): number {
  return Math.round(Math.min(Math.max(percent, 0), 100));
}

function newColumns(capacity: number): Record<Field, Float64Array> {
  const columns = FIELDS.map((field) => [field, new Float64Array(capacity)] as const);
  return Object.fromEntries(columns) as Record<Field, Float64Array>;
}

/** A name that can be read and clicked, also where there is none. */
export function shownName(id: number, name: string): string {
  // Spaces, controls and marks that only steer others are not seen.
  return /[^\s\p{Cc}\p{Cf}]/u.test(name) ? name : `#${id}`;
}

function factsOf(server: ServerRow): Facts {
  const [id, name, tag, displayIndex, hidden, country, platform, platformVersion, arch, virtualization, cpu] = server;
  return {
    id,
    name: shownName(id, name),
    tag,
    displayIndex,
    isHidden: hidden === 1,
    country,
    platform,
    platformVersion,
    arch,
    virtualization,
    cpu,
    memTotal: server[11],
    swapTotal: server[12],
    diskTotal: server[13],
    bootTime: server[14],
    agentVersion: server[15],
    searched: `${name}\n${tag}\n${country}\n${platform} ${platformVersion}`.toLowerCase(),
  };
}
