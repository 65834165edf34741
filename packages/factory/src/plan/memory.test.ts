// Laws of the plan: more of anything never takes less, terms add up to the peak, and the room for residuals is used.
import { describe, expect, test } from 'vitest';
import type { StepFacts } from '#factory/records/memory-facts.ts';
import { residualRoom } from './advise.ts';
import { planMemory } from './memory.ts';

const MB = 1e6;

function facts(change: Partial<StepFacts> = {}): StepFacts {
  const layer = {
    kind: 'a',
    isBelow: false,
    residualBytes: 20 * MB,
    gradientBytes: MB,
    scratch: {
      forward: { save: 40 * MB, recompute: 50 * MB },
      backward: { save: 60 * MB, recompute: 90 * MB },
      plain: 0,
    },
  };
  return {
    batch: { rows: 1, width: 512, tokens: 512, labels: 511 },
    weights: {
      parameters: 100e6,
      layerParameters: 80e6,
      headParameters: 20e6,
      restBytes: 200 * MB,
      loadingBytes: 240 * MB,
      unpackBytes: 0,
      diskBytes: 200 * MB,
      trainedParameters: 1e6,
      adapterParameters: 1e6,
      savedBytes: 4e6,
      optimizerBytes: 8e6,
    },
    layers: Array.from({ length: 10 }, () => layer),
    hiddenBytes: 2 * MB,
    labelRowBytes: 2 * MB,
    headScratchBytes: 100 * MB,
    normScratchBytes: 0,
    sharedBytes: MB,
    dropoutBytes: 0,
    isLarge: false,
    setAsideBytes: 80 * MB,
    residualEstimateBytes: 20 * MB,
    ...change,
  };
}

const plan = (residualBytes: number, change: Partial<StepFacts> = {}) =>
  planMemory(facts(change), { residualBytes, dataTokens: 1000, vocabulary: 0 });

describe('planMemory', () => {
  test('terms add up to the peak', () => {
    for (const room of [0, 200 * MB, Number.POSITIVE_INFINITY]) {
      const { terms, peakBytes } = plan(room);
      expect(Object.values(terms).reduce((a, b) => a + b, 0)).toBeCloseTo(peakBytes, 3);
      expect(terms.gradients).toBe(4e6 + MB);
      expect(terms.optimiser).toBe(8e6);
    }
  });

  test('residuals are kept from the lowest layer on, while there is room beside the scratch', () => {
    expect(plan(0).savedLayers).toBe(0);
    expect(plan(80 * MB + 19 * MB).savedLayers).toBe(0);
    expect(plan(80 * MB + 21 * MB).savedLayers).toBe(1);
    expect(plan(80 * MB + 67 * MB).savedLayers).toBe(3);
    expect(plan(Number.POSITIVE_INFINITY).savedLayers).toBe(10);
  });

  test('small batches keep the scratch of every graph, large ones that of one at a time', () => {
    const both = plan(0);
    const one = plan(0, { isLarge: true });
    expect(both.terms['layer scratch']).toBeGreaterThan(140 * MB);
    expect(one.terms['layer scratch']).toBeLessThan(110 * MB);
    expect(one.peakBytes).toBeLessThan(both.peakBytes);
  });
});

describe('what stands beside the steps', () => {
  const beside = {
    restBytes: 300 * MB,
    loadingBytes: 0,
    isFirst: false,
    reading: [],
    writing: null,
  };
  const host = { residualBytes: 0, dataTokens: 1000, vocabulary: 0 };
  const pass = (bytes: number) => ({ scratchBytes: [bytes, bytes], heldBytes: bytes });

  test('other models add to every phase, or to none where they are closed before the first step', () => {
    const alone = plan(0).peakBytes;
    expect(planMemory(facts(), { ...host, beside }).peakBytes).toBeCloseTo(alone + 300 * MB, 3);
    const first = planMemory(facts(), { ...host, beside: { ...beside, isFirst: true, restBytes: 50 * MB } });
    expect(first.peakBytes).toBe(alone);
    const large = { ...beside, isFirst: true, restBytes: 5000 * MB };
    expect(planMemory(facts(), { ...host, beside: large })).toMatchObject({
      phase: 'opening',
      terms: { gradients: 0, optimiser: 0, 'other models': 5000 * MB },
    });
  });

  test('passes take turns with the steps, and the largest one counts', () => {
    const small = { ...beside, restBytes: 0, reading: [pass(1), pass(2)], writing: pass(3) };
    expect(planMemory(facts(), { ...host, beside: small }).peakBytes).toBe(plan(0).peakBytes);
    const reads = planMemory(facts(), { ...host, beside: { ...small, reading: [pass(1), pass(900 * MB)] } });
    expect(reads).toMatchObject({ phase: 'reading', terms: { residuals: 900 * MB, answers: 0 } });
    const writes = planMemory(facts(), { ...host, beside: { ...small, writing: pass(900 * MB) } });
    expect(writes).toMatchObject({ phase: 'writing', terms: { residuals: 0, answers: 900 * MB } });
    expect(Object.values(writes.terms).reduce((a, b) => a + b, 0)).toBeCloseTo(writes.peakBytes, 3);
  });
});

describe('residualRoom', () => {
  test('is endless where everything fits, and zero where nothing does', () => {
    expect(residualRoom(100e9, plan)).toBe(Number.POSITIVE_INFINITY);
    expect(residualRoom(1, plan)).toBe(0);
  });

  test('fills the budget and no more', () => {
    const least = plan(0).peakBytes;
    const most = plan(Number.POSITIVE_INFINITY).peakBytes;
    // A mixed run holds the graphs of both ways, which a small batch keeps all.
    const budget = most - 1;
    const room = residualRoom(budget, plan);
    const { peakBytes, savedLayers } = plan(room);
    expect(peakBytes).toBeLessThanOrEqual(budget);
    expect(savedLayers).toBeLessThan(10);
    expect(peakBytes).toBeGreaterThanOrEqual(least);
  });
});
