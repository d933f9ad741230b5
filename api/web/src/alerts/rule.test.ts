import { expect, it } from 'vitest';

import { changed } from './changed';
import { newRule, type Rule, ruleBody, type RuleDraft, ruleDraft, withMetric } from './rule';

const GIB = 1024 ** 3;

const FULL: Rule = {
  id: 3,
  name: 'Database under load',
  note: 'call Ada',
  enabled: true,
  severity: 'critical',
  when: [
    { metric: 'cpu', op: '>', value: 92.5, clear: 80 },
    { metric: 'mem_used', op: '<', value: 2 * GIB, clear: 2.5 * GIB },
    { metric: 'load1_per_core', op: '>', value: 0.7, clear: null },
  ],
  for_s: 90,
  share: 0.55,
  keep_s: 3600,
  scope: { tags: ['db', 'web'] },
  except_ids: [4, 9],
  never: false,
  channels: [1, 2],
  repeat_s: 86_400,
  resolved: false,
  built_in: false,
  created: 1_790_000_000,
};

const RULES: Rule[] = [
  FULL,
  { ...FULL, when: [{ metric: 'offline', op: '>', value: 60, clear: null }], never: true, repeat_s: 0 },
  { ...FULL, when: [{ metric: 'rebooted', op: '>', value: 0, clear: null }], for_s: 0, scope: { ids: [1, 7] } },
  {
    ...FULL,
    when: [{ metric: 'hub.disk_free', op: '<', value: 10, clear: 15 }],
    scope: { all: true },
    except_ids: [],
    built_in: true,
  },
];

function sent(rule: Rule, edit: (draft: RuleDraft) => Partial<RuleDraft>): unknown {
  const draft = ruleDraft(rule);
  return changed(ruleBody(draft), ruleBody({ ...draft, ...edit(draft) }));
}

it('gives back every rule, and sends nothing of it', () => {
  for (const rule of RULES) {
    const { id, built_in, created, ...body } = rule;
    expect(ruleBody(ruleDraft(rule)), `${id} ${built_in} ${created}`).toEqual(body);
    expect(sent(rule, () => ({}))).toEqual({});
  }
});

it('writes numbers in units that people use', () => {
  const { when, hold, share, keep, repeat } = ruleDraft(FULL);
  expect(when.map(({ value, clear, factor }) => [value, clear, factor])).toEqual([
    ['92.5', '80', 1],
    ['2048', '2560', 1024 ** 2],
    ['0.7', '', 1],
  ]);
  expect([hold, keep, repeat]).toEqual([
    { text: '90', factor: 1 },
    { text: '1', factor: 3600 },
    { text: '1', factor: 86_400 },
  ]);
  expect(share).toBe('55');
});

it('sends what was changed', () => {
  expect(sent(FULL, () => ({ share: '70', repeat: { text: '', factor: 3600 } }))).toEqual({ share: 0.7, repeat_s: 0 });
  expect(sent(FULL, () => ({ scope: 'all' }))).toEqual({ scope: { all: true } });
  expect(sent(FULL, ({ when }) => ({ when: when.slice(0, 1) }))).toEqual({ when: FULL.when.slice(0, 1) });
  expect(sent(FULL, () => ({ hold: { text: '1.5', factor: 60 } }))).toEqual({});
});

it('sends only what goes with the conditions', () => {
  const draft = { ...ruleDraft(FULL), never: true };
  const about = (metric: string): RuleDraft => ({
    ...draft,
    when: draft.when.slice(0, 1).map((one) => withMetric(one, metric)),
  });
  expect(ruleBody(about('rebooted'))).toMatchObject({
    when: [{ metric: 'rebooted', op: '>', value: 0, clear: null }],
    for_s: 0,
    never: false,
  });
  expect(ruleBody(about('offline'))).toMatchObject({ for_s: 90, never: true, scope: FULL.scope });
  expect(ruleBody(about('hub.isolated'))).toMatchObject({ scope: { all: true }, except_ids: [], never: false });
});

it('keeps numbers for a metric of the same unit, and drops them for another', () => {
  const [condition] = ruleDraft(FULL).when;
  if (!condition) throw new Error('there is no condition');
  expect(withMetric(condition, 'disk')).toEqual({ ...condition, metric: 'disk' });
  expect(withMetric(condition, 'net_in')).toMatchObject({ value: '', clear: '', factor: 1024 ** 2, op: '>' });
  expect(withMetric({ ...condition, op: '<' }, 'offline').op).toBe('>');
  expect(withMetric({ ...condition, op: '<' }, 'hub.disk_free').op).toBe('<');
});

it('makes a new rule that needs a name and a number', () => {
  const body = ruleBody(newRule());
  expect(body).toMatchObject({ name: '', severity: 'warning', for_s: 300, share: 1, keep_s: 60, scope: { all: true } });
  expect(body.when).toEqual([{ metric: 'cpu', op: '>', value: 0, clear: null }]);
});
