// In: nothing. Out: dense float32 matrices and the product that optimisers ask the machine for. The product itself is a
// backend's (run/matrix-product.ts): matrices of a model are too large for plain loops.

export interface Matrix {
  rows: number;
  columns: number;
  /** Row by row. */
  data: Float32Array;
}

/** op(a) op(b), in memory of its own. */
export type MatrixProduct = (
  a: Matrix,
  b: Matrix,
  transpose?: { a?: boolean; b?: boolean },
) => Promise<Matrix>;

export function matrix(rows: number, columns: number, data?: Float32Array): Matrix {
  return { rows, columns, data: data ?? new Float32Array(rows * columns) };
}

export function transposed({ rows, columns, data }: Matrix): Matrix {
  const out = matrix(columns, rows);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++) out.data[j * rows + i] = data[i * columns + j];
  return out;
}

/** The Euclidean (Frobenius) norm, summed in float64. */
export function norm(data: Float32Array): number {
  let sum = 0;
  for (const x of data) sum += x * x;
  return Math.sqrt(sum);
}

/** The gradient of a matrix parameter times the scale of the step. */
export function scaledGradient(
  { shape, gradient }: { shape: readonly number[]; gradient: Float32Array },
  gradScale: number,
): Matrix {
  const scale = Math.fround(gradScale);
  return matrix(
    shape[0],
    shape[1],
    gradient.map((g) => g * scale),
  );
}
