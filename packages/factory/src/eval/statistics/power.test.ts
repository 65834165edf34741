import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import vectors from '../fixtures/statistics.json' with { type: 'json' };
import {
  detectablePairedMeans,
  detectablePairedProportions,
  detectableUnpairedMeans,
  detectableUnpairedProportions,
  rowsForPairedMeans,
  rowsForPairedProportions,
  rowsForUnpairedMeans,
  rowsForUnpairedProportions,
} from './power.ts';

const custom = { alpha: 0.05, power: 0.8 };

describe('rows needed', () => {
  it.each([
    [0.05, 0.2, 626],
    [0.05, 0.3, 940],
    [0.03, 0.1, 870],
    [0.1, 0.2, 155],
    [0.02, 0.1, 1960],
  ])('to see %d of %d discordant rows, paired: %i', (delta, discordant, rows) => {
    // The page's own numbers are rounded; Math.ceil may be one above.
    expect(Math.abs(rowsForPairedProportions(delta, discordant, custom) - rows)).toBeLessThanOrEqual(1);
  });

  it('for unpaired shares and for means equal statsmodels, rounded up', () => {
    for (const [base, delta, rows] of vectors.rowsUnpairedProportions) {
      expect(rowsForUnpairedProportions(base, delta, custom)).toBe(Math.ceil(rows));
    }
    for (const [delta, sd, rows] of vectors.rowsUnpairedMeans) {
      expect(rowsForUnpairedMeans(delta, sd, custom)).toBe(Math.ceil(rows));
    }
    for (const [delta, sd, rows] of vectors.rowsPairedMeans) {
      expect(rowsForPairedMeans(delta, sd, custom)).toBe(Math.ceil(rows));
    }
  });
});

describe('smallest detectable difference', () => {
  it('tells the owner of 200 rows that 9 points are the least they can see', () => {
    expect(detectablePairedProportions(200, 0.2, custom)).toBeCloseTo(0.088, 3);
    expect(detectablePairedProportions(30, 0.1, custom)).toBeNull();
    expect(detectableUnpairedProportions(200, 0.5, custom)).toBeCloseTo(0.138, 3);
  });

  it('is the inverse of the rows needed', () => {
    const rows = fc.integer({ min: 40, max: 20_000 });
    fc.assert(
      fc.property(rows, fc.double({ min: 0.02, max: 1, noNaN: true }), (n, share) => {
        const paired = detectablePairedProportions(n, share, custom);
        if (paired !== null) expect(rowsForPairedProportions(paired, share, custom)).toBeLessThanOrEqual(n);
        const unpaired = detectableUnpairedProportions(n, 1 - share, custom);
        if (unpaired !== null)
          expect(rowsForUnpairedProportions(1 - share, unpaired, custom)).toBeLessThanOrEqual(n);
        expect(
          rowsForPairedMeans(detectablePairedMeans(n, share, custom) * 1.0001, share, custom),
        ).toBeLessThanOrEqual(n);
        expect(
          rowsForUnpairedMeans(detectableUnpairedMeans(n, share, custom) * 1.0001, share, custom),
        ).toBeLessThanOrEqual(n);
      }),
    );
  });

  it('cannot come from a share outside 0 to 1', () => {
    expect(() => rowsForPairedProportions(0.3, 0.2, custom)).toThrow('internal');
    expect(() => rowsForUnpairedProportions(-0.1, 0.2, custom)).toThrow('internal');
  });
});
