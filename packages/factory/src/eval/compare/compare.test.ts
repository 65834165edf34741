// Comparisons of planted evaluations: values that can be counted by hand, slices, clusters, flips, and what is refused.
import { describe, expect, it } from 'vitest';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { mcnemar } from '../statistics/mcnemar.ts';
import { pairedShareInterval } from '../statistics/paired-shares.ts';
import { type CompareSettings, compare } from './compare.ts';
import { plantedRows, plantedSide } from './planted-sides.ts';

const settings: CompareSettings = {
  level: 0.95,
  resamples: 400,
  seed: 1,
  method: 'percentile',
  correction: 'holm',
  flips: 2,
};
const times = (n: number, value: boolean) => new Array<boolean>(n).fill(value);
/** 12 rows only the candidate gets right, 3 only the base, 45 both. */
const baseRight = [...times(12, false), ...times(48, true)];
const candidateRight = [...times(12, true), ...times(3, false), ...times(45, true)];
const sliced = (i: number) => ({
  slices: { language: i % 2 === 0 ? 'en' : 'zh', rare: i < 3 ? 'yes' : 'no' },
});
const of = (right: readonly boolean[], name: string) => plantedSide(name, plantedRows(right, sliced));

describe('a comparison', () => {
  const found = compare(of(baseRight, 'base'), of(candidateRight, 'tuned'), {}, settings);

  it('has shares with the interval and the p of the discordant rows', () => {
    const accuracy = found.metrics.find(({ name }) => name === 'accuracy')!;
    expect(accuracy.delta).toMatchObject({ value: 9 / 60, test: 'mcnemar-mid-p', p: mcnemar(3, 12).midP });
    expect(accuracy.delta!.interval).toEqual(pairedShareInterval(3, 12, 60, 0.95));
    expect(accuracy.base).toMatchObject({ value: 48 / 60, interval: { method: 'wilson' } });
    expect(accuracy.base).not.toHaveProperty('perItem');
  });

  it('corrects p over the metrics, and apart from it over the slices', () => {
    const [accuracy, validity] = found.metrics;
    expect(accuracy.delta!.pAdjusted).toBeCloseTo(2 * accuracy.delta!.p, 12);
    expect(validity.delta).toMatchObject({ value: 0, p: 1, pAdjusted: 1 });
    // Without a discordant row there still is uncertainty.
    expect(validity.delta!.interval.low).toBeLessThan(-0.03);
    const inSlices = found.slices.flatMap(({ differences }) => differences);
    const least = inSlices.reduce((a, b) => (a.delta!.p < b.delta!.p ? a : b));
    expect(least.delta!.pAdjusted).toBeCloseTo(Math.min(1, inSlices.length * least.delta!.p), 12);
  });

  it('names small slices without values', () => {
    const shown = found.slices.map(({ slice, value, rows, differences }) => [
      slice,
      value,
      rows,
      differences.length,
    ]);
    expect(shown).toEqual([
      ['language', 'en', 30, 2],
      ['rare', 'yes', 3, 0],
      ['language', 'zh', 30, 2],
      ['rare', 'no', 57, 2],
    ]);
  });

  it('counts flips in full and shows as many as are asked for', () => {
    expect(found.flips).toMatchObject({ by: 'accuracy', fixed: 12, broken: 3 });
    expect(found.flips!.shown.broken.map(({ id }) => id)).toEqual(['r12', 'r13']);
    expect(found.flips!.shown.fixed[0]).toMatchObject({ base: 'no', candidate: 'yes', references: ['yes'] });
  });

  it('is the mirror image of itself', () => {
    const back = compare(of(candidateRight, 'tuned'), of(baseRight, 'base'), {}, settings);
    found.metrics.forEach(({ delta }, i) => {
      expect(back.metrics[i].delta!.value).toBe(-delta!.value + 0);
      expect(back.metrics[i].delta!.interval.low).toBeCloseTo(-delta!.interval.high, 12);
    });
  });

  it('does not depend on the order in which rows were answered', () => {
    const tuned = of(candidateRight, 'tuned');
    const shuffled = { ...tuned, rows: seededRandom(3).shuffle(tuned.rows) };
    expect(compare(of(baseRight, 'base'), shuffled, {}, settings)).toEqual(found);
  });
});

