import { commaSeparated } from '../format';
import { type Amount, amountOf, factorFor, numberOf, secondsOf, usualFactor } from './amount';
import { measureOf } from './measures';

export const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

export type Operator = '>' | '<';

export interface Condition {
  metric: string;
  op: Operator;
  value: number;
  clear: number | null;
}

export type Scope = { all: true } | { tags: string[] } | { ids: number[] };

export interface Rule {
  id: number;
  name: string;
  note: string;
  enabled: boolean;
  severity: Severity;
  when: Condition[];
  for_s: number;
  share: number;
  keep_s: number;
  scope: Scope;
  except_ids: number[];
  never: boolean;
  channels: number[];
  repeat_s: number;
  resolved: boolean;
  built_in: boolean;
  created: number;
  /** Alerts of it that fire now. */
  firing?: number;
}

export type RuleBody = Omit<Rule, 'id' | 'built_in' | 'created' | 'firing'>;

/** A condition as its row has it. */
export interface ConditionDraft {
  /** Tells rows apart while they come and go. */
  key: number;
  metric: string;
  op: Operator;
  value: string;
  clear: string;
  /** Of the unit in which both are written. */
  factor: number;
}

/** A rule as its form has it. */
export interface RuleDraft {
  name: string;
  note: string;
  enabled: boolean;
  severity: Severity;
  when: ConditionDraft[];
  hold: Amount;
  /** Percent. */
  share: string;
  keep: Amount;
  scope: 'all' | 'tags' | 'ids';
  /** Separated by commas. */
  tags: string;
  ids: number[];
  exceptIds: number[];
  never: boolean;
  channels: number[];
  /** An empty text is never. */
  repeat: Amount;
  resolved: boolean;
}

export const CONDITIONS_MAX = 8;

export function newRule(): RuleDraft {
  return {
    name: '',
    note: '',
    enabled: true,
    severity: 'warning',
    when: [newCondition(0, 'cpu')],
    hold: amountOf('seconds', 300),
    share: '100',
    keep: amountOf('seconds', 60),
    scope: 'all',
    tags: '',
    ids: [],
    exceptIds: [],
    never: false,
    channels: [],
    repeat: { text: '', factor: 3600 },
    resolved: true,
  };
}

export function newCondition(key: number, metric: string): ConditionDraft {
  return { key, metric, op: '>', value: '', clear: '', factor: usualFactor(measureOf(metric).unit) };
}

/** The condition about another metric: numbers of another unit mean nothing there. */
export function withMetric(condition: ConditionDraft, metric: string): ConditionDraft {
  const [old, next] = [measureOf(condition.metric), measureOf(metric)];
  const op = next.kind === 'level' || (next.kind === 'hub' && next.unit !== '') ? condition.op : '>';
  if (old.unit === next.unit) return { ...condition, metric, op };
  return { ...newCondition(condition.key, metric), op };
}

export function ruleDraft(rule: Rule): RuleDraft {
  const { scope } = rule;
  return {
    name: rule.name,
    note: rule.note,
    enabled: rule.enabled,
    severity: rule.severity,
    when: rule.when.map(conditionDraft),
    hold: amountOf('seconds', rule.for_s),
    share: String(Math.round(rule.share * 10_000) / 100),
    keep: amountOf('seconds', rule.keep_s),
    scope: 'tags' in scope ? 'tags' : 'ids' in scope ? 'ids' : 'all',
    tags: 'tags' in scope ? scope.tags.join(', ') : '',
    ids: 'ids' in scope ? scope.ids : [],
    exceptIds: rule.except_ids,
    never: rule.never,
    channels: rule.channels,
    repeat: rule.repeat_s === 0 ? { text: '', factor: 3600 } : amountOf('seconds', rule.repeat_s),
    resolved: rule.resolved,
  };
}

function conditionDraft({ metric, op, value, clear }: Condition, key: number): ConditionDraft {
  const { unit } = measureOf(metric);
  const factor = factorFor(unit, clear === null ? [value] : [value, clear]);
  return {
    key,
    metric,
    op,
    value: String(value / factor),
    clear: clear === null ? '' : String(clear / factor),
    factor,
  };
}

/** What the conditions are about: it decides which other fields a rule has. */
export function kindsOf(when: readonly { metric: string }[]): {
  hasEvent: boolean;
  hasAbsence: boolean;
  isOfHub: boolean;
} {
  const kinds = when.map(({ metric }) => measureOf(metric).kind);
  return { hasEvent: kinds.includes('event'), hasAbsence: kinds.includes('absence'), isOfHub: kinds.includes('hub') };
}

export function ruleBody(draft: RuleDraft): RuleBody {
  const { hasEvent, hasAbsence, isOfHub } = kindsOf(draft.when);
  return {
    name: draft.name.trim(),
    note: draft.note,
    enabled: draft.enabled,
    severity: draft.severity,
    when: draft.when.map(conditionBody),
    for_s: hasEvent ? 0 : secondsOf(draft.hold),
    share: Number(draft.share) / 100,
    keep_s: secondsOf(draft.keep),
    scope: isOfHub ? { all: true } : scopeOf(draft),
    except_ids: isOfHub ? [] : draft.exceptIds,
    never: hasAbsence && draft.never,
    channels: draft.channels,
    repeat_s: secondsOf(draft.repeat),
    resolved: draft.resolved,
  };
}

function conditionBody({ metric, op, value, clear, factor }: ConditionDraft): Condition {
  const hasNumber = measureOf(metric).unit !== '';
  return {
    metric,
    op,
    value: (hasNumber ? numberOf({ text: value, factor }) : null) ?? 0,
    clear: hasNumber ? numberOf({ text: clear, factor }) : null,
  };
}

function scopeOf({ scope, tags, ids }: RuleDraft): Scope {
  switch (scope) {
    case 'all':
      return { all: true };
    case 'tags':
      return { tags: commaSeparated(tags) };
    case 'ids':
      return { ids };
  }
}
