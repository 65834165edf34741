// In: what the layers of a forward pass leave. Out: the tape that the backward pass reads from its end, and how one entry of it
// goes to the disk and comes back. Nothing is computed here.
import type { ResidualPolicy, Tensor } from '@tunesmith/engine';
import { type BatchInputs, releaseInputs } from './batch-inputs.ts';
import { type ExpertTape, releaseExperts } from './experts.ts';
import type { PackedBatch } from './packed-batch.ts';
import type { Spilled, SpillFile } from './spill-file.ts';

export interface TapeEntry {
  layer: number;
  policy: ResidualPolicy;
  /** The layer's input. */
  x: Tensor;
  residuals: Record<string, Tensor>;
  experts: ExpertTape | null;
  /** Where the tensors are while they are on the disk. */
  spilled: Spilled | null;
  /** Gives memory back that the tensors were read into. */
  done?(): void;
}

/** What a forward pass leaves for the backward pass. Released by `backward`, or by `release`. */
export interface Tape {
  entries: TapeEntry[];
  shared: BatchInputs;
  batch: PackedBatch;
  top: Tensor;
  dropoutKey: string;
  /** The loss that keeps experts evenly used, times its weight; its derivative as in routing.ts. */
  balance: { loss: number; slope: Float32Array } | null;
}

/** All tensors of an entry by a name of their own. */
function tensorsOf({ x, residuals, experts }: TapeEntry): Record<string, Tensor> {
  const all: Record<string, Tensor> = { x };
  for (const [name, tensor] of Object.entries(residuals)) all[`residual ${name}`] = tensor;
  if (!experts) return all;
  all.hidden = experts.hidden;
  for (const [e, own] of experts.residuals)
    for (const [name, tensor] of Object.entries(own)) all[`expert ${e} ${name}`] = tensor;
  return all;
}

export async function spillEntry(entry: TapeEntry, file: SpillFile): Promise<void> {
  entry.spilled = await file.put(tensorsOf(entry));
}

/** Brings the tensors of an entry back, where they are on the disk. */
export async function recallEntry(entry: TapeEntry | undefined, file: SpillFile | null): Promise<void> {
  if (!entry?.spilled || !file) return;
  const { tensors, done } = await file.take(entry.spilled);
  entry.spilled = null;
  entry.done = done;
  entry.x = tensors.x;
  for (const name of Object.keys(entry.residuals)) entry.residuals[name] = tensors[`residual ${name}`];
  if (!entry.experts) return;
  entry.experts.hidden = tensors.hidden;
  for (const [e, own] of entry.experts.residuals)
    for (const name of Object.keys(own)) own[name] = tensors[`expert ${e} ${name}`];
}

/** Frees what a forward pass kept. Safe to call twice. */
export function releaseTape(tape: Tape, file: SpillFile | null): void {
  tape.top.dispose();
  for (const { x, residuals, experts, spilled, done } of tape.entries.splice(0)) {
    if (spilled) file?.drop();
    else {
      for (const t of [x, ...Object.values(residuals)]) t.dispose();
      if (experts) releaseExperts(experts);
    }
    done?.();
  }
  releaseInputs(tape.shared);
}
