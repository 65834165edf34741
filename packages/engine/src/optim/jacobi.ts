// In: a matrix as rows of float64. Out: its thin singular value decomposition by one-sided Jacobi rotations (Hestenes 1958;
// Demmel and Veselić 1992), which is exact to the last digits whatever the singular values. For matrices with one short
// side: the work is rows² × columns per sweep.

const MAX_SWEEPS = 60;
/** A row this much shorter than the longest has no direction that float64 could tell. */
const NEGLIGIBLE = 1e-140;

export interface Decomposition {
  /** Descending. */
  values: Float64Array;
  /** Row k is the k-th left vector, of the length of a column; orthonormal. */
  left: Float64Array[];
  /** Row k is the k-th right vector, of the length of a row; orthonormal. */
  right: Float64Array[];
}

/** `rows` is overwritten; there must not be more rows than columns. */
export function decompose(rows: Float64Array[]): Decomposition {
  const n = rows.length;
  // To a largest entry of 1, so that squares neither overflow nor vanish.
  const size = rows.reduce((max, row) => row.reduce((m, x) => Math.max(m, Math.abs(x)), max), 0) || 1;
  for (const row of rows) scaleRow(row, 1 / size);
  // Rows count as orthogonal below this cosine, which is that of roundings.
  const tolerance = Number.EPSILON * Math.sqrt(rows[0].length);
  // Rotations make the rows orthogonal: turn · rows = values · right.
  const turn = rows.map((_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));
  for (let sweep = 0; sweep < MAX_SWEEPS; sweep++) {
    let isDone = true;
    for (let p = 0; p < n; p++)
      for (let q = p + 1; q < n; q++) {
        const alpha = dot(rows[p], rows[p]);
        const beta = dot(rows[q], rows[q]);
        const gamma = dot(rows[p], rows[q]);
        if (gamma === 0 || Math.abs(gamma) <= tolerance * Math.sqrt(alpha) * Math.sqrt(beta)) continue;
        isDone = false;
        const zeta = (beta - alpha) / (2 * gamma);
        const t = (zeta < 0 ? -1 : 1) / (Math.abs(zeta) + Math.hypot(1, zeta));
        const c = 1 / Math.hypot(1, t);
        rotate(rows[p], rows[q], c, c * t);
        rotate(turn[p], turn[q], c, c * t);
      }
    if (isDone) break;
  }
  const lengths = rows.map((row) => Math.sqrt(dot(row, row)));
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a]);
  const right = order.map((i) => rows[i]);
  const values = Float64Array.from(order, (i) => lengths[i]);
  const smallest = values[0] * NEGLIGIBLE;
  right.forEach((row, k) => {
    // A value of zero has no direction of its own: any that is orthogonal to the others will do.
    if (values[k] <= smallest) complete(right, k);
    else scaleRow(row, 1 / values[k]);
  });
  scaleRow(values, size);
  return { values, left: order.map((i) => turn[i]), right };
}

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

function scaleRow(row: Float64Array, factor: number): void {
  for (let j = 0; j < row.length; j++) row[j] *= factor;
}

function rotate(a: Float64Array, b: Float64Array, c: number, s: number): void {
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]];
    a[i] = c * x - s * y;
    b[i] = s * x + c * y;
  }
}

/** Makes the rows orthonormal in place, in order; rows that depend on earlier ones get new directions. */
export function orthonormalise(rows: Float64Array[]): void {
  rows.forEach((row, k) => {
    const before = Math.sqrt(dot(row, row));
    // Twice is enough (Giraud, Langou and Rozložník 2005).
    for (let pass = 0; pass < 2; pass++) removeEarlier(rows, k);
    const after = Math.sqrt(dot(row, row));
    if (after <= before * 1e-14) complete(rows, k);
    else scaleRow(row, 1 / after);
  });
}

function removeEarlier(rows: Float64Array[], k: number): void {
  const row = rows[k];
  for (let i = 0; i < k; i++) {
    const along = dot(rows[i], row);
    for (let j = 0; j < row.length; j++) row[j] -= along * rows[i][j];
  }
}

/** Replaces row k by a unit vector that is orthogonal to the rows before it. */
function complete(rows: Float64Array[], k: number): void {
  const row = rows[k];
  for (let axis = 0; axis < row.length; axis++) {
    row.fill(0);
    row[axis] = 1;
    for (let pass = 0; pass < 2; pass++) removeEarlier(rows, k);
    const length = Math.sqrt(dot(row, row));
    // Some axis keeps at least this much of its length, because k rows cannot span all of them.
    if (length < 0.5 / Math.sqrt(row.length)) continue;
    scaleRow(row, 1 / length);
    return;
  }
}
