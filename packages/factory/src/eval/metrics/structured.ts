// In: rows whose answer should be JSON or tool calls. Out: the metrics of valid JSON, of a JSON schema, and of the tools
// that were called. The schema validator is passed in; nothing here calls a tool.
import { z } from 'zod';
import { FactoryError } from '#factory/errors.ts';
import type { MetricName } from '#factory/records/metric-names.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { referencesOf } from './corpus-sums.ts';
import { badRow, defineMetric, type MetricDefinition, shareOfItems } from './definition.ts';
import { type ToolCall, toolCallsIn } from './tool-calls.ts';

const jsonOptions = {
  /** `whole`: nothing but JSON. `fenced`: a Markdown fence around it is allowed. */
  extract: z.enum(['whole', 'fenced']).default('whole'),
};

const FENCE = /^\s*```(?:json)?[^\S\n]*\n([\s\S]*?)\n?```\s*$/i;

/** Undefined where it is not JSON, which has no undefined. */
function parseJson(text: string, extract: 'whole' | 'fenced'): unknown {
  const inner = extract === 'fenced' ? (FENCE.exec(text)?.[1] ?? text) : text;
  try {
    return JSON.parse(inner);
  } catch {
    return undefined;
  }
}

const jsonValid = defineMetric({
  name: 'json_valid',
  direction: 'higher',
  range: [0, 1],
  summary:
    'Share of rows whose answer is JSON and nothing else; the name says whether a Markdown fence is allowed.',
  source: 'RFC 8259, as JSON.parse reads it: a repeated key is allowed, the last one counts.',
  options: z.strictObject(jsonOptions),
  prepare(rows, { extract }) {
    const perItem = rows.map((row) => Number(parseJson(row.prediction, extract) !== undefined));
    return {
      ...shareOfItems(perItem),
      variant: extract,
      invalid: perItem.filter((valid) => valid === 0).length,
    };
  },
});

const jsonSchema = defineMetric({
  name: 'json_schema',
  direction: 'higher',
  range: [0, 1],
  summary: 'Share of rows whose answer is JSON that conforms to the given schema.',
  source: 'JSON Schema, by the validator that the runner passes in. What is no JSON is invalid.',
  options: z.strictObject({ ...jsonOptions, schema: z.record(z.string(), z.unknown()) }),
  prepare(rows, { extract, schema }, ports) {
    if (!ports.jsonSchema) {
      throw new FactoryError({
        code: 'EVAL_UNAVAILABLE',
        message: 'json_schema needs a validator of JSON schemas, and there is none in this installation',
        remedy: 'Remove json_schema from the metrics, or use json_valid.',
      });
    }
    const problemOf = ports.jsonSchema.compile(schema);
    const values = rows.map((row) => parseJson(row.prediction, extract));
    const perItem = values.map((value) => Number(value !== undefined && problemOf(value) === null));
    return {
      ...shareOfItems(perItem),
      variant: extract,
      invalid: values.filter((value) => value === undefined).length,
    };
  },
});

type CallsAgree = (answer: readonly ToolCall[], reference: readonly ToolCall[]) => boolean;

const toolMetric = (name: MetricName, summary: string, agree: CallsAgree): MetricDefinition =>
  defineMetric({
    name,
    direction: 'higher',
    range: [0, 1],
    summary,
    source:
      'Own definition. Where the reference calls no tool, the answer must call none. Order of calls counts.',
    options: z.strictObject({}),
    prepare(rows) {
      const answers = rows.map((row) => (row.failure === undefined ? toolCallsIn(row.prediction) : null));
      const perItem = rows.map((row, i) => {
        const answer = answers[i];
        if (answer === null) return 0;
        return Number(expectedCalls(name, row).some((reference) => agree(answer, reference)));
      });
      return { ...shareOfItems(perItem), invalid: answers.filter((answer) => answer === null).length };
    },
  });

function expectedCalls(metric: MetricName, row: PredictionRow): ToolCall[][] {
  return referencesOf(metric, row).map((reference) => {
    const calls = toolCallsIn(reference);
    if (calls === null)
      throw badRow(metric, row, 'tool calls that can be read in the reference', 'broken JSON');
    return calls;
  });
}

const sameNames: CallsAgree = (a, b) => a.length === b.length && a.every(({ name }, i) => name === b[i].name);
const sameCalls: CallsAgree = (a, b) =>
  sameNames(a, b) && a.every((call, i) => call.canonical === b[i].canonical);

export const STRUCTURED_METRICS = {
  json_valid: jsonValid,
  json_schema: jsonSchema,
  tool_name_match: toolMetric(
    'tool_name_match',
    'Share of rows that call the tools of a reference, whatever the arguments.',
    sameNames,
  ),
  tool_call_match: toolMetric(
    'tool_call_match',
    'Share of rows that call the tools of a reference with equal arguments (order of keys does not count).',
    sameCalls,
  ),
} as const satisfies Partial<Record<MetricName, MetricDefinition>>;
