// In: nothing. Out: rubrics of a judge, as people write them, its judgements of rows, and the report on them.
// The judge is a language model at an endpoint; how it is asked is eval/judge/.
import { z } from 'zod';
import type { Difference } from './comparison.ts';
import type { Interval, MetricValue } from './scorecard.ts';

export const rubricSchema = z
  .strictObject({
    name: z.string().min(1),
    /** Changes whenever the text does, so that scores of different texts are never mixed. */
    version: z.int().min(1),
    kind: z.enum(['score', 'pairwise']),
    /** What makes an answer good, in the words that the judge gets. */
    criteria: z.string().min(1),
    /** Of a score: its smallest and largest value, both whole. */
    scale: z.tuple([z.int(), z.int()]).default([1, 5]),
    /** Show the judge the reference answer. */
    show_reference: z.boolean().default(true),
    max_tokens: z.int().min(1).default(512),
  })
  .refine(({ scale: [low, high] }) => low < high, 'scale needs a smaller and a larger number');

export type Rubric = z.infer<typeof rubricSchema>;

export type Winner = 'base' | 'candidate' | 'tie';

/** A line of judgements.jsonl. */
export interface Judgement {
  row: string;
  /** Of a score: of which evaluation. */
  side?: 'base' | 'candidate';
  score?: number;
  /** Of a pair: the winner of each order, and of both together; a win needs both. */
  games?: [baseFirst: Winner, candidateFirst: Winner];
  winner?: Winner;
  reasons: string[];
  /** Why there is no judgement. */
  failure?: string;
}

/** A share or mean, and the rows or games it is made of. */
export interface Estimate {
  value: number;
  interval: Interval;
  n: number;
}

export interface JudgeReport {
  rubric: Rubric & { path: string; sha256: string };
  judge: { model: string; endpoint: string | null };
  base: { folder: string; name: string; model: string };
  /** The only evaluation, where scores of one are asked for, is `base`. */
  candidate: { folder: string; name: string; model: string } | null;
  rows: number;
  /** Rows without a judgement, as the judge did not answer or its answer could not be read. */
  failed: number;
  scores: { base: MetricValue; candidate: MetricValue | null; difference: Difference | null } | null;
  pairs: {
    wins: number;
    ties: number;
    losses: number;
    /** Of the candidate, ties half. */
    winRate: Estimate;
    /** Without ties; null where all are ties. */
    decided: Estimate | null;
    /** Sign test of wins against losses, two-sided. */
    p: number;
    /** Rows of which both orders name the same winner. */
    consistency: Estimate;
    /** Candidate − base, in characters. */
    lengthGap: Estimate | null;
    /** Decided rows that the longer answer won; null where lengths are equal throughout. */
    longerWins: Estimate | null;
  } | null;
  /** With labels of people, on the rows that both have. */
  agreement: { kappa: Estimate | null; weights: 'nominal' | 'quadratic'; same: Estimate } | null;
  cost: {
    requests: number;
    /** Answered from the cache. */
    cached: number;
    promptTokens: number;
    newTokens: number;
    /** By the given prices, for requests that were not cached; null without prices. */
    price: number | null;
  };
  warnings: JudgeWarning[];
}

export type JudgeWarning = 'inconsistent_judge' | 'judges_itself' | 'few_labels' | 'no_labels';
