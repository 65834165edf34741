// Dropout masks: the asked rate, the right scale, the same bits for the same key.
import { expect, test } from 'vitest';
import { addUniformNoise, dropoutMask } from './dropout.ts';

test.each([0.05, 0.1, 0.5, 0.9])('drops a share of %f and scales the rest', (rate) => {
  const count = 200_000;
  const mask = dropoutMask('42/0/0/0/self_attn.q_proj', count, rate);
  expect([...new Set(mask)].sort()).toEqual([0, Math.fround(1 / (1 - rate))]);
  const dropped = mask.reduce((n, v) => n + (v === 0 ? 1 : 0), 0) / count;
  // Five standard deviations.
  expect(Math.abs(dropped - rate)).toBeLessThan(5 * Math.sqrt((rate * (1 - rate)) / count));
});

test('a rate of 0 drops nothing', () => {
  expect(dropoutMask('k', 1000, 0).every((v) => v === 1)).toBe(true);
});

test('the same key gives the same mask, also for a shorter one, and other keys are independent', () => {
  const mask = dropoutMask('a', 100_000, 0.5);
  expect(dropoutMask('a', 100_000, 0.5)).toEqual(mask);
  expect(dropoutMask('a', 10, 0.5)).toEqual(mask.slice(0, 10));
  for (const key of ['b', 'a/0', '']) {
    const other = dropoutMask(key, 100_000, 0.5);
    const agree = mask.reduce((n, v, i) => n + (v === other[i] ? 1 : 0), 0);
    expect(Math.abs(agree / 100_000 - 0.5)).toBeLessThan(0.01);
  }
});

test('neighbouring values are independent', () => {
  const mask = dropoutMask('neighbours', 100_001, 0.5);
  for (const lag of [1, 2, 16, 64]) {
    let agree = 0;
    for (let i = 0; i + lag < mask.length; i++) if (mask[i] === mask[i + lag]) agree++;
    expect(Math.abs(agree / (mask.length - lag) - 0.5)).toBeLessThan(0.01);
  }
});

test('noise is uniform within its bound, and the same for the same key', () => {
  const noise = (key: string) => {
    const values = new Float32Array(20_000);
    addUniformNoise(key, values, 0.25);
    return values;
  };
  const values = noise('a');
  expect(values.every((v) => Math.abs(v) <= 0.25)).toBe(true);
  const mean = (of: (v: number) => number) => values.reduce((sum, v) => sum + of(v), 0) / values.length;
  expect(mean((v) => v)).toBeCloseTo(0, 2);
  // The mean square of a uniform value in ±b is b² / 3.
  expect(mean((v) => v * v) / (0.25 ** 2 / 3)).toBeCloseTo(1, 1);
  expect(noise('a')).toEqual(values);
  expect(noise('b')).not.toEqual(values);
});
