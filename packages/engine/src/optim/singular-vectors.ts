// In: a matrix and a rank. Out: its leading left and right singular vectors. Small matrices are decomposed exactly; large
// ones by subspace iteration from a fixed random start (Halko, Martinsson and Tropp 2011), with products by the backend.
// A pair has no sign of its own; it gets the one that makes the largest entry of the left vector positive.
import { decompose, dot, orthonormalise } from './jacobi.ts';
import { type Matrix, type MatrixProduct, matrix, transposed } from './matrix.ts';

/** Up to this short side the exact way takes less than a second. */
const EXACT_SIDE = 96;
const OVERSAMPLING = 16;
const MAX_ITERATIONS = 16;
/** Iteration ends when the energy that the space holds grows by less than this share. */
const ENERGY_TOLERANCE = 1e-9;

export interface LeadingVectors {
  /** [rank, rows] */
  left: Matrix;
  /** [rank, columns] */
  right: Matrix;
}

/** The first min(rank, rows, columns) pairs. */
export async function leadingVectors(
  a: Matrix,
  rank: number,
  product: MatrixProduct,
): Promise<LeadingVectors> {
  if (a.rows <= a.columns) return signed(await wideVectors(a, rank, product));
  const { left, right } = await wideVectors(transposed(a), rank, product);
  return signed({ left: right, right: left });
}

function signed({ left, right }: LeadingVectors): LeadingVectors {
  for (let k = 0; k < left.rows; k++) {
    const row = left.data.subarray(k * left.columns, (k + 1) * left.columns);
    const largest = row.reduce((max, x) => (Math.abs(x) > Math.abs(max) ? x : max), 0);
    if (largest >= 0) continue;
    for (const { data, columns } of [left, right])
      for (let j = k * columns; j < (k + 1) * columns; j++) data[j] = -data[j];
  }
  return { left, right };
}

async function wideVectors(a: Matrix, rank: number, product: MatrixProduct): Promise<LeadingVectors> {
  const count = Math.min(rank, a.rows);
  const width = Math.min(a.rows, count + OVERSAMPLING);
  if (a.rows <= EXACT_SIDE || width === a.rows) {
    const { left, right } = decompose(rowsOf(a));
    return { left: fromRows(left.slice(0, count)), right: fromRows(right.slice(0, count)) };
  }
  const basis = await leadingSpace(a, count, width, product);
  // The matrix within the space: [width, columns].
  const { left: within, right } = decompose(rowsOf(await product(basis, a)));
  const turns = fromRows(within.slice(0, count));
  return { left: await product(turns, basis), right: fromRows(right.slice(0, count)) };
}

/** Orthonormal rows [width, rows] that nearly hold the leading left vectors. */
async function leadingSpace(
  a: Matrix,
  count: number,
  width: number,
  product: MatrixProduct,
): Promise<Matrix> {
  let basis = orthonormal(randomRows(width, a.rows));
  let energy = 0;
  for (let i = 0; i < MAX_ITERATIONS; i++) {
    const within = await product(basis, a);
    const now = leadingEnergy(rowsOf(within), count);
    if (now <= energy * (1 + ENERGY_TOLERANCE)) break;
    energy = now;
    basis = orthonormal(await product(within, a, { b: true }));
  }
  return basis;
}

/** The sum of the `count` largest squared singular values of the rows. */
function leadingEnergy(rows: Float64Array[], count: number): number {
  const gram = rows.map((r) => Float64Array.from(rows, (s) => dot(r, s)));
  return decompose(gram)
    .values.subarray(0, count)
    .reduce((x, y) => x + y, 0);
}

function orthonormal(m: Matrix): Matrix {
  const rows = rowsOf(m);
  orthonormalise(rows);
  return fromRows(rows);
}

/** Always the same values (SplitMix32), roughly normal as sums of three uniform ones. */
function randomRows(rows: number, columns: number): Matrix {
  let state = 0x9e3779b9;
  const next = () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32 - 0.5;
  };
  const out = matrix(rows, columns);
  for (let i = 0; i < out.data.length; i++) out.data[i] = next() + next() + next();
  return out;
}

function rowsOf({ rows, columns, data }: Matrix): Float64Array[] {
  return Array.from(
    { length: rows },
    (_, i) => new Float64Array(data.subarray(i * columns, (i + 1) * columns)),
  );
}

function fromRows(rows: readonly Float64Array[]): Matrix {
  const out = matrix(rows.length, rows[0].length);
  for (const [i, row] of rows.entries()) out.data.set(row, i * row.length);
  return out;
}
