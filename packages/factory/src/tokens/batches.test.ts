import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { type BatchPlanOptions, planBatches } from './batches.ts';

const base = { perDeviceBatchSize: 4, accumulation: 2, seed: 42, epoch: 0, dropLast: false, shuffle: true };
const randomLengths = (n: number, seed = 1) => {
  const random = seededRandom(seed);
  return Array.from({ length: n }, () => 1 + random.int(500));
};

const options = fc.record<BatchPlanOptions>({
  lengths: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 300 }),
  perDeviceBatchSize: fc.integer({ min: 1, max: 5 }),
  accumulation: fc.integer({ min: 1, max: 4 }),
  seed: fc.integer(),
  epoch: fc.integer({ min: 0, max: 3 }),
  dropLast: fc.boolean(),
  shuffle: fc.boolean(),
});

describe('laws', () => {
  test('every row once per epoch, minus what dropLast drops', () => {
    fc.assert(
      fc.property(options, (o) => {
        const rows = planBatches(o).flat(2);
        const expected = o.dropLast
          ? o.lengths.length - (o.lengths.length % o.perDeviceBatchSize)
          : o.lengths.length;
        expect(rows.length).toBe(expected);
        expect(new Set(rows).size).toBe(expected);
        for (const row of rows) expect(row >= 0 && row < o.lengths.length).toBe(true);
      }),
    );
  });

  test('as many steps and micro batches as a plain loader has, and only one batch and one step may be short', () => {
    fc.assert(
      fc.property(options, (o) => {
        const plan = planBatches(o);
        const n = o.lengths.length / o.perDeviceBatchSize;
        const batches = o.dropLast ? Math.floor(n) : Math.ceil(n);
        expect(plan.flat().length).toBe(batches);
        expect(plan.length).toBe(Math.ceil(batches / o.accumulation));
        expect(plan.slice(0, -1).every((step) => step.length === o.accumulation)).toBe(true);
        expect(plan.flat().filter((batch) => batch.length < o.perDeviceBatchSize).length).toBeLessThanOrEqual(
          1,
        );
        expect(plan.flat().every((batch) => batch.length > 0)).toBe(true);
      }),
    );
  });

  test('the same options give the same plan', () => {
    fc.assert(
      fc.property(options, (o) => {
        expect(planBatches(o)).toEqual(planBatches(o));
      }),
    );
  });

  test('the largest micro batch is the first of epoch 0', () => {
    fc.assert(
      fc.property(options, (o) => {
        if (!o.shuffle || o.lengths.length === 0) return;
        const plan = planBatches({ ...o, epoch: 0 });
        const sizes = plan
          .flat()
          .map((batch) => batch.length * Math.max(...batch.map((row) => o.lengths[row]!)));
        if (sizes.length > 0) expect(sizes[0]).toBe(Math.max(...sizes));
      }),
    );
  });
});

test('other epochs and seeds give other orders', () => {
  const lengths = randomLengths(200);
  const plan = (change: Partial<BatchPlanOptions>) =>
    JSON.stringify(planBatches({ lengths, ...base, ...change }));
  expect(plan({ epoch: 1 })).not.toBe(plan({ epoch: 2 }));
  expect(plan({ seed: 43 })).not.toBe(plan({}));
});

test('without shuffle the rows come in file order', () => {
  expect(planBatches({ ...base, lengths: [9, 1, 5, 3, 2], perDeviceBatchSize: 2, shuffle: false })).toEqual([
    [
      [0, 1],
      [2, 3],
    ],
    [[4]],
  ]);
});

test('padding is near zero', () => {
  const lengths = randomLengths(4000);
  const share = (plan: number[][][]) => {
    let padded = 0;
    for (const batch of plan.flat()) padded += batch.length * Math.max(...batch.map((row) => lengths[row]!));
    return 1 - lengths.reduce((a, b) => a + b, 0) / padded;
  };
  expect(share(planBatches({ ...base, lengths }))).toBeLessThan(0.02);
  expect(share(planBatches({ ...base, lengths, shuffle: false }))).toBeGreaterThan(0.3);
});

test('the lengths of the first steps say nothing about the order', () => {
  const lengths = randomLengths(4000);
  const steps = planBatches({ ...base, lengths, epoch: 1 }).map((step) => lengths[step[0]![0]!]!);
  const half = steps.length / 2;
  const mean = (xs: number[]) => xs.reduce((a, b) => a + b, 0) / xs.length;
  expect(Math.abs(mean(steps.slice(0, half)) - mean(steps.slice(half)))).toBeLessThan(60);
});

test.each([0, -1, 1.5, Number.NaN])('a batch size of %d is refused', (perDeviceBatchSize) => {
  expect(() => planBatches({ ...base, lengths: [1], perDeviceBatchSize })).toThrow(
    expect.objectContaining({ code: 'ARGS_BAD_VALUE' }),
  );
});
