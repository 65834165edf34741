import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { EvaluationRecord, Scorecard, StoredPrediction } from '#factory/records/evaluation.ts';
import {
  findEvaluation,
  openPredictions,
  readEvaluation,
  readFailures,
  readPredictions,
  readScorecard,
  writeEvaluation,
  writeScorecard,
} from './evaluation-files.ts';

const root = mkdtempSync(join(tmpdir(), 'evaluation-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let folders = 0;
const folder = () => join(root, `run-${folders++}`);

const record: EvaluationRecord = {
  format: 1,
  name: 'tuned',
  answersSha256: 'e5',
  task: { kind: 'classification', predict: 'logprob', labels: ['spam', 'ham'] },
  model: { path: 'm', sha256: 'a1', endpoint: null, adapters: [], parameters: 7, bytes: 28 },
  data: {
    files: [{ path: 'test.json', sha256: 'b2' }],
    rows: 3,
    rowIdsSha256: 'c3',
    contentSha256: 'd4',
    overlap: 0,
    dropped: 0,
  },
  metrics: [{ name: 'accuracy', options: { labels: ['spam', 'ham'] } }],
  business: null,
  slices: [],
  intervals: { level: 0.95, resamples: 2000, seed: 0, method: 'percentile' },
  seed: 42,
  config: { max_samples: 3 },
  versions: { Node: '24' },
  machine: { system: 'linux', processor: 'x', threads: 2, memoryBytes: 1 },
  startedAt: '2026-01-01T00:00:00.000Z',
  finishedAt: null,
  cost: null,
};

const row = (id: string): StoredPrediction => ({
  id,
  prompt: '退款？',
  prediction: 'ham',
  references: ['ham'],
  promptTokens: 3,
  newTokens: 1,
});

describe('an evaluation folder', () => {
  it('gives back what was written', async () => {
    const dir = folder();
    expect(await findEvaluation(dir)).toBeNull();
    await writeEvaluation(dir, record);
    expect(await readEvaluation(dir)).toEqual(record);
    const scorecard: Scorecard = {
      format: 1,
      rows: 3,
      failedRows: 1,
      metrics: [],
      business: null,
      slices: [],
      detectable: null,
    };
    const failures = [{ row: 'r1', step: 'answer', message: 'timeout' } as const];
    await writeScorecard(dir, scorecard, failures);
    expect(await readScorecard(dir)).toEqual(scorecard);
    expect(await readFailures(dir)).toEqual(failures);
  });

  it('keeps whole rows and cuts off the one that a kill tore', async () => {
    const dir = folder();
    const first = await openPredictions(dir, () => true);
    first.append([row('a'), row('b')]);
    first.close();
    appendFileSync(join(dir, 'predictions.jsonl'), '{"id":"c","prompt":"退');
    expect(await readPredictions(dir)).toEqual([row('a'), row('b')]);
    const second = await openPredictions(dir, () => true);
    expect(second.rows.map(({ id }) => id)).toEqual(['a', 'b']);
    second.append([row('d')]);
    second.close();
    expect((await readPredictions(dir)).map(({ id }) => id)).toEqual(['a', 'b', 'd']);
  });

  it('says what is wrong with files that are not its own', async () => {
    const dir = folder();
    await expect(readEvaluation(dir)).rejects.toMatchObject({ code: 'EVAL_BAD_FOLDER' });
    await writeEvaluation(dir, record);
    await expect(readScorecard(dir)).rejects.toThrow(/not finished/);
    const write = (name: string, text: string) => writeFileSync(join(dir, name), text);
    write('evaluation.json', JSON.stringify({ ...record, seed: 'x' }));
    await expect(readEvaluation(dir)).rejects.toThrow(/seed/);
    write('evaluation.json', '[1]');
    await expect(readEvaluation(dir)).rejects.toThrow(/expected a JSON object, found a list/);
    write('scorecard.json', '{"format":2}');
    await expect(readScorecard(dir)).rejects.toMatchObject({ code: 'EVAL_BAD_FOLDER' });
    write('predictions.jsonl', `${JSON.stringify(row('a'))}\nnonsense\n`);
    await expect(readPredictions(dir)).rejects.toThrow(/line 2: expected JSON, found nonsense/);
    write('predictions.jsonl', '{"id":"a"}\n');
    await expect(readPredictions(dir)).rejects.toThrow(/line 1/);
    write('failures.jsonl', '{"row":\n');
    await expect(readFailures(dir)).rejects.toMatchObject({ code: 'EVAL_BAD_FOLDER' });
  });
});
