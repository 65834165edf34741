// In: logits of one position and the ids so far. Out: the next id. Order and meaning of the warpers are those of Hugging
// Face's `generate`: repetition penalty, temperature, top-k, top-p.
export interface SamplingOptions {
  doSample: boolean;
  temperature: number;
  topK: number;
  topP: number;
  repetitionPenalty: number;
}

/** Changes `logits` in place. `random` returns a number in [0, 1). */
export function sampleToken(
  logits: Float32Array,
  seen: Iterable<number>,
  options: SamplingOptions,
  random: () => number,
): number {
  const { doSample, temperature, topK, topP, repetitionPenalty } = options;
  if (repetitionPenalty !== 1) {
    for (const id of new Set(seen)) {
      const value = logits[id];
      logits[id] = value < 0 ? value * repetitionPenalty : value / repetitionPenalty;
    }
  }
  if (!doSample || temperature === 0) return argmax(logits);

  // Sorting a whole vocabulary costs far more than drawing from it.
  if ((topK <= 0 || topK >= logits.length) && topP >= 1) return drawFromAll(logits, temperature, random);
  let order = candidates(logits, topK);
  const top = logits[order[0]];
  let weights = order.map((id) => Math.exp((logits[id] - top) / temperature));
  if (topP < 1) {
    const total = weights.reduce((a, b) => a + b, 0);
    let mass = 0;
    let count = 0;
    // The token that crosses the mass is kept.
    while (count < order.length && mass < topP * total) mass += weights[count++];
    order = order.slice(0, Math.max(1, count));
    weights = weights.slice(0, order.length);
  }
  let rest = random() * weights.reduce((a, b) => a + b, 0);
  for (let i = 0; i < order.length; i++) {
    rest -= weights[i];
    if (rest < 0) return order[i];
  }
  return order[order.length - 1];
}

function drawFromAll(logits: Float32Array, temperature: number, random: () => number): number {
  const best = argmax(logits);
  const top = logits[best];
  // Plain loops: with callbacks this took longer than the model of a small vocabulary.
  const weights = new Float64Array(logits.length);
  let total = 0;
  for (let id = 0; id < weights.length; id++) {
    weights[id] = Math.exp((logits[id] - top) / temperature);
    total += weights[id];
  }
  let rest = random() * total;
  for (let id = 0; id < weights.length; id++) {
    rest -= weights[id];
    if (rest < 0) return id;
  }
  return best;
}

function argmax(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}

/** Ids by falling logit: the k best, or all when k is 0. Ties keep the lower id first. */
function candidates(logits: Float32Array, k: number): number[] {
  const byLogit = (a: number, b: number) => logits[b] - logits[a] || a - b;
  if (k <= 0 || k >= logits.length) return Array.from(logits.keys()).sort(byLogit);
  const sorted = Float32Array.from(logits).sort();
  const threshold = sorted[sorted.length - k];
  const ids: number[] = [];
  for (let i = 0; i < logits.length; i++) if (logits[i] >= threshold) ids.push(i);
  return ids.sort(byLogit);
}
