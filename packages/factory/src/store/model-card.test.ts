import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { formatModelCard, type ModelCardFacts } from './model-card.ts';

const args = {
  optim: 'adamw_torch',
  optim_args: null,
  loraplus_lr_ratio: null,
  model_name_or_path: 'Qwen/Qwen2.5-0.5B',
  dataset: ['identity', 'alpaca_en_demo'],
  eval_dataset: [],
  val_size: 0.1,
  stage: 'sft',
  finetuning_type: 'lora',
  run_name: null,
  learning_rate: 0.0001,
  per_device_train_batch_size: 2,
  per_device_eval_batch_size: 4,
  gradient_accumulation_steps: 8,
  seed: 42,
  adam_beta1: 0.9,
  adam_beta2: 0.999,
  adam_epsilon: 1e-8,
  weight_decay: 0,
  lr_scheduler_type: 'cosine',
  warmup_ratio: 0.1,
  warmup_steps: 0,
  max_steps: -1,
  num_train_epochs: 3,
  max_grad_norm: 1,
  cutoff_len: 2048,
  template: 'qwen',
  template_version: 'latest',
  lora_rank: 8,
  lora_alpha: 16,
  lora_dropout: 0,
  lora_target: ['all'],
  use_rslora: false,
} as unknown as TrainArgs;
const facts: ModelCardFacts = {
  args,
  hubId: 'Qwen/Qwen2.5-0.5B',
  license: 'apache-2.0',
  history: [
    { step: 10, epoch: 0.5, loss: 2.12345 },
    { step: 20, epoch: 1, eval_loss: 1.9, eval_accuracy: 0.51, eval_runtime: 3 },
    { step: 30, epoch: 1.5, loss: 1.5 },
    { step: 40, epoch: 2, eval_loss: 1.6, eval_accuracy: 0.6, eval_runtime: 3 },
  ],
  evaluation: { Loss: 1.6, Accuracy: 0.6 },
  rows: { used: 900, truncated: 2, dropped: 7 },
  totalSteps: 40,
  trainableParameters: 1000,
  allParameters: 100_000,
  versions: { Tunesmith: '0.1.0', 'ONNX Runtime': '1.30' },
  configHash: 'f'.repeat(64),
};

test('the card has the front matter, parameters, results and versions', () => {
  const card = formatModelCard(facts);
  const [, front] = card.split('---\n');
  expect(parse(front)).toEqual({
    library_name: 'peft',
    license: 'apache-2.0',
    base_model: 'Qwen/Qwen2.5-0.5B',
    tags: ['base_model:adapter:Qwen/Qwen2.5-0.5B', 'tunesmith', 'lora', 'sft'],
    'model-index': [{ name: 'sft', results: [] }],
    pipeline_tag: 'text-generation',
  });
  for (const line of [
    'This model is a LoRA adapter for [Qwen/Qwen2.5-0.5B](https://huggingface.co/Qwen/Qwen2.5-0.5B), trained on the identity and the alpaca_en_demo datasets.',
    '- Loss: 1.6',
    '- learning_rate: 0.0001',
    '- total_train_batch_size: 16',
    '- optimizer: AdamW with betas=(0.9,0.999), epsilon=1e-08 and weight_decay=0',
    '- lr_scheduler_warmup_ratio: 0.1',
    '- num_epochs: 3.0',
    '- lora_target: all',
    '| Training Loss | Epoch | Step | Validation Loss | Accuracy |',
    '|:-------------:|:-----:|:----:|:---------------:|:--------:|',
    '| 2.1235 | 1 | 20 | 1.9 | 0.51 |',
    '| 1.5 | 2 | 40 | 1.6 | 0.6 |',
    '- ONNX Runtime 1.30',
  ]) {
    expect(card.split('\n')).toContain(line);
  }
});

test('a local base is named but not linked, and no evaluation is said to be none', () => {
  const local = {
    ...facts,
    hubId: null,
    license: null,
    evaluation: {},
    history: [{ step: 5, epoch: 1, loss: 2 }],
    args: { ...args, model_name_or_path: './m', val_size: 0 },
  };
  const card = formatModelCard(local);
  expect(parse(card.split('---\n')[1])).toMatchObject({
    license: 'other',
    tags: ['tunesmith', 'lora', 'sft'],
  });
  expect(card).not.toContain('base_model');
  expect(card).not.toContain('huggingface.co');
  expect(card).toContain('No evaluation was run. The training loss went from 2 (step 5) to 2 (step 5).');
  expect(card).toContain('No rows were held out');
});

test('names that look like YAML stay text', () => {
  const named = { ...facts, args: { ...args, run_name: 'yes: "no" #1' } };
  expect(parse(formatModelCard(named).split('---\n')[1])['model-index'][0].name).toBe('yes: "no" #1');
});

test('another optimiser is named with its settings', () => {
  const named = { ...args, optim: 'sgd', optim_args: 'momentum=0.9', loraplus_lr_ratio: 16 } as TrainArgs;
  const lines = formatModelCard({ ...facts, args: named }).split('\n');
  expect(lines).toContain('- optimizer: sgd with momentum=0.9, weight_decay=0');
  expect(lines).toContain('- loraplus_lr_ratio: 16.0');
});
