// Leading singular vectors: laws of the exact way, and the iteration of large matrices against it.
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { matrixProduct } from '../run/matrix-product.ts';
import { openBackend } from '../run/open-backend.ts';
import { decompose, dot } from './jacobi.ts';
import { type Matrix, matrix } from './matrix.ts';
import { leadingVectors } from './singular-vectors.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());
const product = matrixProduct(backend);

const entry = fc.oneof(fc.double({ min: -1, max: 1, noNaN: true }), fc.constant(0), fc.constant(1e6));
const wide = fc
  .integer({ min: 1, max: 7 })
  .chain((rows) =>
    fc.array(fc.array(entry, { minLength: 9, maxLength: 9 }), { minLength: rows, maxLength: rows }),
  );

test('a decomposition is orthonormal on both sides, sorted, and gives the matrix back', () => {
  fc.assert(
    fc.property(wide, (rows) => {
      const { values, left, right } = decompose(rows.map((r) => Float64Array.from(r)));
      for (const side of [left, right])
        for (const [i, a] of side.entries())
          for (const [j, b] of side.entries()) expect(dot(a, b)).toBeCloseTo(i === j ? 1 : 0, 9);
      expect([...values]).toEqual([...values].sort((a, b) => b - a));
      const scale = Math.max(values[0], 1e-300);
      for (const [i, row] of rows.entries())
        for (const [j, x] of row.entries()) {
          const back = values.reduce((sum, v, k) => sum + v * left[k][i] * right[k][j], 0);
          expect(Math.abs(back - x)).toBeLessThan(1e-9 * scale + 1e-300);
        }
    }),
  );
});

/** rows × columns with the given singular values along random directions. */
function withValues(rows: number, columns: number, values: number[]): Matrix {
  let x = 7;
  const noise = (n: number) =>
    Array.from({ length: n }, () => {
      x = (Math.imul(1103515245, x) + 12345) & 0x7fffffff;
      return x / 2 ** 30 - 1;
    });
  const basis = (n: number) => decompose(values.map(() => Float64Array.from(noise(n)))).right;
  const [u, v] = [basis(rows), basis(columns)];
  const out = matrix(rows, columns);
  for (let i = 0; i < rows; i++)
    for (let j = 0; j < columns; j++)
      out.data[i * columns + j] = values.reduce((sum, s, k) => sum + s * u[k][i] * v[k][j], 0);
  return out;
}

test.each([
  [130, 150],
  [150, 130],
])('subspace iteration finds the leading vectors of a %i × %i matrix', async (rows, columns) => {
  const values = Array.from({ length: 60 }, (_, k) => 10 * 0.93 ** k);
  const a = withValues(rows, columns, values);
  const { left, right } = await leadingVectors(a, 6, product);
  // uᵀ A v is the singular value, and nothing is left beside the diagonal.
  const within = await product(await product(left, a), right, { b: true });
  for (let i = 0; i < 6; i++)
    for (let j = 0; j < 6; j++)
      expect(Math.abs(within.data[i * 6 + j] - (i === j ? values[i] : 0))).toBeLessThan(1e-4 * values[0]);
  const gram = await product(left, left, { b: true });
  for (let i = 0; i < 36; i++) expect(gram.data[i]).toBeCloseTo(i % 7 === 0 ? 1 : 0, 5);
});

test('a matrix of zeros has orthonormal vectors too', async () => {
  const { left, right } = await leadingVectors(matrix(4, 3), 2, product);
  for (const side of [left, right]) {
    const gram = await product(side, side, { b: true });
    expect([...gram.data]).toEqual([1, 0, 0, 1]);
  }
});
