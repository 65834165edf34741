// Which method is advised, and which change is the smallest.
import { describe, expect, test } from 'vitest';
import type { PlannedMethod } from '#factory/records/plan.ts';
import { advise, smallestChange } from './advise.ts';
import type { MemoryPlan } from './memory.ts';
import { METHODS, type Present, reductions } from './methods.ts';

const method = (id: string, fits: boolean, secondsPerEpoch: number | null = null): PlannedMethod => ({
  id,
  title: METHODS.find((m) => m.id === id)?.title ?? id,
  keys: {},
  terms: {},
  peakBytes: 0,
  phase: 'backward',
  savedLayers: 0,
  trainedLayers: 0,
  residualBytes: 0,
  trainedParameters: 0,
  diskBytes: 0,
  fits,
  gpuBytes: null,
  secondsPerStep: null,
  secondsPerEpoch,
});

describe('advise', () => {
  test('the first that fits, in the order of preference, and says what would not', () => {
    const advice = advise([method('full', true), method('qlora-4', true), method('lora', false)], null);
    expect(advice?.method.id).toBe('qlora-4');
    expect(advice?.reason).toMatch(/LoRA would not fit/);
    expect(advise([method('lora', false)], null)).toBeNull();
  });

  test('a method that is in time goes before one that is not', () => {
    const planned = [method('lora', true, 9000), method('freeze', true, 3000)];
    expect(advise(planned, 4000)?.method.id).toBe('freeze');
    expect(advise(planned, 10_000)?.method.id).toBe('lora');
    const late = advise(planned, 100);
    expect(late?.method.id).toBe('freeze');
    expect(late?.reason).toMatch(/not within the wanted time/);
  });
});

const present: Present = {
  batch: 8,
  accumulation: 2,
  cutoff: 1024,
  policy: 'save',
  isLora: true,
  bits: null,
  stream: false,
  isPacked: false,
};

describe('the smallest change', () => {
  const peak = (keys: Record<string, unknown>): MemoryPlan => {
    const batch = Number(keys.per_device_train_batch_size ?? 8);
    const cutoff = Number(keys.cutoff_len ?? 1024);
    const base = keys.stream_base ? 1 : keys.quantization_bit ? 4 : 14;
    const share = keys.residual_policy === 'recompute' ? 0.5 : 1;
    return { peakBytes: base + (share * batch * cutoff) / 1024 } as MemoryPlan;
  };
  test.each([
    [19, 'batches of 4, 4 accumulated'],
    [15, 'batches of 1, 16 accumulated'],
    [14.8, 'batches of 1, 16 accumulated, rows of at most 768 tokens'],
    [4.5, 'batches of 1, 16 accumulated, activations computed again, QLoRA 4-bit'],
    [
      1.2,
      'batches of 1, 16 accumulated, activations computed again, LoRA with the base on disk, rows of at most 256 tokens',
    ],
  ])('for %d', (budget, title) => {
    expect(smallestChange(reductions(present), budget, peak)?.title).toBe(title);
  });

  test('there may be none', () => {
    expect(smallestChange(reductions(present), 0.5, peak)).toBeNull();
  });

  test('a run that is small already has fewer', () => {
    const small = { ...present, batch: 1, policy: 'auto', bits: 4 };
    expect(reductions(small).map((r) => r.title)).toEqual([
      'rows of at most 768 tokens',
      'rows of at most 512 tokens',
    ]);
  });
});
