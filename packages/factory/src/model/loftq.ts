// In: a weight matrix, a rank, and a way to quantise. Out: the quantised matrix and the LoRA pair that LoftQ begins with (Li et
// al. 2023, algorithm 1): in turns the matrix less the pair is quantised, and the pair becomes the largest singular part of
// what the codes miss. Nothing is read or trained here.
import type { MatrixProduct } from '@tunesmith/engine';
import { dequantise4Bit, type FourBitMatrix } from './bitsandbytes/four-bit.ts';
import { takePrincipalPair } from './principal-pair.ts';

export interface LoftqOptions {
  rank: number;
  /** s of W + s B A, which the pair makes up for; PEFT's own start leaves it out. */
  scale: number;
  iterations: number;
}

export async function loftqPair(
  weight: Float32Array,
  shape: readonly number[],
  { iterations, ...low }: LoftqOptions,
  quantise: (values: Float32Array) => FourBitMatrix,
  product: MatrixProduct,
): Promise<{ matrix: FourBitMatrix; a: Float32Array; b: Float32Array }> {
  const coded = new Float32Array(weight.length);
  const rest = new Float32Array(weight.length);
  for (let k = 1, target = weight; ; k++) {
    const matrix = quantise(target);
    dequantise4Bit(matrix, coded);
    for (let i = 0; i < rest.length; i++) rest[i] = weight[i] - coded[i];
    const { a, b } = await takePrincipalPair(rest, shape, low, product);
    if (k === iterations) return { matrix, a, b };
    // What is left after the pair stands on top of the codes.
    target = rest.map((value, i) => value + coded[i]);
  }
}
