// Verdicts on planted evaluations: each state of each kind of rule, refusals, warnings, and how often they are wrong.
import { describe, expect, it } from 'vitest';
import type { Rules } from '#factory/records/verdict.ts';
import { compare } from '../compare/compare.ts';
import { type Planted, plantedRows, plantedSide } from '../compare/planted-sides.ts';
import { readRules } from './read-rules.ts';
import { simulatedVerdicts } from './simulated-verdicts.ts';
import { type RuleFile, verdict } from './verdict.ts';

const rulesOf = (text: string): Rules => readRules('rules.yaml', text);
const fileOf = (text: string, modifiedAt = '2026-01-01T00:00:00.000Z'): RuleFile => ({
  rules: rulesOf(text),
  path: 'rules.yaml',
  sha256: 'e5',
  modifiedAt,
});
const GOAL = 'name: t\nminimum_rows: 50\ngoals: [{ metric: accuracy, gain_at_least: 0.02 }]\n';

/** `only` rows are right on one side alone; the rest on both. */
function judged(
  text: string,
  { onlyBase = 0, onlyCandidate = 0, rows = 200, modifiedAt = '2026-01-01T00:00:00.000Z', timed = false },
  planted: { base?: Planted; candidate?: Planted } = {},
  resamples = 200,
) {
  const file = fileOf(text, modifiedAt);
  const change = (i: number) => ({
    slices: { half: i < rows / 2 ? 'first' : 'second' },
    ...(timed
      ? { timings: { firstTokenMs: 10 + (i % 7), lastTokenMs: 100 + (i % 50), outputTokens: 3 } }
      : {}),
  });
  const right = Array.from({ length: rows }, (_, i) => i);
  const base = plantedSide(
    'base',
    plantedRows(
      right.map((i) => i >= onlyCandidate),
      change,
    ),
    planted.base,
  );
  const candidate = plantedSide(
    'tuned',
    plantedRows(
      right.map((i) => i < onlyCandidate || i >= onlyCandidate + onlyBase),
      change,
    ),
    planted.candidate,
  );
  const comparison = compare(
    base,
    candidate,
    {},
    {
      level: file.rules.confidence,
      resamples,
      seed: 1,
      method: 'percentile',
      correction: 'holm',
      flips: 3,
    },
  );
  return verdict(file, base, candidate, comparison, { version: '1', now: '2026-01-03T00:00:00.000Z' });
}

const stateOf = (found: ReturnType<typeof judged>, name: string) =>
  found.criteria.filter((one) => one.name === name).map(({ state }) => state);

describe('a goal', () => {
  it('is met, failed or open by the whole interval, with the exit status of each', () => {
    const met = judged(GOAL, { onlyCandidate: 40 });
    expect([met.decision, met.exitStatus, met.moreRows]).toEqual(['ship', 0, null]);
    const failed = judged(GOAL, { onlyBase: 20 });
    expect([failed.decision, failed.exitStatus]).toEqual(['do_not_ship', 1]);
    const open = judged(GOAL, { onlyCandidate: 10, onlyBase: 2 });
    expect([open.decision, open.exitStatus]).toEqual(['not_enough_evidence', 3]);
    expect(open.moreRows).toBeGreaterThan(100);
  });

  it('asks for about the rows with which it would be met', () => {
    const open = judged(GOAL, { onlyCandidate: 20, onlyBase: 8 });
    const factor = (200 + open.moreRows!) / 200;
    const later = judged(GOAL, {
      rows: Math.round(200 * factor),
      onlyCandidate: Math.round(20 * factor),
      onlyBase: Math.round(8 * factor),
    });
    expect(open.decision).toBe('not_enough_evidence');
    expect(later.decision).toBe('ship');
  });

  it('fails where the gain is shown to be real and too small to be worth it', () => {
    const text = GOAL.replace('gain_at_least: 0.02', 'gain_at_least: 0, worth_at_least: 0.05');
    const found = judged(text, { rows: 3000, onlyCandidate: 60 });
    expect(stateOf(found, 'accuracy')).toEqual(['met']);
    expect(judged(text, { rows: 3000, onlyCandidate: 10, onlyBase: 8 }).decision).toBe('do_not_ship');
  });

  it('may be a business metric, of which less can be better', () => {
    const text = 'name: t\nminimum_rows: 50\ngoals: [{ business: cost, gain_at_least: 0.1 }]\n';
    const cost = (scale: number): Planted => ({
      business: { cost: Array.from({ length: 200 }, (_, i) => scale * (1 + (i % 3))) },
    });
    expect(judged(text, {}, { base: cost(2), candidate: cost(1) }).decision).toBe('ship');
    expect(judged(text, {}, { base: cost(1), candidate: cost(2) }).decision).toBe('do_not_ship');
  });
});

describe('few rows', () => {
  it('decide nothing that is estimated, however clear it looks', () => {
    const clear = judged(GOAL, { rows: 30, onlyCandidate: 25 });
    expect([clear.decision, clear.moreRows]).toEqual(['not_enough_evidence', 20]);
    expect(judged(GOAL, { rows: 30, onlyBase: 25 }).decision).toBe('not_enough_evidence');
  });

  it('do not save a model that is too large', () => {
    const found = judged(`${GOAL}limits: { model_size: 20MB }\n`, { rows: 30, onlyCandidate: 25 });
    expect(found.decision).toBe('do_not_ship');
  });
});

