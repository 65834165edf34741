// In: the loss and gradient norm of a step. Out: nothing, or the reason why training on makes no sense.

const WINDOW = 50;
const MIN_HISTORY = 20;
/** A loss this many times the recent median, three steps running, has left the run for good. */
const FACTOR = 5;
const STREAK = 3;
/** Below this loss a gradient of exactly zero may mean that all is learned (float32 has no more to give). */
const LEARNED = 1e-3;

export class DivergenceGuard {
  readonly #floor: number;
  readonly #recent: number[];
  #streak = 0;
  #still = 0;

  /** `recent` is updated in place, so that a resumed run judges as the first one would have. */
  constructor(vocabSize: number, recent: number[]) {
    // Guessing among all tokens costs ln(vocab); a loss below twice that may be an honest start.
    this.#floor = 2 * Math.log(vocabSize);
    this.#recent = recent;
  }

  check(loss: number, gradNorm: number): string | null {
    if (!Number.isFinite(loss)) return `the loss is ${loss}`;
    if (!Number.isFinite(gradNorm)) return `the gradient norm is ${gradNorm}`;
    // Weights blown up past what norms and attention can carry leave a constant output: no step can come back from it.
    this.#still = gradNorm === 0 && loss > LEARNED ? this.#still + 1 : 0;
    if (this.#still >= STREAK)
      return `the loss is ${loss.toPrecision(4)} and every gradient is zero, for ${STREAK} steps: the model no longer learns`;
    const sorted = [...this.#recent].sort((a, b) => a - b);
    const median = sorted[Math.floor(sorted.length / 2)] ?? 0;
    const isFar = sorted.length >= MIN_HISTORY && loss > Math.max(this.#floor, FACTOR * median);
    this.#streak = isFar ? this.#streak + 1 : 0;
    if (this.#streak >= STREAK)
      return `the loss is ${loss.toPrecision(4)}, ${(loss / median).toFixed(1)} times the median of the last ${sorted.length} steps, for ${STREAK} steps`;
    this.#recent.push(loss);
    if (this.#recent.length > WINDOW) this.#recent.shift();
    return null;
  }
}