describe('values of business metrics', () => {
  const rows = plantedRows(times(40, true));
  const gains = rows.map((_, i) => i % 5);
  const side = (business: Record<string, (number | null)[]>) => plantedSide('s', rows, { business });

  it('are compared by row, by the sign-flip test and the paired bootstrap', () => {
    const found = compare(
      side({ net: gains }),
      side({ net: gains.map((gain, i) => gain + (i % 4 === 0 ? 2 : 0)) }),
      {},
      settings,
    ).business[0];
    expect(found.delta).toMatchObject({ value: 0.5, test: 'sign-flip' });
    // 10 of 40 rows differ, all upwards: 2 of 2^10 patterns are as far out.
    expect(found.delta!.p).toBeCloseTo(2 / 1024, 12);
    expect(found.delta!.interval.low).toBeGreaterThan(0.1);
    expect(found.delta!.interval.high).toBeLessThan(0.9);
  });

  it('leave out rows on which a function failed on either side', () => {
    const [a, b] = [[...gains] as (number | null)[], [...gains] as (number | null)[]];
    a[0] = null;
    b[3] = null;
    const found = compare(side({ net: a }), side({ net: b }), {}, settings).business[0];
    expect(found).toMatchObject({ n: 38, base: { invalid: 2 }, delta: { value: 0 } });
    // Equal on all rows that were seen is not equal on all rows.
    expect(found.delta!.interval.low).toBeLessThan(0);
  });
});

it('resamples clusters, which makes intervals wider than rows would', () => {
  const cluster = (i: number) => ({ cluster: `c${Math.floor(i / 10)}` });
  // Whole clusters flip.
  const flips = Array.from({ length: 200 }, (_, i) => Math.floor(i / 10) % 3 === 0);
  const side = (right: boolean[], change = cluster) => plantedSide('s', plantedRows(right, change));
  const width = (found: ReturnType<typeof compare>) => {
    const { low, high } = found.metrics[0].delta!.interval;
    return high - low;
  };
  const together = compare(side(times(200, true)), side(flips), {}, settings);
  const apart = compare(
    plantedSide('s', plantedRows(times(200, true))),
    plantedSide('s', plantedRows(flips)),
    {},
    settings,
  );
  expect(together.metrics[0]).toMatchObject({ units: 20, n: 200, delta: { test: 'sign-flip' } });
  expect(width(together)).toBeGreaterThan(2 * width(apart));
});

describe('what cannot be compared', () => {
  const rows = plantedRows(times(12, true));
  const refusal = (other: typeof rows, data = {}) => {
    try {
      compare(plantedSide('a', rows), plantedSide('b', other, { data }), {}, settings);
    } catch (error) {
      return error;
    }
    return null;
  };

  it('is refused with the row that differs', () => {
    const changed = rows.map((row, i) => (i === 4 ? { ...row, prompt: 'another' } : row));
    expect(refusal(changed)).toMatchObject({
      code: 'EVAL_DIFFERENT_DATA',
      details: { row: 'r4' },
      message: expect.stringContaining('another prompt'),
    });
    expect(refusal(rows.slice(1))).toMatchObject({ code: 'EVAL_DIFFERENT_DATA' });
    expect(refusal(rows.map((row) => ({ ...row, label: 'no' })))).toMatchObject({
      message: expect.stringContaining('another label'),
    });
    expect(refusal(rows.map((row) => ({ ...row, references: ['x'] })))).toMatchObject({
      message: expect.stringContaining('another reference'),
    });
  });

  it('is an evaluation that is not finished, or has a row twice', () => {
    expect(refusal(rows, { rows: 13 })).toMatchObject({ code: 'EVAL_BAD_FOLDER' });
    expect(refusal([...rows.slice(1), rows[1]])).toMatchObject({ code: 'EVAL_BAD_FOLDER' });
  });

  it('is told where only one side has it', () => {
    const less = plantedSide('b', rows, { record: { metrics: [] } });
    expect(compare(plantedSide('a', rows), less, {}, settings).notes).toEqual([
      { kind: 'metric_on_one_side', detail: 'accuracy, validity_rate' },
    ]);
  });
});
