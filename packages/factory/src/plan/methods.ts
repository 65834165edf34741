// In: nothing. Out: the ways of training that a plan compares, and the changes that make a run smaller, each as keys of
// `tunesmith train`. Which of them this version can run is decided by the argument table, not here.
import type { GpuMethod } from './gpu-formula.ts';

export type Keys = Record<string, string | number | boolean>;

export interface Method {
  id: string;
  title: string;
  keys: Keys;
  gpu: GpuMethod | null;
  /** Why one would take it; the order of the list is the order of preference. */
  reason: string;
}

const LORA: Keys = { finetuning_type: 'lora' };

export const METHODS: readonly Method[] = [
  {
    id: 'lora',
    title: 'LoRA',
    keys: LORA,
    gpu: 'lora',
    reason: 'adapters on all linear layers learn most tasks as well as full tuning, and the base stays exact',
  },
  {
    id: 'dora',
    title: 'DoRA',
    keys: { ...LORA, use_dora: true },
    gpu: null,
    reason: 'LoRA that also learns the length of each row; slower, sometimes a little better at low rank',
  },
  {
    id: 'qlora-8',
    title: 'QLoRA 8-bit',
    keys: { ...LORA, quantization_bit: 8 },
    gpu: 'qlora-8',
    reason: 'the base rests in 8 bits, with hardly any loss',
  },
  {
    id: 'qlora-4',
    title: 'QLoRA 4-bit',
    keys: { ...LORA, quantization_bit: 4 },
    gpu: 'qlora-4',
    reason: 'the base rests in 4 bits, at a small loss, in a quarter of the memory',
  },
  {
    id: 'lora-streamed',
    title: 'LoRA, base on disk',
    keys: { ...LORA, stream_base: true },
    gpu: null,
    reason: 'layers are read from the disk just in time, so that the base need not fit in memory',
  },
  {
    id: 'freeze',
    title: 'Freeze, last 2 layers',
    keys: { finetuning_type: 'freeze', freeze_trainable_layers: 2 },
    gpu: null,
    reason: 'only the last layers are trained, as whole weights',
  },
  {
    id: 'full',
    title: 'Full',
    keys: { finetuning_type: 'full' },
    gpu: 'full',
    reason: 'all weights are trained; for much data, or a new language',
  },
];

export interface Reduction {
  title: string;
  keys: Keys;
}

export interface Present {
  batch: number;
  accumulation: number;
  cutoff: number;
  policy: string;
  isLora: boolean;
  bits: number | null;
  stream: boolean;
  /** The base rests as it is in its file. */
  isPacked: boolean;
}

/**
 * What makes a run smaller, the least harmful first: smaller batches with the same result, shorter rows, slower steps, a
 * coarser base, a base on the disk. Each entry holds all keys that it needs.
 */
export function reductions(run: Present): Reduction[] {
  const list: Reduction[] = [];
  const add = (...parts: (Reduction | null)[]) => {
    const some = parts.filter((part) => part !== null);
    const keys: Keys = {};
    for (const part of some) Object.assign(keys, part.keys);
    if (some.length > 0) list.push({ title: some.map(({ title }) => title).join(', '), keys });
  };
  for (let batch = Math.floor(run.batch / 2); batch >= 1; batch = Math.floor(batch / 2))
    add(smallerBatch(run, batch));
  const batch = run.batch > 1 ? smallerBatch(run, 1) : null;
  const shorter = (share: number): Reduction | null => {
    const cutoff = Math.floor(run.cutoff * share);
    return cutoff < 64 ? null : { title: `rows of at most ${cutoff} tokens`, keys: { cutoff_len: cutoff } };
  };
  for (const share of [0.75, 0.5]) if (shorter(share)) add(batch, shorter(share));
  const recompute =
    run.policy === 'save'
      ? { title: 'activations computed again', keys: { residual_policy: 'recompute' } }
      : null;
  if (recompute) add(batch, recompute);
  // auto goes to the disk by itself.
  if (run.policy === 'save' || run.policy === 'recompute')
    add(batch, { title: 'activations on the disk', keys: { residual_policy: 'spill' } });
  const isPlain = run.bits === null && !run.stream && !run.isPacked;
  const bases: Reduction[] = [
    ...(run.isLora ? [] : [{ title: 'LoRA', keys: LORA }]),
    ...(isPlain ? [{ title: 'QLoRA 4-bit', keys: { ...LORA, quantization_bit: 4 } }] : []),
    ...(isPlain ? [{ title: 'LoRA with the base on disk', keys: { ...LORA, stream_base: true } }] : []),
  ];
  for (const base of bases) {
    add(batch, recompute, base);
    for (const share of [0.75, 0.5, 0.25]) if (shorter(share)) add(batch, recompute, base, shorter(share));
  }
  return list;
}

function smallerBatch(run: Present, batch: number): Reduction {
  const accumulated = Math.ceil((run.batch * run.accumulation) / batch);
  return {
    title: `batches of ${batch}, ${accumulated} accumulated`,
    keys: { per_device_train_batch_size: batch, gradient_accumulation_steps: accumulated },
  };
}
