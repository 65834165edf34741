// In: rank, interval, scale, side and kind of projection. Out: APOLLO's rule (Zhu et al. 2024, "SGD-like Memory, AdamW-level
// Performance"): Adam runs on a projection of the gradient only to learn how much each channel, or the whole matrix, is to
// be scaled; the update is the gradient itself, scaled, with a limit on the growth of its norm (Fira, Chen et al. 2024).
import type { MomentOptions } from './adamw.ts';
import { applyUpdate, biasFactor, classicDirection } from './classic-adamw.ts';
import { project, projectedSide, projectedState, projectionOf, refreshVectors } from './galore.ts';
import { type MatrixProduct, norm, scaledGradient } from './matrix.ts';
import { floats, type ParameterState, type UpdateRule, zeros } from './optimizer.ts';

export interface ApolloOptions extends MomentOptions {
  rank: number;
  /** Steps between projections. */
  interval: number;
  scale: number;
  side: 'std' | 'left' | 'right';
  scaling: 'channel' | 'tensor';
  /** The scale counts before the limit on growth instead of after it. */
  scaleFront: boolean;
  projection: 'svd' | 'random';
}

/** `count` standard normal values for the n-th projection of a parameter. */
export type NormalSource = (name: string, refresh: number, count: number) => Float32Array;

const GROWTH = 1.01;
const EPS = 1e-8;

/** For matrices only. */
export function apolloRule(
  options: ApolloOptions,
  product: MatrixProduct,
  normals: NormalSource,
): UpdateRule {
  const { rank, interval, side, projection } = options;
  return {
    makeState: (shape) => ({ ...projectedState(side, shape, rank), norm: zeros([1]) }),
    async step(parameter, state, { lr, weightDecay, step, gradScale }) {
      const gradient = scaledGradient(parameter, gradScale);
      if ((step - 1) % interval === 0) {
        const refresh = (step - 1) / interval;
        if (projection === 'svd') await refreshVectors(gradient, state, rank, product);
        else drawProjection(state, (count) => normals(parameter.name, refresh, count));
      }
      const way = projectedSide(side, parameter.shape) as 'left' | 'right';
      const low = await project(gradient, projectionOf(state), product);
      const direction = classicDirection(low.data, state, options);
      const factors = channelFactors(low.data, direction, low.rows, low.columns, way, options.scaling);
      const { columns, data } = gradient;
      for (let i = 0; i < data.length; i++)
        data[i] *= factors[way === 'right' ? Math.floor(i / columns) : i % columns];
      const front = options.scaleFront ? Math.sqrt(options.scale) : 1;
      const limited = limit(norm(data) * front, floats(state, 'norm'), step);
      const rate = lr * biasFactor(options, step) * Math.sqrt(options.scale) * limited;
      applyUpdate(parameter.value, data, rate, lr * weightDecay);
    },
  };
}

/** Normal values over the root of the rank, so that lengths are kept in the mean. */
function drawProjection(state: ParameterState, draw: (count: number) => Float32Array): void {
  for (const { shape, data } of [state.left, state.right].filter((p) => p !== undefined)) {
    const perRoot = 1 / Math.sqrt(shape[0]);
    data.set(draw(data.length).map((x) => x * perRoot));
  }
}

/** ‖direction‖ / ‖gradient‖ in the projected space: one per row (right), per column (left), or one for all. */
function channelFactors(
  low: Float32Array,
  direction: Float32Array,
  rows: number,
  columns: number,
  way: 'left' | 'right',
  scaling: ApolloOptions['scaling'],
): Float32Array {
  const channels = way === 'right' ? rows : columns;
  if (scaling === 'tensor') return new Float32Array(channels).fill(norm(direction) / (norm(low) + EPS));
  const [above, below] = [new Float64Array(channels), new Float64Array(channels)];
  for (let i = 0; i < low.length; i++) {
    const channel = way === 'right' ? Math.floor(i / columns) : i % columns;
    above[channel] += direction[i] ** 2;
    below[channel] += low[i] ** 2;
  }
  return Float32Array.from(above, (a, i) => Math.sqrt(a) / (Math.sqrt(below[i]) + EPS));
}

/** What the update is multiplied by, so that its norm grows at most by GROWTH from step to step. */
function limit(size: number, last: Float32Array, step: number): number {
  const factor = step === 1 ? 1 : GROWTH / Math.max(size / (last[0] + EPS), GROWTH);
  last[0] = size * factor;
  return factor;
}
