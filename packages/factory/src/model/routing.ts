// In: a router's logits. Out: to which experts each token goes and with what weight; backwards, the derivatives by the logits;
// and the loss that keeps experts evenly used. Plain arrays: what a graph computes must not depend on values.
import type { ExpertsConfig } from '#factory/records/model-config.ts';

export interface Route {
  /** Softmax of the logits, [tokens, experts]. */
  probabilities: Float32Array;
  /** The experts of each token, best first, [tokens, active]; of equal logits the lower number. */
  chosen: Int32Array;
  /** Their weights, [tokens, active]. */
  shares: Float32Array;
  /** Per expert, the places in `chosen` that name it: token * active + rank, ascending. */
  placesOf: Int32Array[];
}

type Routing = Pick<ExpertsConfig, 'count' | 'active' | 'normalised'>;

export function routeTokens(logits: Float32Array, { count, active, normalised }: Routing): Route {
  const tokens = logits.length / count;
  const probabilities = new Float32Array(logits.length);
  const chosen = new Int32Array(tokens * active);
  const shares = new Float32Array(tokens * active);
  const used = new Int32Array(count);
  for (let t = 0; t < tokens; t++) {
    const row = logits.subarray(t * count, (t + 1) * count);
    const own = probabilities.subarray(t * count, (t + 1) * count);
    softmax(row, own);
    const best = chosen.subarray(t * active, (t + 1) * active);
    let total = 0;
    for (let k = 0; k < active; k++) {
      best[k] = bestBut(row, best.subarray(0, k));
      total += own[best[k]];
      used[best[k]]++;
    }
    for (let k = 0; k < active; k++) shares[t * active + k] = own[best[k]] / (normalised ? total : 1);
  }
  const placesOf = Array.from(used, (n) => new Int32Array(n));
  const filled = new Int32Array(count);
  for (const [place, e] of chosen.entries()) placesOf[e][filled[e]++] = place;
  return { probabilities, chosen, shares, placesOf };
}

function softmax(row: Float32Array, into: Float32Array): void {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let total = 0;
  for (const value of row) total += Math.exp(value - top);
  for (let e = 0; e < row.length; e++) into[e] = Math.exp(row[e] - top) / total;
}

function bestBut(row: Float32Array, taken: Int32Array): number {
  let best = -1;
  for (let e = 0; e < row.length; e++) if ((best < 0 || row[e] > row[best]) && !taken.includes(e)) best = e;
  return best;
}

/**
 * d(loss)/d(logits) from d(loss)/d(shares), and from what the loss gains with each expert's probability (`slope`, of every
 * token alike). The choice of experts itself has no derivative.
 */
export function routeGradient(
  { probabilities, chosen, shares }: Route,
  dShares: Float32Array,
  { count, active, normalised }: Routing,
  slope: Float32Array | null,
): Float32Array {
  const tokens = shares.length / active;
  const dLogits = new Float32Array(probabilities.length);
  const d = new Float64Array(count);
  for (let t = 0; t < tokens; t++) {
    d.fill(0);
    if (slope) d.set(slope);
    let total = 0;
    let mean = 0;
    for (let place = t * active; place < (t + 1) * active; place++) {
      total += probabilities[t * count + chosen[place]];
      mean += shares[place] * dShares[place];
    }
    for (let place = t * active; place < (t + 1) * active; place++)
      d[chosen[place]] += normalised ? (dShares[place] - mean) / total : dShares[place];
    let along = 0;
    for (let e = 0; e < count; e++) along += probabilities[t * count + e] * d[e];
    for (let e = 0; e < count; e++) dLogits[t * count + e] = probabilities[t * count + e] * (d[e] - along);
  }
  return dLogits;
}

/**
 * The load-balancing loss of Switch Transformers (Fedus et al. 2021, equations 4 to 6) over all layers at once, as transformers
 * has it: experts * Σ_e (share of tokens that go to e) * (mean probability of e). `slope` is its derivative by the
 * probability of each expert for one token of one layer.
 */
export function balanceLoss(
  routes: readonly Route[],
  { count }: Routing,
): { loss: number; slope: Float32Array } {
  const goes = new Float64Array(count);
  const probability = new Float64Array(count);
  let rows = 0;
  for (const { probabilities, placesOf } of routes) {
    rows += probabilities.length / count;
    for (let e = 0; e < count; e++) goes[e] += placesOf[e].length;
    for (let i = 0; i < probabilities.length; i++) probability[i % count] += probabilities[i];
  }
  let loss = 0;
  for (let e = 0; e < count; e++) loss += (count * goes[e] * probability[e]) / rows ** 2;
  return { loss, slope: Float32Array.from(goes, (n) => (count * n) / rows ** 2) };
}
