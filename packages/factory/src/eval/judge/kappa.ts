// In: what two raters said of the same rows. Out: Cohen's kappa, nominal (1960) or with quadratic weights (1968); NaN where
// chance alone would agree always.

export function weightedKappa(
  pairs: readonly (readonly [string | number, string | number])[],
  weights: 'nominal' | 'quadratic',
): number {
  const distance = (a: string | number, b: string | number): number =>
    weights === 'nominal' ? Number(a !== b) : (Number(a) - Number(b)) ** 2;
  const [first, second] = [0, 1].map((rater) => {
    const counts = new Map<string | number, number>();
    for (const pair of pairs) counts.set(pair[rater], (counts.get(pair[rater]) ?? 0) + 1);
    return counts;
  });
  const observed = pairs.reduce((sum, [a, b]) => sum + distance(a, b), 0) / pairs.length;
  let byChance = 0;
  for (const [a, n] of first) for (const [b, m] of second) byChance += n * m * distance(a, b);
  byChance /= pairs.length ** 2;
  return byChance === 0 ? Number.NaN : 1 - observed / byChance;
}
