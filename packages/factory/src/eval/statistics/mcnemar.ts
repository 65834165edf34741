// In: how many rows only one of two systems gets right. Out: McNemar's exact and mid-p values, two-sided.
// Mid-p is what is shown: the exact test is too cautious on few rows (Fagerland et al., BMC Med Res Methodol 13, 2013).
import { invariant } from '#factory/errors.ts';
import { binomialShares } from './binomial.ts';

export interface McNemarResult {
  /** Rows that only A gets right. */
  onlyA: number;
  /** Rows that only B gets right. */
  onlyB: number;
  exactP: number;
  midP: number;
}

/** Without a discordant row nothing speaks against equality: both p are 1. */
export function mcnemar(onlyA: number, onlyB: number): McNemarResult {
  invariant(onlyA >= 0 && onlyB >= 0, `mcnemar needs counts, got ${onlyA} and ${onlyB}`);
  const n = onlyA + onlyB;
  if (n === 0) return { onlyA, onlyB, exactP: 1, midP: 1 };
  const { at, upTo } = binomialShares(Math.min(onlyA, onlyB), n, 0.5);
  return { onlyA, onlyB, exactP: Math.min(1, 2 * upTo), midP: Math.min(1, 2 * upTo - at) };
}
