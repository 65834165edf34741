// In: a word that is not known, and the words that are. Out: the one that was probably meant, or null.
import { distance } from 'fastest-levenshtein';

/** Short names from other trainers, whose spelling is too far from ours to be found by distance. */
const OTHER_NAMES: Readonly<Record<string, string>> = {
  lr: 'learning_rate',
  epochs: 'num_train_epochs',
  num_epochs: 'num_train_epochs',
  model: 'model_name_or_path',
  model_name: 'model_name_or_path',
  base_model: 'model_name_or_path',
  data: 'dataset',
  data_path: 'dataset',
  train_file: 'dataset',
  train_dataset: 'dataset',
  lora_r: 'lora_rank',
  peft_type: 'finetuning_type',
  target_modules: 'lora_target',
  max_seq_length: 'cutoff_len',
  max_seq_len: 'cutoff_len',
  model_max_length: 'cutoff_len',
  train_batch_size: 'per_device_train_batch_size',
  micro_batch_size: 'per_device_train_batch_size',
  eval_batch_size: 'per_device_eval_batch_size',
  grad_accum: 'gradient_accumulation_steps',
  scheduler: 'lr_scheduler_type',
  lr_scheduler: 'lr_scheduler_type',
  output: 'output_dir',
  adapter: 'adapter_name_or_path',
};

export function suggest(word: string, known: Iterable<string>): string | null {
  const wanted = word.toLowerCase();
  const other = Object.hasOwn(OTHER_NAMES, wanted) ? OTHER_NAMES[wanted] : undefined;
  if (other !== undefined) return other;
  if (wanted.length > 100) return null;
  let best: string | null = null;
  let bestDistance = Math.ceil(wanted.length / 3) + 1;
  for (const name of known) {
    const far = distance(wanted, name);
    if (far < bestDistance) {
      best = name;
      bestDistance = far;
    }
  }
  if (best !== null || wanted.length < 4) return best;
  const longer = [...known].filter((name) => name.startsWith(wanted));
  return longer.length === 1 ? longer[0]! : null;
}
