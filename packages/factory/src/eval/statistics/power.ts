// In: how many rows there are, or which difference matters. Out: the smallest difference that a comparison would detect,
// or the rows that it needs: to be shown before anything runs. Two-sided normal approximations; no data is looked at.
import { invariant } from '#factory/errors.ts';
import { normalQuantile } from './normal.ts';

export interface PowerSettings {
  /** Chance of a false alarm, two-sided; 0.05 by custom. */
  alpha: number;
  /** Chance to detect a difference that is there; 0.8 by custom. */
  power: number;
}

/**
 * Rows needed to tell two systems on the same rows apart: `discordant` is the share of rows on which one is right and
 * the other wrong, `delta` the difference of their accuracies (Connor, Biometrics 43, 1987).
 */
export function rowsForPairedProportions(delta: number, discordant: number, settings: PowerSettings): number {
  invariant(
    delta > 0 && discordant >= delta && discordant <= 1,
    `delta ${delta} of discordant ${discordant}: 0 < delta ≤ discordant ≤ 1`,
  );
  const { alpha, beta } = quantiles(settings);
  return Math.ceil(
    (alpha * Math.sqrt(discordant) + beta * Math.sqrt(discordant - delta ** 2)) ** 2 / delta ** 2,
  );
}

/** The smallest difference of accuracies on `rows` common rows; null when even `delta = discordant` is too small. */
export function detectablePairedProportions(
  rows: number,
  discordant: number,
  settings: PowerSettings,
): number | null {
  return smallest(discordant, (delta) => rowsForPairedProportions(delta, discordant, settings) <= rows);
}

/** Rows per group to tell two shares on different rows apart: `base` against `base + delta` (pooled z test). */
export function rowsForUnpairedProportions(base: number, delta: number, settings: PowerSettings): number {
  // 0.9 + (1 − 0.9) may come out a bit over 1.
  const other = Math.min(1, base + delta);
  invariant(delta !== 0 && base >= 0 && base <= 1 && other >= 0, `shares ${base} and ${other}`);
  const { alpha, beta } = quantiles(settings);
  const pooled = (base + other) / 2;
  const spread = Math.sqrt(base * (1 - base) + other * (1 - other));
  return Math.ceil((alpha * Math.sqrt(2 * pooled * (1 - pooled)) + beta * spread) ** 2 / delta ** 2);
}

/** The smallest rise over `base` with `rows` rows in each group; null when even a rise to 1 would not be seen. */
export function detectableUnpairedProportions(
  rows: number,
  base: number,
  settings: PowerSettings,
): number | null {
  return smallest(1 - base, (delta) => rowsForUnpairedProportions(base, delta, settings) <= rows);
}

/** Rows to see a mean difference `delta` whose per-row differences have the deviation `deviation`. */
export function rowsForPairedMeans(delta: number, deviation: number, settings: PowerSettings): number {
  return Math.ceil(((factor(settings) * deviation) / delta) ** 2);
}

export function detectablePairedMeans(rows: number, deviation: number, settings: PowerSettings): number {
  return (factor(settings) * deviation) / Math.sqrt(rows);
}

/** Rows per group; the values of each group have the deviation `deviation`. */
export function rowsForUnpairedMeans(delta: number, deviation: number, settings: PowerSettings): number {
  return Math.ceil(2 * ((factor(settings) * deviation) / delta) ** 2);
}

export function detectableUnpairedMeans(rows: number, deviation: number, settings: PowerSettings): number {
  return factor(settings) * deviation * Math.sqrt(2 / rows);
}

function quantiles({ alpha, power }: PowerSettings): { alpha: number; beta: number } {
  invariant(alpha > 0 && alpha < 1 && power > 0 && power < 1, `alpha ${alpha}, power ${power}`);
  return { alpha: normalQuantile(1 - alpha / 2), beta: normalQuantile(power) };
}

function factor(settings: PowerSettings): number {
  const { alpha, beta } = quantiles(settings);
  return alpha + beta;
}

/** The smallest delta in (0, top] that is enough, by bisection: more is enough wherever less is. */
function smallest(top: number, isEnough: (delta: number) => boolean): number | null {
  if (!(top > 0) || !isEnough(top)) return null;
  let low = 0;
  let high = top;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (middle > 0 && isEnough(middle)) high = middle;
    else low = middle;
  }
  return high;
}
