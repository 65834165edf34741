// In: the keys that were given and those of the advised method. Out: a YAML file for `tunesmith train`, with the plan as
// comments.

import type { PlannedMethod } from '#factory/records/plan.ts';
import { gigabytes } from '#factory/records/quantities.ts';

export interface RecipeInput {
  method: PlannedMethod;
  reason: string;
  /** Keys of training as they were given. */
  given: Readonly<Record<string, unknown>>;
  model: string;
  cutoff: number;
  batch: number;
  budget: string | null;
}

export function recipeText({ method, reason, given, model, cutoff, batch, budget }: RecipeInput): string {
  const keys: Record<string, unknown> = {
    model_name_or_path: model,
    stage: 'sft',
    do_train: true,
    dataset: 'my_data.json',
    cutoff_len: cutoff,
    per_device_train_batch_size: batch,
    output_dir: 'outputs',
    ...(budget === null ? {} : { memory: budget }),
    ...given,
    ...method.keys,
  };
  const notes = [
    `${method.title}: ${reason}.`,
    `Planned peak: ${gigabytes(method.peakBytes)}.`,
    ...(/[/\\]/.test(model) ? [] : ['Set model_name_or_path to a folder or a hub id of this shape.']),
    ...(given.dataset === undefined ? ['Set dataset to your own file.'] : []),
  ];
  const lines = Object.entries(keys).map(([key, value]) => `${key}: ${yaml(value)}`);
  return `${[...notes.map((note) => `# ${note}`), ...lines].join('\n')}\n`;
}

/** JSON is YAML; plain words need no quotes. */
function yaml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(yaml).join(', ')}]`;
  if (
    typeof value === 'string' &&
    /^[A-Za-z/.][\w./+-]*$/.test(value) &&
    !/^(true|false|yes|no|on|off|null|y|n)$/i.test(value)
  )
    return value;
  return JSON.stringify(value);
}
