import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, it } from 'vitest';
import type { PredictionRow } from '#factory/records/scorecard.ts';
import { loadBusinessMetrics } from './load.ts';
import { scoreBusiness } from './score.ts';

const folder = mkdtempSync(join(tmpdir(), 'business-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const importFile = (path: string): Promise<unknown> => import(pathToFileURL(path).href);

let files = 0;
function write(code: string): string {
  const path = join(folder, `metrics-${files++}.ts`);
  writeFileSync(path, code);
  return path;
}
const load = (code: string) => loadBusinessMetrics(write(code), importFile);

const rows: PredictionRow[] = ['refund', 'refund', 'ship', 'ship', 'other'].map((prediction, i) => ({
  id: `order-${i}`,
  prompt: '',
  prediction,
  references: ['refund'],
  source: { amount: 10 * (i + 1) },
}));

describe('business metrics', () => {
  it('can be one line of TypeScript', async () => {
    const module = await load(
      'export const calculate_business_impact = (row: any, prediction: string): number => prediction === row.references[0] ? row.source.amount : -1;',
    );
    const { scores, failures } = await scoreBusiness(module, rows);
    expect(failures).toEqual([]);
    expect(scores).toHaveLength(1);
    const [{ value, total, direction }] = scores;
    expect(value).toMatchObject({
      metric: 'business',
      name: 'calculate_business_impact',
      value: 27 / 5,
      perItem: [10, 20, -1, -1, -1],
      n: 5,
      invalid: 0,
    });
    expect(value.interval!.method).toBe('bootstrap-percentile');
    expect(total!.value).toBeCloseTo(27, 12);
    expect(total!.low).toBeCloseTo(5 * value.interval!.low, 12);
    expect(direction).toBe('higher');
  });

  it('may return several numbers, be asynchronous, and say which way is better', async () => {
    const module = await load(
      "export default async (row, prediction) => ({ cost: prediction === 'ship' ? 4 : 0, minutes: 1 });\nexport const directions = { 'business.cost': 'lower' } as const;",
    );
    const { scores } = await scoreBusiness(module, rows);
    expect(scores.map(({ value, direction }) => [value.name, value.value, direction])).toEqual([
      ['business.cost', 1.6, 'lower'],
      ['business.minutes', 1, 'higher'],
    ]);
  });

  it('name the row that they fail on, and go on', async () => {
    const module = await load(`export function impact(row, prediction) {
      if (row.id === 'order-0') throw new Error('no price');
      if (row.id === 'order-1') return NaN;
      if (row.id === 'order-2') return 'much';
      if (row.id === 'order-3') row.prediction = 'changed';
      return 2;
    }`);
    const { scores, failures } = await scoreBusiness(module, [...rows, { ...rows[4], id: 'order-5' }]);
    expect(failures.map(({ row, metric, message }) => [row, metric, message])).toEqual([
      ['order-0', 'impact', 'Error: no price'],
      ['order-1', 'impact', 'expected a finite number for impact, got NaN'],
      ['order-2', 'impact', 'expected a number or numbers by name, got "much"'],
      ['order-3', 'impact', expect.stringContaining('read only')],
    ]);
    expect(scores[0].value).toMatchObject({
      value: 2,
      n: 2,
      invalid: 4,
      perItem: [null, null, null, null, 2, 2],
    });
    expect(rows[3].prediction).toBe('ship');
  });

  it('have no number when every row fails, or a part is missing', async () => {
    const broken = await load('export const impact = () => { throw 7; };');
    const { scores, failures } = await scoreBusiness(broken, rows);
    expect(failures).toHaveLength(5);
    expect(failures[0].message).toBe('threw 7');
    expect(scores[0]).toMatchObject({
      total: null,
      value: { value: null, reason: 'the metric failed on every row' },
    });
    const uneven = await load(
      "export const f = (row) => (row.id === 'order-0' ? { a: 1 } : { a: 1, b: 2 });",
    );
    const second = await scoreBusiness(uneven, rows);
    expect(second.failures).toEqual([{ row: 'order-0', metric: 'f', message: 'the result has no "f.b"' }]);
    expect(second.scores.map(({ value }) => value.n)).toEqual([5, 4]);
  });

  it('say what is wrong with their file', async () => {
    await expect(load('export const x = 3;')).rejects.toThrow(/expected exported functions, found only x/);
    await expect(load('export {};')).rejects.toThrow(/found no export/);
    await expect(load('export const f = () => 1; export const directions = { f: "up" };')).rejects.toThrow(
      /directions.f should be higher, lower or none, and is "up"/,
    );
    await expect(load('throw new Error("boom");')).rejects.toThrow(/cannot be imported: boom/);
    await expect(loadBusinessMetrics(join(folder, 'absent.ts'), importFile)).rejects.toMatchObject({
      code: 'EVAL_BAD_METRIC_FILE',
    });
  });
});
