// In: where a run stands. Out: `trainer_state.json` with the fields, order and number formats of Hugging Face's Trainer.
// Only its log and its best-so-far fields are read back; what exact resumption needs is in files of its own.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { LogEntry } from '#factory/records/train-events.ts';
import { writeAtomic } from './atomic-file.ts';
import { diskError } from './disk-error.ts';
import { pythonJson } from './python-json.ts';

export const TRAINER_STATE_FILE = 'trainer_state.json';

export interface TrainerState {
  best_global_step: number | null;
  best_metric: number | null;
  best_model_checkpoint: string | null;
  epoch: number;
  eval_steps: number;
  global_step: number;
  log_history: LogEntry[];
  logging_steps: number;
  max_steps: number;
  num_input_tokens_seen: number;
  num_train_epochs: number;
  save_steps: number;
  total_flos: number;
  train_batch_size: number | null;
  /** Extra callbacks' state; the trainer's own control flags are written besides. */
  stateful_callbacks?: Record<string, unknown>;
  /** True in the file of the last step; only sets the control flag of the same name. */
  should_training_stop?: boolean;
}

const INTEGER_LOG_KEYS = new Set(['step', 'num_input_tokens_seen', 'total_tokens']);

/** The file's text: two spaces, sorted keys, floats as Python prints them. */
export function formatTrainerState(state: TrainerState): string {
  const { should_training_stop: stops = false, stateful_callbacks: callbacks, ...fields } = state;
  const control = {
    args: {
      should_epoch_stop: false,
      should_evaluate: false,
      should_log: false,
      should_save: true,
      should_training_stop: stops,
    },
    attributes: {},
  };
  const value = {
    ...fields,
    is_hyper_param_search: false,
    is_local_process_zero: true,
    is_world_process_zero: true,
    stateful_callbacks: { ...callbacks, TrainerControl: control },
    trial_name: null,
    trial_params: null,
  };
  const logKeys = state.log_history.flatMap((entry) => Object.keys(entry));
  const floatKeys = new Set([
    'best_metric',
    'total_flos',
    'epoch',
    ...logKeys.filter((key) => !INTEGER_LOG_KEYS.has(key)),
  ]);
  return `${pythonJson(value, { indent: 2, sortKeys: true, floatKeys })}\n`;
}

export async function writeTrainerState(dir: string, state: TrainerState): Promise<void> {
  await writeAtomic(join(dir, TRAINER_STATE_FILE), formatTrainerState(state));
}

/** Reads ours or the Python trainer's file from a folder. Throws STORE_CHECKPOINT_DAMAGED where it is not one. */
export async function readTrainerState(dir: string): Promise<TrainerState> {
  const path = join(dir, TRAINER_STATE_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw diskError(error, 'read', path);
  }
  const state = parseState(text);
  if (typeof state !== 'string') return state;
  throw new FactoryError({
    code: 'STORE_CHECKPOINT_DAMAGED',
    message: `${path}: expected a trainer state with global_step and log_history, found: ${state}`,
    remedy: 'Resume from another checkpoint, or delete this folder.',
    details: { path },
  });
}

/** The state, or what is wrong with the text. */
function parseState(text: string): TrainerState | string {
  try {
    // Python writes NaN and Infinity as bare words.
    const value = JSON.parse(
      text.replace(/(?<=[:[,]\s*)(NaN|-?Infinity)(?=\s*[,\]}])/g, 'null'),
    ) as TrainerState | null;
    const isState = Number.isSafeInteger(value?.global_step) && Array.isArray(value?.log_history);
    return isState ? (value as TrainerState) : 'one of them is missing';
  } catch (error) {
    return (error as Error).message;
  }
}
