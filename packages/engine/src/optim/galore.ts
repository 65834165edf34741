// In: rank, interval, scale and side. Out: GaLore's rule (Zhao et al. 2024, "Memory-Efficient LLM Training by Gradient
// Low-Rank Projection"): moments are kept of the gradient's projection onto its leading singular vectors, which are taken
// anew every so many steps, and the update is projected back.
import type { MomentOptions } from './adamw.ts';
import { applyUpdate, biasFactor, classicDirection, classicMoments } from './classic-adamw.ts';
import { type Matrix, type MatrixProduct, matrix, scaledGradient } from './matrix.ts';
import { floats, type ParameterState, type UpdateRule, zeros } from './optimizer.ts';
import { leadingVectors } from './singular-vectors.ts';

export type GaloreSide = 'std' | 'reverse_std' | 'left' | 'right' | 'full';

export interface GaloreOptions extends MomentOptions {
  rank: number;
  /** Steps between decompositions. */
  interval: number;
  scale: number;
  side: GaloreSide;
}

/** `std` keeps the longer side whole, `reverse_std` the shorter one. */
export function projectedSide(
  side: GaloreSide,
  [rows, columns]: readonly number[],
): 'left' | 'right' | 'full' {
  if (side === 'std') return rows >= columns ? 'right' : 'left';
  if (side === 'reverse_std') return rows >= columns ? 'left' : 'right';
  return side;
}

/** The shape of a gradient [rows, columns] after projection to `rank`. */
function projectedShape(side: 'left' | 'right' | 'full', shape: readonly number[], rank: number): number[] {
  const [rows, columns] = shape;
  const r = Math.min(rank, rows, columns);
  return { left: [r, columns], right: [rows, r], full: [r, r] }[side];
}

/** Vectors as rows: `left` [rank, rows] and `right` [rank, columns], those that the side needs. */
export interface Projection {
  left?: Matrix;
  right?: Matrix;
}

export async function project(
  gradient: Matrix,
  { left, right }: Projection,
  product: MatrixProduct,
): Promise<Matrix> {
  const onLeft = left ? await product(left, gradient) : gradient;
  return right ? product(onLeft, right, { b: true }) : onLeft;
}

async function projectBack(
  low: Matrix,
  { left, right }: Projection,
  product: MatrixProduct,
): Promise<Matrix> {
  const onLeft = left ? await product(left, low, { a: true }) : low;
  return right ? product(onLeft, right) : onLeft;
}

/** Empty vectors of the sides that are projected, and moments of what is left, as a state. */
export function projectedState(side: GaloreSide, shape: readonly number[], rank: number): ParameterState {
  const way = projectedSide(side, shape);
  const [rows, columns] = shape;
  const r = Math.min(rank, rows, columns);
  return {
    ...(way === 'right' ? {} : { left: zeros([r, rows]) }),
    ...(way === 'left' ? {} : { right: zeros([r, columns]) }),
    ...classicMoments(projectedShape(way, shape, rank)),
  };
}

export function projectionOf(state: ParameterState): Projection {
  const of = (name: 'left' | 'right') => {
    const found = state[name];
    return found && matrix(found.shape[0], found.shape[1], floats(state, name));
  };
  return { left: of('left'), right: of('right') };
}

/** Writes the leading singular vectors of the gradient into the state. */
export async function refreshVectors(
  gradient: Matrix,
  state: ParameterState,
  rank: number,
  product: MatrixProduct,
): Promise<void> {
  const { left, right } = await leadingVectors(gradient, rank, product);
  if (state.left) state.left.data.set(left.data);
  if (state.right) state.right.data.set(right.data);
}

/** For matrices only. */
export function galoreRule(options: GaloreOptions, product: MatrixProduct): UpdateRule {
  const { rank, interval, scale, side } = options;
  return {
    makeState: (shape) => projectedState(side, shape, rank),
    async step(parameter, state, { lr, weightDecay, step, gradScale }) {
      const gradient = scaledGradient(parameter, gradScale);
      if ((step - 1) % interval === 0) await refreshVectors(gradient, state, rank, product);
      const projection = projectionOf(state);
      const low = await project(gradient, projection, product);
      const direction = matrix(low.rows, low.columns, classicDirection(low.data, state, options));
      const update = await projectBack(direction, projection, product);
      const rate = lr * biasFactor(options, step) * scale;
      applyUpdate(parameter.value, update.data, rate, lr * weightDecay);
    },
  };
}
