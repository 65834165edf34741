// Masks show a query itself and what came before it, within the window, and nothing else.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cachedMask, causalMask, MASKED } from './attention-mask.ts';

const windows = fc.option(fc.integer({ min: 1, max: 8 }), { nil: null });

describe('causalMask', () => {
  test('is a lower triangle without a window', () => {
    expect([...causalMask(3, null)]).toEqual([0, MASKED, MASKED, 0, 0, MASKED, 0, 0, 0]);
  });

  test('shows as many tokens as the window says, the query included', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), windows, (width, window) => {
        const mask = causalMask(width, window);
        for (let t = 0; t < width; t++)
          for (let s = 0; s < width; s++) {
            const visible = s <= t && (window === null || t - s < window);
            expect(mask[t * width + s]).toBe(visible ? 0 : MASKED);
          }
      }),
    );
  });
});

describe('cachedMask', () => {
  test('repeats what a causal mask says for the new positions, for each head of a group', () => {
    fc.assert(
      fc.property(fc.nat(5), fc.integer({ min: 1, max: 4 }), windows, (past, fresh, window) => {
        const total = past + fresh;
        const slotPositions = [Int32Array.from({ length: total }, (_, i) => i)];
        const mask = cachedMask({ past, fresh, slotPositions }, 2, window);
        const causal = [...causalMask(total, window).subarray(past * total)];
        expect([...mask]).toEqual([...causal, ...causal]);
      }),
    );
  });

  test('hides padding slots, and lets a padding query see itself alone', () => {
    // Row 0: one past token, padding, then two new tokens. Row 1: two past tokens, one new token, padding.
    const slotPositions = [Int32Array.of(0, -1, 1, 2), Int32Array.of(0, 1, 2, -1)];
    const mask = cachedMask({ past: 2, fresh: 2, slotPositions }, 1, null);
    const visible = [...mask].map((v) => (v === 0 ? 1 : 0));
    expect(visible).toEqual([1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1]);
  });
});