describe('guardrails and limits', () => {
  it('hold a loss by the interval of the difference', () => {
    const text = `${GOAL.replace('0.02', '0')}guardrails: [{ metric: validity_rate, loss_at_most: 0.03 }]\n`;
    expect(judged(text, { onlyCandidate: 40 }).decision).toBe('ship');
    // 60 rows without a discordant one cannot show that less than 3 points are lost.
    expect(stateOf(judged(text, { rows: 60, onlyCandidate: 40 }), 'validity_rate')).toEqual(['open']);
  });

  it('hold a bound by the interval of the value', () => {
    const states = (bound: string) =>
      stateOf(judged(`${GOAL}guardrails: [{ metric: validity_rate, ${bound} }]\n`, {}), 'validity_rate');
    expect(states('at_least: 0.97')).toEqual(['met']);
    expect(states('at_least: 0.99')).toEqual(['open']);
    expect(states('at_most: 0.9')).toEqual(['failed']);
  });

  it('let a slice speak up where it is shown to be worse', () => {
    const text = `${GOAL.replace('0.02', '0')}guardrails: [{ metric: accuracy, loss_at_most: 0.05, slices: [half] }]\n`;
    // All that is gained is in the first half, after which 30 rows of it are lost.
    const found = judged(text, { onlyCandidate: 60, onlyBase: 30 });
    const slices = found.criteria.find(({ kind }) => kind === 'slices')!;
    expect(slices).toMatchObject({ state: 'met', where: 'half=second' });
    const lost = judged(text, { onlyCandidate: 100, onlyBase: 40 });
    expect(lost.criteria.find(({ kind }) => kind === 'slices')).toMatchObject({
      state: 'failed',
      where: 'half=second',
    });
    expect(lost.decision).toBe('do_not_ship');
  });

  it('limit latency, memory and size', () => {
    const states = (limits: string) => {
      const found = judged(`${GOAL}limits: { ${limits} }\n`, { onlyCandidate: 40, timed: true });
      return found.criteria.filter(({ kind }) => kind === 'limit').map(({ state }) => state);
    };
    expect(states('latency_p95_ms: 200, first_token_p95_ms: 30, memory: 4GB, model_size: 1GB')).toEqual([
      'met',
      'met',
      'met',
      'met',
    ]);
    expect(states('latency_p95_ms: 110, memory: 2GB')).toEqual(['failed', 'failed']);
    const unmeasured = judged(
      `${GOAL}limits: { memory: 4GB }\n`,
      { onlyCandidate: 40 },
      { candidate: { record: { cost: null } } },
    );
    expect([unmeasured.decision, unmeasured.moreRows]).toEqual(['not_enough_evidence', null]);
  });
});

describe('training data', () => {
  it('refuses a candidate that was trained on the rows', () => {
    expect(() => judged(GOAL, { onlyCandidate: 40 }, { candidate: { data: { overlap: 3 } } })).toThrow(
      expect.objectContaining({ code: 'EVAL_OVERLAP', exitCode: 1 }),
    );
  });

  it('that is not known gives a warning, or stays open', () => {
    const unknown = { candidate: { data: { overlap: null } } };
    const found = judged(GOAL, { onlyCandidate: 40 }, unknown);
    expect([found.decision, found.warnings.map(({ kind }) => kind)]).toEqual([
      'ship',
      ['training_data_unknown'],
    ]);
    expect(
      judged(`${GOAL}training_data_must_be_known: true\n`, { onlyCandidate: 40 }, unknown).decision,
    ).toBe('not_enough_evidence');
  });
});

it('warns of rules that are newer than the evaluation', () => {
  const found = judged(GOAL, { onlyCandidate: 40, modifiedAt: '2026-01-02T00:05:00.000Z' });
  expect(found.warnings.map(({ kind }) => kind)).toEqual(['rules_newer']);
});

describe('rule files', () => {
  const refused = (text: string) => {
    try {
      rulesOf(text);
    } catch (error) {
      return (error as { code: string }).code;
    }
    return null;
  };

  it.each([
    ['nothing', ''],
    ['no YAML', 'name: [unclosed'],
    ['a list', '- 1'],
    ['no goal', 'name: t\nminimum_rows: 5\ngoals: []\n'],
    ['no minimum', 'name: t\ngoals: [{ metric: accuracy, gain_at_least: 0 }]\n'],
    ['an unknown key', `${GOAL}gaols: []\n`],
    ['metric and business at once', GOAL.replace('metric:', 'business: x, metric:')],
    ['a negative gain', GOAL.replace('0.02', '-0.02')],
    ['two bounds', `${GOAL}guardrails: [{ metric: accuracy, at_least: 0.5, loss_at_most: 0.1 }]\n`],
    ['a size without a unit', `${GOAL}limits: { memory: "8" }\n`],
    ['a number that is none', GOAL.replace('0.02', '.nan')],
  ])('with %s are refused', (_, text) => expect(refused(text)).toBe('EVAL_BAD_RULES'));

  it('that name what is not there, or cannot decide, are refused', () => {
    const naming = (name: string) => () => judged(GOAL.replace('accuracy', name), {});
    expect(naming('f1_macro')).toThrow(/accuracy, validity_rate/);
    expect(naming('f1_macro')).toThrow(expect.objectContaining({ code: 'EVAL_RULES_MISMATCH' }));
    const slices = `${GOAL}guardrails: [{ metric: accuracy, loss_at_most: 0.1, slices: [tongue] }]\n`;
    expect(() => judged(slices, {})).toThrow(/half/);
  });
});

describe('over 1000 seeded pairs of evaluations', () => {
  it('ships at most 5 % of candidates that are no better', () => {
    expect(simulatedVerdicts({ base: 0.7, candidate: 0.7 }, 200).ship).toBeLessThan(0.05);
  });

  it('ships nearly all that are much better', () => {
    expect(simulatedVerdicts({ base: 0.5, candidate: 0.7 }, 200).ship).toBeGreaterThan(0.95);
  });
});
