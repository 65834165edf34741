// In: a packed batch and the windows and ropes of a decoder's layers. Out: what all of its layers are fed alike: where rows
// stand in the grid, attention masks, rope tables. Weights and hidden rows are not here.
import type { Backend, MaskKind, Tensor } from '@tunesmith/engine';
import { causalMask, partMask, treeMask } from './attention-mask.ts';
import type { PackedBatch } from './packed-batch.ts';
import { type RopeConfig, ropeTables } from './rope.ts';

export interface BatchInputs {
  feeds: Record<string, Tensor>;
  /** By window; null for none. */
  masks: Map<number | null, Tensor>;
  ropes: Map<RopeConfig, { cos: Tensor; sin: Tensor }>;
}

export function batchInputs(
  backend: Backend,
  batch: PackedBatch,
  layers: readonly { window: number | null; rope: RopeConfig }[],
): BatchInputs {
  const n = batch.ids.length;
  const ropes: BatchInputs['ropes'] = new Map();
  const masks: BatchInputs['masks'] = new Map();
  for (const { window, rope } of layers) {
    const reached = reachedWindow(window, batch);
    if (!masks.has(reached)) masks.set(reached, maskTensor(backend, batch, reached));
    if (ropes.has(rope)) continue;
    const { cos, sin } = ropeTables(rope, batch.positions, {
      sequenceLength: batch.parent ? batch.longest : batch.width,
    });
    const dims = [n, 1, rope.rotaryDim / 2];
    ropes.set(rope, { cos: backend.tensor('f32', dims, cos), sin: backend.tensor('f32', dims, sin) });
  }
  return {
    feeds: {
      slot_of: backend.tensor('i32', [batch.rows, batch.width], batch.slotOf),
      real: backend.tensor('f32', [batch.rows, batch.width], batch.real),
      place: backend.tensor('i32', [n], batch.place),
    },
    masks,
    ropes,
  };
}

/** A window that no row reaches is no window. */
const reachedWindow = (window: number | null, { width }: PackedBatch) =>
  window !== null && window < width ? window : null;

/** The mask of a layer with this window. */
export function maskOf({ masks }: BatchInputs, window: number | null, batch: PackedBatch): Tensor {
  return masks.get(reachedWindow(window, batch)) as Tensor;
}

export const maskKindOf = ({ partStart, parent }: PackedBatch): MaskKind =>
  partStart || parent ? 'per_row' : 'shared';

/** [T, T] for all rows, or [B, 1, 1, T, T] where rows of the grid hold several parts or trees. */
function maskTensor(backend: Backend, batch: PackedBatch, window: number | null): Tensor {
  const { rows, width, partStart, parent } = batch;
  if (!partStart && !parent) return backend.tensor('f32', [width, width], causalMask(width, window));
  const mask = parent
    ? treeMask({ rows, width, parent, depth: depthOf(batch) }, window)
    : partMask({ rows, width, partStart: partStart as Int32Array }, window);
  return backend.tensor('f32', [rows, 1, 1, width, width], mask);
}

/** [rows * width] the position of what stands in a slot. */
const depthOf = ({ slotOf, real, positions }: PackedBatch) =>
  slotOf.map((n, slot) => (real[slot] ? positions[n] : 0));

export function releaseInputs({ feeds, masks, ropes }: BatchInputs): void {
  const tables = [...ropes.values()].flatMap(({ cos, sin }) => [cos, sin]);
  for (const t of [...Object.values(feeds), ...masks.values(), ...tables]) t.dispose();
}
