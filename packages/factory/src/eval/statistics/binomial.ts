// In: a count among trials with a known chance. Out: the binomial distribution's exact point and tail shares.
// Terms are walked outwards from the likeliest one and divided by their sum, so nothing overflows and no gamma is needed.

export interface BinomialShares {
  /** P(X = k). */
  at: number;
  /** P(X ≤ k). */
  upTo: number;
}

export function binomialShares(k: number, trials: number, chance: number): BinomialShares {
  const odds = chance / (1 - chance);
  const mode = Math.min(trials, Math.floor((trials + 1) * chance));
  const terms = new Float64Array(trials + 1);
  terms[mode] = 1;
  for (let i = mode; i < trials; i++) terms[i + 1] = terms[i] * ((trials - i) / (i + 1)) * odds;
  for (let i = mode; i > 0; i--) terms[i - 1] = terms[i] * (i / (trials - i + 1) / odds);
  // The smallest first, so that small tails keep their digits.
  const all = sorted(terms);
  const total = all.reduce((sum, term) => sum + term, 0);
  const upTo = sorted(terms.subarray(0, k + 1)).reduce((sum, term) => sum + term, 0);
  return { at: (terms[k] ?? 0) / total, upTo: Math.min(1, upTo / total) };
}

function sorted(terms: Float64Array): Float64Array {
  return Float64Array.from(terms).sort();
}
