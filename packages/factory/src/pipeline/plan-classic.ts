// In: arguments with their defaults. Out: the table that everybody knows, 7B and 13B by full, LoRA and QLoRA, planned for
// this engine, beside the formula for a GPU and the numbers that are often quoted.
import type { Backend } from '@tunesmith/engine';
import { parseModelConfig } from '#factory/model/config.ts';
import { KNOWN_SHAPES } from '#factory/plan/known-shapes.ts';
import { METHODS } from '#factory/plan/methods.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { planMethod } from './plan-methods.ts';

/** GB, without a word on tokens: the reason for this table. */
const QUOTED: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  'Llama-2-7B': { full: 80, lora: 24, 'qlora-4': 12 },
  'Llama-2-13B': { full: 160, lora: 48, 'qlora-4': 24 },
};
const SHOWN = ['full', 'lora', 'qlora-4', 'lora-streamed'];

export function classicRows(args: TrainArgs, backend: Backend) {
  return Object.entries(QUOTED).flatMap(([model, quoted]) =>
    SHOWN.flatMap((id) =>
      [1024, 2048].map((tokens) => {
        const method = METHODS.find((m) => m.id === id) as (typeof METHODS)[number];
        const planned = planMethod(
          {
            args: {
              ...args,
              cutoff_len: tokens,
              per_device_train_batch_size: 1,
              residual_policy: 'recompute',
            },
            config: parseModelConfig(KNOWN_SHAPES[model], model),
            data: null,
            otherConfigs: new Map(),
            budgetBytes: Number.POSITIVE_INFINITY,
            isGpu: false,
            probe: null,
            backend,
          },
          method,
        );
        return {
          model,
          method: method.title,
          tokens,
          quotedGb: quoted[id] ?? null,
          gpuBytes: planned.gpuBytes,
          plannedBytes: planned.peakBytes,
        };
      }),
    ),
  );
}
