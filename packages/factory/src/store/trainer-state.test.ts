import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  formatTrainerState,
  readTrainerState,
  TRAINER_STATE_FILE,
  type TrainerState,
  writeTrainerState,
} from './trainer-state.ts';

const state: TrainerState = {
  best_global_step: null,
  best_metric: null,
  best_model_checkpoint: null,
  epoch: 2,
  eval_steps: 500,
  global_step: 20,
  log_history: [
    { epoch: 1, grad_norm: 0.5, learning_rate: 0.00005, loss: 2, step: 10 },
    { epoch: 2, eval_loss: 1.25, eval_runtime: 3, step: 20 },
  ],
  logging_steps: 10,
  max_steps: 20,
  num_input_tokens_seen: 4096,
  num_train_epochs: 2,
  save_steps: 500,
  total_flos: 1.2345678901234567e19,
  train_batch_size: 4,
  should_training_stop: true,
};

test('the text is what json.dumps(indent=2, sort_keys=True) of the Python trainer gives', () => {
  expect(formatTrainerState(state)).toBe(`{
  "best_global_step": null,
  "best_metric": null,
  "best_model_checkpoint": null,
  "epoch": 2.0,
  "eval_steps": 500,
  "global_step": 20,
  "is_hyper_param_search": false,
  "is_local_process_zero": true,
  "is_world_process_zero": true,
  "log_history": [
    {
      "epoch": 1.0,
      "grad_norm": 0.5,
      "learning_rate": 5e-05,
      "loss": 2.0,
      "step": 10
    },
    {
      "epoch": 2.0,
      "eval_loss": 1.25,
      "eval_runtime": 3.0,
      "step": 20
    }
  ],
  "logging_steps": 10,
  "max_steps": 20,
  "num_input_tokens_seen": 4096,
  "num_train_epochs": 2,
  "save_steps": 500,
  "stateful_callbacks": {
    "TrainerControl": {
      "args": {
        "should_epoch_stop": false,
        "should_evaluate": false,
        "should_log": false,
        "should_save": true,
        "should_training_stop": true
      },
      "attributes": {}
    }
  },
  "total_flos": 1.2345678901234567e+19,
  "train_batch_size": 4,
  "trial_name": null,
  "trial_params": null
}
`);
});

test('a state comes back; NaN written by Python is read; anything else is a typed error', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tunesmith-state-'));
  try {
    await expect(readTrainerState(dir)).rejects.toMatchObject({ code: 'STORE_IO' });
    await writeTrainerState(dir, state);
    expect(await readTrainerState(dir)).toMatchObject({ global_step: 20, log_history: state.log_history });
    const path = join(dir, TRAINER_STATE_FILE);
    writeFileSync(path, '{"global_step": 3, "log_history": [{"loss": NaN, "step": 3, "note": "a NaN, x"}]}');
    expect((await readTrainerState(dir)).log_history).toEqual([{ loss: null, step: 3, note: 'a NaN, x' }]);
    for (const text of [
      '',
      'null',
      '[]',
      '{"global_step": "3", "log_history": []}',
      '{"global_step": 3',
      '\0',
    ]) {
      writeFileSync(path, text);
      await expect(readTrainerState(dir)).rejects.toMatchObject({ code: 'STORE_CHECKPOINT_DAMAGED' });
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
