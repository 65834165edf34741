// In: nothing. Out: the rules of a release, as people write them before the run, and the verdict that follows from them.
// How one follows from the other is eval/verdict/.
import { z } from 'zod';
import type { Comparison } from './comparison.ts';
import type { EvaluationRecord } from './evaluation.ts';
import { parseBytes } from './quantities.ts';
import type { Interval } from './scorecard.ts';

export const VERDICT_FORMAT = 1;

const named = {
  /** A value of the comparison by its name, as `accuracy` or `f1_per_class[spam]`. */
  metric: z.string().optional(),
  /** A value of the business metrics. */
  business: z.string().optional(),
};
const one = (rule: { metric?: string; business?: string }) =>
  (rule.metric === undefined) !== (rule.business === undefined);
const either = 'expected either metric or business';
const size = z
  .string()
  .refine((text) => parseBytes(text) !== null, 'expected a size such as 8GB')
  .transform((text) => parseBytes(text) as number);

/** The candidate must gain: the whole interval of the gain lies above `gain_at_least`. */
const goal = z
  .strictObject({
    ...named,
    gain_at_least: z.number().min(0),
    /** Where the interval lies wholly below this, the gain is shown to be too small; `gain_at_least` if not given. */
    worth_at_least: z.number().min(0).optional(),
  })
  .refine(one, either)
  .refine(
    ({ gain_at_least, worth_at_least = gain_at_least }) => worth_at_least >= gain_at_least,
    'worth_at_least must not be below gain_at_least',
  );

/** The candidate must not lose more than a margin, or must stay on the right side of a bound; by interval. */
const guardrail = z
  .strictObject({
    ...named,
    loss_at_most: z.number().min(0).optional(),
    at_least: z.number().optional(),
    at_most: z.number().optional(),
    /** Fields of slices in none of which a loss above `loss_at_most` may be shown. */
    slices: z.array(z.string()).default([]),
  })
  .refine(one, either)
  .refine(
    ({ loss_at_most, at_least, at_most }) =>
      [loss_at_most, at_least, at_most].filter((bound) => bound !== undefined).length === 1,
    'expected one of loss_at_most, at_least, at_most',
  )
  .refine(
    ({ slices, loss_at_most }) => slices.length === 0 || loss_at_most !== undefined,
    'slices need loss_at_most',
  );

export const rulesSchema = z.strictObject({
  name: z.string().min(1),
  /** Confidence level of every interval that decides. */
  confidence: z.number().min(0.5).max(0.9999).default(0.95),
  minimum_rows: z.int().min(1),
  goals: z.array(goal).min(1),
  guardrails: z.array(guardrail).default([]),
  limits: z
    .strictObject({
      first_token_p95_ms: z.number().positive().optional(),
      latency_p95_ms: z.number().positive().optional(),
      memory: size.optional(),
      model_size: size.optional(),
    })
    .default({}),
  /** Rows that the candidate may have been trained on. */
  overlap_at_most: z.int().min(0).default(0),
  /** Without this, a candidate whose training data is not known gives a warning only. */
  training_data_must_be_known: z.boolean().default(false),
});

export type Rules = z.infer<typeof rulesSchema>;

export type CriterionState = 'met' | 'failed' | 'open';

export interface Criterion {
  kind: 'rows' | 'goal' | 'guardrail' | 'slices' | 'limit' | 'training_data';
  /** What is judged: the name of a value, or of a limit. */
  name: string;
  /** How the bound is meant: a difference to the base, or the candidate's own value. */
  about: 'gain' | 'loss' | 'value';
  side: 'at_least' | 'at_most';
  bound: number;
  unit: 'share' | 'ms' | 'number' | 'bytes' | 'rows';
  state: CriterionState;
  /** A gain is positive where the candidate is better, whichever way the metric goes. Null where it was not measured. */
  found: { value: number; interval: Interval | null } | null;
  /** Of an open criterion: rows that would probably settle it; null where no reasonable number would. */
  moreRows?: number | null;
  /** The worst slice. */
  where?: string;
}

export type Decision = 'ship' | 'do_not_ship' | 'not_enough_evidence';

/** What a reader should know; the sentence is made in the reader's language. */
export interface VerdictWarning {
  kind: 'rules_newer' | 'training_data_unknown' | 'failed_rows';
  detail: string;
}

export interface WorstExample {
  id: string;
  prompt: string;
  references: readonly string[];
  prediction: string;
  failure: string | null;
  confidence: number | null;
}

export interface Verdict {
  format: typeof VERDICT_FORMAT;
  decision: Decision;
  /** As `tunesmith eval verdict` ends. */
  exitStatus: 0 | 1 | 3;
  /** Rows that would probably settle all that is open; null where nothing is open, or no reasonable number would. */
  moreRows: number | null;
  rules: Rules & { path: string; sha256: string; modifiedAt: string };
  criteria: Criterion[];
  warnings: VerdictWarning[];
  comparison: Comparison;
  /** Wrong answers of the candidate, the surest first. */
  worst: WorstExample[];
  base: EvaluationRecord;
  candidate: EvaluationRecord;
  version: string;
  madeAt: string;
}
