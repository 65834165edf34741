// In: rules and a comparison. Out: each rule as a criterion that is met, failed or open, by its interval: met where the
// whole interval is on the right side of the bound, failed where it is wholly on the wrong one, open in between.
// All must be met for a release, so no correction is due (intersection–union test, Berger 1982).
import { FactoryError } from '#factory/errors.ts';
import type { Comparison, Difference } from '#factory/records/comparison.ts';
import type { EvaluationRecord } from '#factory/records/evaluation.ts';
import type { Interval } from '#factory/records/scorecard.ts';
import type { Criterion, CriterionState, Rules } from '#factory/records/verdict.ts';
import { normalQuantile } from '../statistics/normal.ts';
import { rowsToSettle } from './rows-needed.ts';

export function judgeCriteria(
  rules: Rules,
  comparison: Comparison,
  candidate: EvaluationRecord,
): Criterion[] {
  const { rows } = comparison;
  const minimum: Criterion = {
    kind: 'rows',
    name: 'rows',
    about: 'value',
    side: 'at_least',
    bound: rules.minimum_rows,
    unit: 'rows',
    found: { value: rows, interval: null },
    state: rows >= rules.minimum_rows ? 'met' : 'open',
    ...(rows >= rules.minimum_rows ? {} : { moreRows: rules.minimum_rows - rows }),
  };
  return [
    minimum,
    ...trainingData(rules, candidate),
    ...rules.goals.map((goal) => judgeGoal(goal, comparison)),
    ...rules.guardrails.flatMap((guardrail) => judgeGuardrail(guardrail, comparison)),
    ...judgeLimits(rules, comparison, candidate),
  ];
}

function trainingData(rules: Rules, { data }: EvaluationRecord): Criterion[] {
  if (data.overlap === null && !rules.training_data_must_be_known) return [];
  return [
    {
      kind: 'training_data',
      name: 'overlap',
      about: 'value',
      side: 'at_most',
      bound: rules.overlap_at_most,
      unit: 'rows',
      found: data.overlap === null ? null : { value: data.overlap, interval: null },
      state: data.overlap === null ? 'open' : 'met',
      ...(data.overlap === null ? { moreRows: null } : {}),
    },
  ];
}

function judgeGoal(goal: Rules['goals'][number], comparison: Comparison): Criterion {
  const difference = ruledValue(goal, comparison);
  const { value, interval } = gainOf(difference);
  const { gain_at_least: bound, worth_at_least: worth = bound } = goal;
  const state = interval.low > bound ? 'met' : interval.high < worth ? 'failed' : 'open';
  const settle = [
    ...(value > bound ? [rowsToSettle(value, interval, bound, difference.n)] : []),
    ...(value < worth ? [rowsToSettle(value, interval, worth, difference.n)] : []),
  ].filter((needed) => needed !== null);
  return {
    kind: 'goal',
    name: nameOf(goal),
    about: 'gain',
    side: 'at_least',
    bound,
    unit: difference.unit,
    found: { value, interval },
    state,
    ...(state === 'open' ? { moreRows: more(settle, difference.n) } : {}),
  };
}

function judgeGuardrail(guardrail: Rules['guardrails'][number], comparison: Comparison): Criterion[] {
  const difference = ruledValue(guardrail, comparison);
  const name = nameOf(guardrail);
  const { loss_at_most: margin, at_least: least, at_most: most } = guardrail;
  if (margin === undefined) {
    const { candidate } = difference;
    const [side, bound] =
      least === undefined ? (['at_most', most!] as const) : (['at_least', least] as const);
    const found = candidate.value === null ? null : { value: candidate.value, interval: candidate.interval };
    const base = { kind: 'guardrail', name, about: 'value', side, bound, unit: difference.unit } as const;
    return [{ ...base, ...judgeBound(found, side, bound, difference.n) }];
  }
  const { value, interval } = gainOf(difference);
  const loss = { value: -value, interval: { ...interval, low: -interval.high, high: -interval.low } };
  const whole: Criterion = {
    kind: 'guardrail',
    name,
    about: 'loss',
    side: 'at_most',
    bound: margin,
    unit: difference.unit,
    ...judgeBound(loss, 'at_most', margin, difference.n),
  };
  return guardrail.slices.length === 0
    ? [whole]
    : [whole, judgeSlices(guardrail, name, margin, difference, comparison)];
}

/**
 * Small slices can seldom be shown to be as good, so a slice only speaks up where it is shown to be worse than the margin:
 * by an interval whose level is raised for the number of slices (Bonferroni).
 */
