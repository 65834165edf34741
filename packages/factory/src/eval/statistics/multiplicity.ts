// In: the p values of several tests of one report. Out: adjusted p values, in the same order.
// Holm (1979) bounds the chance of any false alarm; Benjamini and Hochberg (1995) the expected share of false alarms.

export function holm(pValues: readonly number[]): number[] {
  const order = ascending(pValues);
  const out = new Array<number>(pValues.length);
  let running = 0;
  order.forEach((index, rank) => {
    running = Math.max(running, Math.min(1, (order.length - rank) * pValues[index]));
    out[index] = running;
  });
  return out;
}

export function benjaminiHochberg(pValues: readonly number[]): number[] {
  const order = ascending(pValues).reverse();
  const out = new Array<number>(pValues.length);
  let running = 1;
  order.forEach((index, rank) => {
    running = Math.min(running, (pValues[index] * order.length) / (order.length - rank));
    out[index] = running;
  });
  return out;
}

function ascending(values: readonly number[]): number[] {
  return values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
}
