// For tests: evaluations with answers that are made up by the test.
import type { EvaluationRecord, Scorecard } from '#factory/records/evaluation.ts';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import type { EvaluationSide } from './pair-rows.ts';

const LABELS = ['yes', 'no'];

/** Row i is answered right where `right[i]`; `change` may set more of it. */
export function plantedRows(
  right: readonly boolean[],
  change: (i: number) => Partial<PredictionRow> = () => ({}),
): PredictionRow[] {
  return right.map((isRight, i) => ({
    id: `r${i}`,
    prompt: `question ${i}`,
    prediction: isRight ? 'yes' : 'no',
    references: ['yes'],
    label: 'yes',
    ...change(i),
  }));
}

export interface Planted {
  record?: Partial<EvaluationRecord>;
  data?: Partial<EvaluationRecord['data']>;
  /** Values of a business metric, by row. */
  business?: Record<string, readonly (number | null)[]>;
}

export function plantedSide(
  folder: string,
  rows: readonly PredictionRow[],
  { record = {}, data = {}, business }: Planted = {},
): EvaluationSide {
  const interval = { low: 0, high: 0, level: 0.95, method: 'bootstrap-percentile' } as const;
  const scorecard: Scorecard = {
    format: 1,
    rows: rows.length,
    failedRows: 0,
    metrics: [
      {
        request: { name: 'accuracy', options: { labels: LABELS } },
        direction: 'higher',
        comparisonOnly: false,
        values: [
          {
            metric: 'accuracy',
            name: 'accuracy',
            n: rows.length,
            invalid: 0,
            value: 0,
            interval,
            perItem: rows.map((row) => Number(row.prediction === row.label)),
          },
        ],
      },
    ],
    business: business
      ? {
          path: 'business.ts',
          failures: 0,
          scores: Object.entries(business).map(([name, perItem]) => ({
            value: { metric: 'business', name, n: rows.length, invalid: 0, value: 0, interval, perItem },
            total: null,
            direction: name === 'cost' ? 'lower' : 'higher',
          })),
        }
      : null,
    slices: [],
    detectable: null,
  };
  return {
    folder,
    rows,
    scorecard,
    record: {
      format: 1,
      name: folder,
      answersSha256: 'f6',
      task: { kind: 'classification', predict: 'logprob', labels: LABELS },
      model: { path: 'm', sha256: 'a1', endpoint: null, adapters: [], parameters: 7, bytes: 28e6 },
      data: {
        files: [{ path: 'test.json', sha256: 'b2' }],
        rows: rows.length,
        rowIdsSha256: 'c3',
        contentSha256: 'd4',
        overlap: 0,
        dropped: 0,
        ...data,
      },
      metrics: [
        { name: 'accuracy', options: { labels: LABELS } },
        { name: 'validity_rate', options: { labels: LABELS } },
      ],
      business: null,
      slices: [],
      intervals: { level: 0.95, resamples: 2000, seed: 0, method: 'percentile' },
      seed: 42,
      config: { max_samples: 3 },
      versions: { Node: '24' },
      machine: { system: 'linux', processor: 'x', threads: 2, memoryBytes: 1 },
      startedAt: '2026-01-02T00:00:00.000Z',
      finishedAt: '2026-01-02T00:10:00.000Z',
      cost: { seconds: 60, promptTokens: 1000, newTokens: 100, peakMemoryBytes: 3e9 },
      ...record,
    },
  };
}