function judgeSlices(
  guardrail: Rules['guardrails'][number],
  name: string,
  margin: number,
  whole: Difference,
  comparison: Comparison,
): Criterion {
  const found = comparison.slices
    .filter(({ slice }) => guardrail.slices.includes(slice))
    .flatMap(({ slice, value, differences }) =>
      differences
        .filter((one) => one.delta && one.name === whole.name && one.metric === whole.metric)
        .map((one) => ({ where: `${slice}=${value}`, ...gainOf(one) })),
    );
  const absent = guardrail.slices.find((field) => comparison.slices.every(({ slice }) => slice !== field));
  if (absent !== undefined)
    throw mismatch(
      `slice "${absent}"`,
      [...new Set(comparison.slices.map(({ slice }) => slice))].join(', ') || 'no slices',
      `Evaluate both models with slices=${absent}, or remove it from the rule file.`,
    );
  const raised = found.map((one) => {
    const ratio =
      normalQuantile(1 - (1 - comparison.level) / 2 / found.length) /
      normalQuantile((1 + comparison.level) / 2);
    const { low, high } = one.interval;
    return {
      where: one.where,
      value: -one.value,
      interval: {
        ...one.interval,
        level: 1 - (1 - comparison.level) / found.length,
        low: -one.value - (high - one.value) * ratio,
        high: -one.value + (one.value - low) * ratio,
      },
    };
  });
  const worst = raised.sort((a, b) => b.interval.low - a.interval.low)[0];
  return {
    kind: 'slices',
    name,
    about: 'loss',
    side: 'at_most',
    bound: margin,
    unit: whole.unit,
    found: worst ? { value: worst.value, interval: worst.interval } : null,
    state: worst && worst.interval.low > margin ? 'failed' : 'met',
    ...(worst ? { where: worst.where } : {}),
  };
}

function judgeLimits(rules: Rules, comparison: Comparison, candidate: EvaluationRecord): Criterion[] {
  const { first_token_p95_ms, latency_p95_ms, memory, model_size } = rules.limits;
  const time = (name: string, metric: string, bound: number | undefined): Criterion[] => {
    if (bound === undefined) return [];
    const latency = comparison.latency.find((one) => one.name === metric);
    const timed = latency?.candidate;
    const found = timed && timed.value !== null ? { value: timed.value, interval: timed.interval } : null;
    const base = { kind: 'limit', name, about: 'value', side: 'at_most', bound, unit: 'ms' } as const;
    return [{ ...base, ...judgeBound(found, 'at_most', bound, latency?.n ?? 0) }];
  };
  const bytes = (name: string, bound: number | undefined, value: number | null | undefined): Criterion[] => {
    if (bound === undefined) return [];
    const known = value ?? null;
    return [
      {
        kind: 'limit',
        name,
        about: 'value',
        side: 'at_most',
        bound,
        unit: 'bytes',
        found: known === null ? null : { value: known, interval: null },
        state: known === null ? 'open' : known <= bound ? 'met' : 'failed',
        ...(known === null ? { moreRows: null } : {}),
      },
    ];
  };
  return [
    ...time('first_token_p95_ms', 'first_token_ms@p95', first_token_p95_ms),
    ...time('latency_p95_ms', 'last_token_ms@p95', latency_p95_ms),
    ...bytes('memory', memory, candidate.cost?.peakMemoryBytes),
    ...bytes('model_size', model_size, candidate.model.bytes),
  ];
}

type Judged = Pick<Criterion, 'found' | 'state' | 'moreRows'>;

function judgeBound(
  found: { value: number; interval: Interval } | null,
  side: Criterion['side'],
  bound: number,
  rows: number,
): Judged {
  if (found === null) return { found, state: 'open', moreRows: null };
  const { low, high } = found.interval;
  const [isMet, isFailed] = side === 'at_least' ? [low >= bound, high < bound] : [high <= bound, low > bound];
  const state: CriterionState = isMet ? 'met' : isFailed ? 'failed' : 'open';
  if (state !== 'open') return { found, state };
  const needed = rowsToSettle(found.value, found.interval, bound, rows);
  return { found, state, moreRows: needed === null ? null : needed - rows };
}

function more(needed: readonly number[], rows: number): number | null {
  return needed.length === 0 ? null : Math.min(...needed) - rows;
}

/** The difference in the direction that is better. */
function gainOf({ delta, direction }: Difference): { value: number; interval: Interval } {
  const { value, interval } = delta!;
  if (direction === 'higher') return { value, interval };
  return { value: -value, interval: { ...interval, low: -interval.high, high: -interval.low } };
}

const nameOf = ({ metric, business }: { metric?: string; business?: string }) => (metric ?? business)!;

/** The value that a rule names; it must be there on both sides, have a better direction, and be fit to decide. */
function ruledValue(rule: { metric?: string; business?: string }, comparison: Comparison): Difference {
  const values =
    rule.business === undefined ? [...comparison.metrics, ...comparison.parts] : comparison.business;
  const name = nameOf(rule);
  const found = values.find((one) => one.name === name);
  const what = rule.business === undefined ? `metric "${name}"` : `business metric "${name}"`;
  if (!found) {
    const names = values.map((one) => one.name).filter((one) => !one.endsWith(']'));
    throw mismatch(
      what,
      names.join(', ') || 'none',
      `Evaluate both models with ${name}, or correct the rule file.`,
    );
  }
  if (found.delta === null)
    throw mismatch(what, 'a metric without a value on these rows', `Choose another metric than ${name}.`);
  if (found.direction === 'none')
    throw mismatch(what, 'a metric of which neither more nor less is better', `Choose another than ${name}.`);
  if (found.comparisonOnly)
    throw mismatch(
      what,
      "a metric that is for comparison with other tools' reports only",
      `Choose another than ${name}.`,
    );
  return found;
}

function mismatch(expected: string, found: string, remedy: string): FactoryError {
  return new FactoryError({
    code: 'EVAL_RULES_MISMATCH',
    message: `the rules expected ${expected}, found ${found}`,
    remedy,
  });
}
