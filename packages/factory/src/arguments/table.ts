// In: the key lists of the table-*.ts files. Out: one table of every key that is known by name, and its look-up.
// Older names that have a successor are in rename.ts.
import type { ArgGroup, ArgKey } from './key.ts';
import { DATA_KEYS, EVALUATION_KEYS, GENERATING_KEYS } from './table-data.ts';
import { FINETUNING_KEYS } from './table-finetuning.ts';
import { MODEL_KEYS } from './table-model.ts';
import { OLDER_KEYS, OWN_KEYS } from './table-own.ts';
import { LAUNCH_KEYS, MEGATRON_KEYS, TRAINER_REST_KEYS } from './table-trainer-rest.ts';
import { TRAINING_KEYS } from './table-training.ts';

export const ARG_TABLE: ReadonlyMap<string, ArgKey> = new Map(
  [
    ...MODEL_KEYS,
    ...DATA_KEYS,
    ...FINETUNING_KEYS,
    ...TRAINING_KEYS,
    ...TRAINER_REST_KEYS,
    ...GENERATING_KEYS,
    ...OWN_KEYS,
    ...EVALUATION_KEYS,
    ...LAUNCH_KEYS,
    ...MEGATRON_KEYS,
    ...OLDER_KEYS,
  ].map((key) => [key.name, key]),
);

export const GROUP_TITLES: Readonly<Record<ArgGroup, string>> = {
  model: 'Model',
  data: 'Data',
  finetuning: 'Fine-tuning',
  training: 'Training (Hugging Face)',
  generating: 'Generating',
  tunesmith: 'Only in Tunesmith',
  evaluation: 'Benchmark task',
  launch: 'Ray, profiler, FP8',
  megatron: 'Megatron-Bridge',
  older: 'Older keys',
  command: 'Command',
};
