// In: planned methods, a budget, a time; or a run that does not fit and what could make it smaller. Out: the method that is
// advised, with the reason; or the smallest change that makes the run fit. It measures and estimates nothing itself.
import type { Change, PlannedMethod } from '#factory/records/plan.ts';
import type { MemoryPlan } from './memory.ts';
import { type Keys, METHODS, type Reduction } from './methods.ts';

export interface Advice {
  method: PlannedMethod;
  reason: string;
}

/** The first by preference that fits and is in time; the fastest that fits where none is in time; null where none fits. */
export function advise(planned: readonly PlannedMethod[], within: number | null): Advice | null {
  const byPreference = METHODS.flatMap(({ id }) => planned.filter((p) => p.id === id && p.fits));
  const inTime = byPreference.find(
    (p) => within === null || p.secondsPerEpoch === null || p.secondsPerEpoch <= within,
  );
  const method =
    inTime ?? byPreference.toSorted((a, b) => (a.secondsPerEpoch ?? 0) - (b.secondsPerEpoch ?? 0))[0];
  if (!method) return null;
  const first = METHODS.find(({ id }) => id === method.id)?.reason ?? '';
  const tooLarge = METHODS.filter(({ id }) => planned.some((p) => p.id === id && !p.fits)).map(
    (m) => m.title,
  );
  const skipped = METHODS.slice(
    0,
    METHODS.findIndex(({ id }) => id === method.id),
  ).filter((m) => tooLarge.includes(m.title));
  const why =
    skipped.length > 0 ? `${first}; ${skipped.map((m) => m.title).join(', ')} would not fit` : first;
  return { method, reason: inTime ? why : `${why}; it is the fastest, but not within the wanted time` };
}

/** The first reduction that is enough; null where none is. */
export function smallestChange(
  list: readonly Reduction[],
  budgetBytes: number,
  plan: (keys: Keys) => MemoryPlan,
): Change | null {
  for (const { title, keys } of list) {
    const { peakBytes } = plan(keys);
    if (peakBytes <= budgetBytes) return { title, keys, peakBytes };
  }
  return null;
}

/** The most room for residuals that keeps the peak within the budget, by halving; at least 0. */
export function residualRoom(budgetBytes: number, plan: (residualBytes: number) => MemoryPlan): number {
  const all = plan(Number.POSITIVE_INFINITY);
  if (all.peakBytes <= budgetBytes) return Number.POSITIVE_INFINITY;
  let low = 0;
  let high = budgetBytes;
  for (let i = 0; i < 24; i++) {
    const middle = (low + high) / 2;
    if (plan(middle).peakBytes <= budgetBytes) low = middle;
    else high = middle;
  }
  return Math.floor(low);
}
