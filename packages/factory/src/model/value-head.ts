// In: hidden rows [M, hidden]. Out: one score per row, and gradients by the rows and by the head's own parameters. Names
// and layout are TRL's (`v_head.summary`), as reward models of LLaMA-Factory are stored. No dropout.
import { seededRandom } from '#factory/records/seeded-random.ts';
import { makeParameter, type Parameter } from './parameter.ts';

export class ValueHead {
  /** [1, hidden] and [1]. */
  readonly weight: Parameter;
  readonly bias: Parameter;

  constructor(weight: Float32Array, bias: Float32Array) {
    this.weight = makeParameter('v_head.summary.weight', [1, weight.length], weight);
    this.bias = makeParameter('v_head.summary.bias', [1], bias);
  }

  scores(h: Float32Array): Float64Array {
    const { value } = this.weight;
    const width = value.length;
    return Float64Array.from({ length: h.length / width }, (_, row) => {
      let score = this.bias.value[0];
      for (let j = 0; j < width; j++) score += h[row * width + j] * value[j];
      return score;
    });
  }

  /** Adds d(loss)/dh to `dh` and the parameters' gradients to them, given d(loss)/d(score) of every row. */
  differentiate(h: Float32Array, dScores: ArrayLike<number>, dh: Float32Array): void {
    const { value, gradient } = this.weight;
    const width = value.length;
    for (let row = 0; row < dScores.length; row++) {
      this.bias.gradient[0] += dScores[row];
      for (let j = 0; j < width; j++) {
        dh[row * width + j] += dScores[row] * value[j];
        gradient[j] += dScores[row] * h[row * width + j];
      }
    }
  }
}

/** As PyTorch starts a linear layer: uniform within 1 / √hidden. */
export function initialValueHead(hidden: number, seed: number): ValueHead {
  const random = seededRandom(`${seed}/value head`);
  const draw = () => (2 * random.next() - 1) / Math.sqrt(hidden);
  return new ValueHead(Float32Array.from({ length: hidden }, draw), Float32Array.of(draw()));
}
