// In: the rows of several data sets. Out: one list, joined or interleaved as Hugging Face's `interleave_datasets` does:
// the same order without probabilities, the same exhaustion rules and shares with them (another random stream).
import { FactoryError } from '#factory/errors.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { DataArgs } from '#factory/records/train-args.ts';

interface MixOptions {
  strategy: DataArgs['mix_strategy'];
  probs: number[] | null;
  seed: number;
}

/** Every set must have rows. `under` stops when one set runs out, `over` repeats rows until all ran out, `once` repeats none. */
export function mixDatasets<T>(sets: readonly (readonly T[])[], { strategy, probs, seed }: MixOptions): T[] {
  if (sets.length <= 1) return [...(sets[0] ?? [])];
  if (strategy === 'concat') return sets.flat();
  checkMix(
    sets.map((set) => set.length),
    strategy,
    probs,
  );
  return probs === null ? roundRobin(sets, strategy) : drawn(sets, strategy, probs, seed);
}

/** What can be known before reading: one non-negative number per data set, with sum 1. */
export function checkProbs(
  probs: readonly number[] | null,
  strategy: MixOptions['strategy'],
  datasets: number,
): void {
  if (probs === null) return;
  if (strategy === 'concat') {
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: 'interleave_probs is given, but mix_strategy is concat',
      remedy:
        'Set mix_strategy to interleave_under, interleave_over or interleave_once, or remove interleave_probs.',
    });
  }
  const sum = probs.reduce((a, b) => a + b, 0);
  const areShares = probs.every((p) => Number.isFinite(p) && p >= 0) && Math.abs(sum - 1) <= 1e-6;
  if (probs.length !== datasets || !areShares) {
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `interleave_probs: expected ${datasets} non-negative numbers with sum 1, found ${probs.length} with sum ${sum}: ${probs.join(', ')}`,
      remedy: 'Give interleave_probs one share per data set, such as 0.7,0.3.',
    });
  }
}

function roundRobin<T>(sets: readonly (readonly T[])[], strategy: MixOptions['strategy']): T[] {
  const lengths = sets.map((set) => set.length);
  const rounds = strategy === 'interleave_under' ? Math.min(...lengths) : Math.max(...lengths);
  const mixed: T[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const set of sets) {
      if (strategy === 'interleave_once' && round >= set.length) continue;
      mixed.push(set[round % set.length]!);
    }
  }
  return mixed;
}

function drawn<T>(
  sets: readonly (readonly T[])[],
  strategy: MixOptions['strategy'],
  probs: readonly number[],
  seed: number,
): T[] {
  const random = seededRandom(`${seed}/interleave`);
  const next = sets.map(() => 0);
  const exhausted = sets.map(() => false);
  const isDone = () =>
    strategy === 'interleave_under' ? exhausted.includes(true) : !exhausted.includes(false);
  const mixed: T[] = [];
  while (!isDone()) {
    // `once` draws among the sets that still have rows: the same law as drawing all and passing over empty ones.
    const i = draw(probs, strategy === 'interleave_once' ? exhausted : null, random.next());
    const set = sets[i]!;
    mixed.push(set[next[i]!]!);
    next[i]!++;
    if (next[i] === set.length) {
      exhausted[i] = true;
      next[i] = 0;
    }
  }
  return mixed;
}

function draw(probs: readonly number[], excluded: readonly boolean[] | null, uniform: number): number {
  const share = (i: number) => (excluded?.[i] ? 0 : probs[i]!);
  let total = 0;
  for (let i = 0; i < probs.length; i++) total += share(i);
  let left = uniform * total;
  let last = 0;
  for (let i = 0; i < probs.length; i++) {
    if (share(i) === 0) continue;
    last = i;
    left -= share(i);
    if (left < 0) return i;
  }
  return last;
}

/** A share of 0 would never exhaust its set, a tiny one would repeat the others without end. */
function checkMix(
  lengths: number[],
  strategy: MixOptions['strategy'],
  probs: readonly number[] | null,
): void {
  checkProbs(probs, strategy, lengths.length);
  if (probs === null || strategy === 'interleave_under') return;
  const total = lengths.reduce((a, b) => a + b, 0);
  const expected = strategy === 'interleave_over' ? Math.max(...lengths.map((n, i) => n / probs[i]!)) : total;
  if (probs.includes(0) || expected > Math.max(1e6, 100 * total)) {
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `interleave_probs ${probs.join(', ')} with ${strategy} would take ${probs.includes(0) ? 'forever' : `about ${Math.round(expected)} rows`} to use up every data set (${total} rows in all)`,
      remedy: 'Raise the smallest share, remove that data set, or set mix_strategy to interleave_under.',
    });
  }
}
