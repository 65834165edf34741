// In: nothing. Out: what a metric is: its meaning for people, its options, and how it turns rows into a value.
// A metric is a statistic over row numbers, so that resampling, slices and pairs need no code of their own per metric.
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { MetricDirection, PredictionRow } from '#factory/records/scorecard.ts';
import type { JointStatistic, Statistic } from '../statistics/bootstrap.ts';

/** What some metrics need from outside. All of it is passed in, none of it is looked up. */
export interface MetricPorts {
  /** Chinese text → words, as jieba cuts it. Without it, each Han character is a word, and the name says so. */
  segmentChinese?: (text: string) => string[];
  jsonSchema?: JsonSchemaValidator;
}

/** A JSON schema made into a test; null when the value conforms, else what is wrong with it. */
export interface JsonSchemaValidator {
  compile(schema: unknown): (value: unknown) => string | null;
}

export interface PreparedMetric {
  /** The class, target or variant that this value is about; it goes into the name in brackets. */
  part?: string;
  /** The variant that follows from options or ports; it goes into the name after `@`. */
  variant?: string;
  /** A whole name instead, where the metric's own one has a place holder (`pass@5`). */
  named?: string;
  value: Statistic;
  /** Where several values come from one pass over the rows: the pass, and which of its values this is. */
  shared?: { compute: JointStatistic; index: number };
  /** One value per row, where `value` is their mean. Paired tests use it. */
  perItem?: readonly number[];
  /** Where the value is a share of independent trials, it has Wilson's interval. */
  proportion?: { hits: number; trials: number };
  /** Rows whose answer could not be used. */
  invalid: number;
  signature?: string;
  /** Why there may be no value. */
  undefinedWhen?: string;
}

export interface MetricDefinition {
  name: MetricName;
  direction: MetricDirection;
  /** Smallest and largest possible value. */
  range: readonly [number, number];
  /** What it measures, in one sentence. */
  summary: string;
  /** Whose definition it is, and what happens at the edges. */
  source: string;
  /** For comparison with other tools' reports: it must not decide anything. */
  comparisonOnly: boolean;
  /** What its options may be. */
  options: z.ZodType;
  prepare(rows: readonly PredictionRow[], options: unknown, ports: MetricPorts): PreparedMetric[];
}

export interface MetricSource<Options> {
  name: MetricName;
  direction: MetricDirection;
  range: readonly [number, number];
  summary: string;
  source: string;
  comparisonOnly?: boolean;
  options: z.ZodType<Options>;
  prepare(
    rows: readonly PredictionRow[],
    options: Options,
    ports: MetricPorts,
  ): PreparedMetric | PreparedMetric[];
}

/** Options are checked before any row is looked at; keys that the metric does not know are refused. */
export function defineMetric<Options>(source: MetricSource<Options>): MetricDefinition {
  return {
    ...source,
    comparisonOnly: source.comparisonOnly ?? false,
    prepare(rows, options, ports) {
      if (rows.length === 0) {
        throw new FactoryError({
          code: 'EVAL_NO_ROWS',
          message: `${source.name} expected at least one row, found none`,
          remedy: 'Evaluate on a data set with rows.',
        });
      }
      const parsed = source.options.safeParse(options ?? {});
      if (!parsed.success) throw badOption(source.name, z.prettifyError(parsed.error));
      const prepared = source.prepare(rows, parsed.data, ports);
      return Array.isArray(prepared) ? prepared : [prepared];
    },
  };
}

export interface OptionKey {
  name: string;
  required: boolean;
  default?: unknown;
}

/** For reference pages and help. */
export function optionKeys({ options }: MetricDefinition): OptionKey[] {
  const { properties = {}, required = [] } = z.toJSONSchema(options, { io: 'input', unrepresentable: 'any' });
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    required: required.includes(name),
    default: typeof schema === 'object' ? schema.default : undefined,
  }));
}

export function badOption(metric: MetricName, problem: string): FactoryError {
  return new FactoryError({
    code: 'EVAL_BAD_OPTION',
    message: `options of metric ${metric}: ${problem}`,
    remedy: `Correct the options of ${metric} in the evaluation file.`,
  });
}

/** A metric that needs something of every row names the first row without it. */
export function badRow(
  metric: MetricName,
  row: PredictionRow,
  expected: string,
  found: string,
): FactoryError {
  return new FactoryError({
    code: 'EVAL_BAD_ROW',
    message: `${metric} expected ${expected} in row ${row.id}, found ${found}`,
    remedy: `Give every row what ${metric} needs, or remove the metric.`,
    details: { row: row.id },
  });
}

/** The mean of one value per row. */
export function meanOfItems(perItem: readonly number[]): Pick<PreparedMetric, 'value' | 'perItem'> {
  return {
    perItem,
    value: (rows) => {
      let total = 0;
      for (let i = 0; i < rows.length; i++) total += perItem[rows[i]];
      return total / rows.length;
    },
  };
}

/** The share of rows with 1; the rest have 0. */
export function shareOfItems(
  perItem: readonly number[],
): Pick<PreparedMetric, 'value' | 'perItem' | 'proportion'> {
  const hits = perItem.reduce((sum, value) => sum + value, 0);
  return { ...meanOfItems(perItem), proportion: { hits, trials: perItem.length } };
}

/** Rows without an answer. */
export function countFailures(rows: readonly PredictionRow[]): number {
  return rows.filter((row) => row.failure !== undefined).length;
}
