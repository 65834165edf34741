import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  checkpoints,
  type Ended,
  essence,
  eventsOf,
  makeWorld,
  readJson,
  readLines,
  safetensorsHeader,
  type World,
} from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld();
});
afterAll(() => world.dispose());

const MODULES = [0, 1, 2].flatMap((layer) => [
  `model.layers.${layer}.self_attn.q_proj`,
  `model.layers.${layer}.self_attn.v_proj`,
]);

describe('a LoRA run', () => {
  let run: Ended;
  let dir: string;
  beforeAll(async () => {
    run = await world.train(
      'plain',
      {
        lora_dropout: 0.1,
        val_size: 4,
        eval_strategy: 'steps',
        eval_steps: 3,
        plot_loss: true,
        compute_accuracy: true,
        include_num_input_tokens_seen: true,
        save_steps: 3,
        load_best_model_at_end: true,
        eval_samples: 1,
        sample_prompts: ['Say cat'],
        max_new_tokens: 8,
      },
      ['--json'],
    );
    dir = world.at('plain');
  });

  test('ends with 0 and a result, and trains on the rows that it reports', () => {
    expect([run.status, run.err]).toEqual([0, '']);
    const events = eventsOf(run);
    const result = events.at(-1) as unknown as { kind: string; metrics: Record<string, number> };
    expect(result).toMatchObject({ kind: 'result', outputDir: dir, stopped: 'finished' });
    expect(result.metrics).toMatchObject({
      epoch: 3,
      train_loss: expect.any(Number),
      eval_loss: expect.any(Number),
    });
    // 12 rows of 16, in batches of 2, two to a step: 3 steps an epoch.
    expect(events.find((e) => e.kind === 'start')).toMatchObject({
      totalSteps: 9,
      resumedFrom: 0,
      trainableParameters: 672,
    });
    const steps = events.filter((e) => e.kind === 'step') as unknown as {
      labelTokens: number;
      epoch: number;
    }[];
    const perEpoch = [1, 2, 3].map((epoch) =>
      steps.filter((s) => Math.ceil(s.epoch - 1e-9) === epoch).reduce((n, s) => n + s.labelTokens, 0),
    );
    expect(new Set(perEpoch).size).toBe(1);
    const note = events.find((e) => e.kind === 'note' && String(e.text).startsWith('data set'));
    expect(note?.text).toMatch(/tiny +train +16 +16 +0 +0 +0/);
  });

  test('leaves an adapter in the layout of PEFT', () => {
    expect(readJson(dir, 'adapter_config.json')).toMatchObject({
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      base_model_name_or_path: world.model,
      r: 2,
      lora_alpha: 4,
      lora_dropout: 0.1,
      use_rslora: false,
      bias: 'none',
      inference_mode: true,
      target_modules: ['q_proj', 'v_proj'],
    });
    const shapes = safetensorsHeader(dir, 'adapter_model.safetensors');
    const expected = MODULES.flatMap((module) => {
      const out = module.endsWith('q_proj') ? 32 : 16;
      return [
        [`base_model.model.${module}.lora_A.weight`, [2, 32]],
        [`base_model.model.${module}.lora_B.weight`, [out, 2]],
      ];
    });
    const found = Object.entries(shapes).map(([name, { shape }]) => [name, shape]);
    expect(found.sort()).toEqual(expected.sort());
    expect(new Set(Object.values(shapes).map(({ dtype }) => dtype))).toEqual(new Set(['F32']));
  });

  test('leaves the logs of LLaMA-Factory and Hugging Face', () => {
    const log = readLines(dir, 'trainer_log.jsonl');
    const losses = log.filter((line) => line.loss !== undefined);
    expect(losses.map((line) => line.current_steps)).toEqual([2, 4, 6, 8]);
    expect(Object.keys(losses[0])).toEqual([
      'current_steps',
      'total_steps',
      'loss',
      'lr',
      'epoch',
      'percentage',
      'elapsed_time',
      'remaining_time',
      'throughput',
      'total_tokens',
    ]);
    const evaluations = log.filter((line) => line.eval_loss !== undefined);
    expect(evaluations.map((line) => line.current_steps)).toEqual([3, 6, 9]);
    for (const { loss } of losses) expect(String(loss)).toMatch(/^\d+\.\d{1,4}$/);

    const state = readJson<{ log_history: Record<string, number>[] }>(dir, 'trainer_state.json');
    expect(state).toMatchObject({
      global_step: 9,
      max_steps: 9,
      num_train_epochs: 3,
      epoch: 3,
      train_batch_size: 2,
      logging_steps: 2,
      save_steps: 3,
      eval_steps: 3,
      is_world_process_zero: true,
      trial_name: null,
    });
    expect(Object.keys(state.log_history[0]).sort()).toEqual([
      'epoch',
      'grad_norm',
      'learning_rate',
      'loss',
      'num_input_tokens_seen',
      'step',
    ]);
    expect(state.log_history.filter((e) => e.loss !== undefined).map((e) => e.loss)).toEqual(
      losses.map((l) => l.loss),
    );
    expect(Object.keys(state.log_history.find((e) => e.eval_loss !== undefined)!).sort()).toEqual([
      'epoch',
      'eval_accuracy',
      'eval_loss',
      'eval_runtime',
      'eval_samples_per_second',
      'eval_steps_per_second',
      'num_input_tokens_seen',
      'step',
    ]);
  });

  test('keeps the best weights, and says which', () => {
    const state = readJson<{
      best_global_step: number;
      best_metric: number;
      log_history: Record<string, number>[];
    }>(dir, 'trainer_state.json');
    const evaluations = state.log_history.filter((e) => e.eval_loss !== undefined);
    const best = evaluations.reduce((a, b) => (b.eval_loss < a.eval_loss ? b : a));
    expect(state).toMatchObject({
      best_global_step: best.step,
      best_metric: best.eval_loss,
      best_model_checkpoint: join(dir, `checkpoint-${best.step}`),
    });
    expect(readFileSync(join(dir, 'adapter_model.safetensors'))).toEqual(
      readFileSync(join(dir, `checkpoint-${best.step}`, 'adapter_model.safetensors')),
    );
    // do_eval follows from eval_strategy; it scores the weights that are kept.
    expect(readJson(dir, 'eval_results.json').eval_loss).toBe(best.eval_loss);
  });

  test('leaves results, card, configuration, proof, plots and tokenizer', () => {
    const train = readJson(dir, 'train_results.json');
    expect(Object.keys(train)).toEqual([
      'epoch',
      'num_input_tokens_seen',
      'peak_memory_gb',
      'planned_memory_gb',
      'total_flos',
      'train_loss',
      'train_runtime',
      'train_samples_per_second',
      'train_steps_per_second',
    ]);
    expect(readJson(dir, 'all_results.json')).toEqual({ ...train, ...readJson(dir, 'eval_results.json') });
    const card = readFileSync(join(dir, 'README.md'), 'utf8');
    for (const part of ['learning_rate: 0.01', 'lora_rank: 2', 'library_name: peft'])
      expect(card).toContain(part);
    const config = readFileSync(join(dir, 'resolved_config.yaml'), 'utf8');
    expect(config).toMatch(/^# sha256 [0-9a-f]{64}\n/);
    for (const line of ['lora_rank: 2', 'seed: 42', 'template: default'])
      expect(config.split('\n')).toContain(line);
    expect(readJson(dir, 'template_proof.json')).toMatchObject({ template: 'default', compared: false });
    for (const name of [
      'training_loss.png',
      'training_loss.svg',
      'training_eval_loss.png',
      'tokenizer.json',
      'tokenizer_config.json',
    ])
      expect(existsSync(join(dir, name)), name).toBe(true);
    expect(readFileSync(join(dir, 'training_loss.png')).subarray(1, 4).toString()).toBe('PNG');
    expect(existsSync(join(dir, 'tunesmith.lock'))).toBe(false);
  });

  test('leaves checkpoints that are adapters by themselves', () => {
    expect(checkpoints(dir)).toEqual(['checkpoint-3', 'checkpoint-6', 'checkpoint-9']);
    for (const name of [
      'adapter_model.safetensors',
      'adapter_config.json',
      'trainer_state.json',
      'tokenizer.json',
      'optimizer.safetensors',
      'tunesmith_checkpoint.json',
    ])
      expect(existsSync(join(dir, 'checkpoint-6', name)), name).toBe(true);
    expect(readJson(dir, 'checkpoint-6', 'trainer_state.json')).toMatchObject({ global_step: 6 });
  });

  test('answers the sample prompts and an evaluation row at every evaluation', () => {
    const samples = eventsOf(run).filter((e) => e.kind === 'sample');
    expect(samples.map((e) => e.step)).toEqual([3, 3, 6, 6, 9, 9]);
    expect(samples[0].prompt).toBe('Say cat');
    expect(samples[1].prompt).toMatch(/^Say /);
  });
});

test('the seed decides every byte', async () => {
  const change = { max_steps: 3, lora_dropout: 0.2, save_strategy: 'no' };
  const runs = [
    await world.train('seed-a', change),
    await world.train('seed-b', change),
    await world.train('seed-c', { ...change, seed: 7 }),
    // Keeping or making anew what backward needs is a matter of memory only.
    await world.train('seed-d', { ...change, residual_policy: 'recompute' }),
  ];
  expect(runs.map(({ status, err }) => [status, status === 0 ? '' : err])).toEqual(Array(4).fill([0, '']));
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => essence(world.at(`seed-${name}`)));
  expect(b).toEqual(a);
  expect(c.weights).not.toEqual(a.weights);
  expect(d).toEqual(a);
});

describe('whole weights', () => {
  test.each(['full', 'freeze'])('%s leaves a model folder that loads and trains on', async (kind) => {
    const change = {
      finetuning_type: kind,
      lora_target: null,
      lora_rank: null,
      freeze_trainable_layers: kind === 'freeze' ? 1 : null,
      max_steps: 2,
      learning_rate: 0.001,
      save_strategy: 'no',
    };
    const first = await world.train(kind, change);
    expect([first.status, first.status === 0 ? '' : first.err]).toEqual([0, '']);
    for (const name of ['config.json', 'generation_config.json', 'tokenizer.json'])
      expect(existsSync(world.at(kind, name)), name).toBe(true);
    expect(safetensorsHeader(world.at(kind, 'model.safetensors'))).toEqual(
      expect.objectContaining({
        'model.embed_tokens.weight': expect.objectContaining({ dtype: 'F32', shape: [96, 32] }),
      }),
    );
    expect(Object.keys(safetensorsHeader(world.at(kind, 'model.safetensors'))).sort()).toEqual(
      Object.keys(safetensorsHeader(world.model, 'model.safetensors')).sort(),
    );
    const again = await world.train(`${kind}-again`, { ...change, model_name_or_path: world.at(kind) });
    expect([again.status, again.status === 0 ? '' : again.err]).toEqual([0, '']);
    const loss = (name: string) =>
      readJson<{ train_loss: number }>(world.at(name), 'train_results.json').train_loss;
    expect(loss(`${kind}-again`)).toBeLessThan(loss(kind));
  });
});

test('stage pt packs texts and reports the perplexity', async () => {
  const run = await world.train('pt', {
    stage: 'pt',
    dataset: 'story',
    template: null,
    finetuning_type: 'full',
    lora_target: null,
    lora_rank: null,
    cutoff_len: 32,
    learning_rate: 0.003,
    max_steps: 4,
    val_size: 2,
    do_eval: true,
    save_strategy: 'no',
  });
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  const { perplexity, eval_loss } = readJson<Record<string, number>>(world.at('pt'), 'all_results.json');
  expect(perplexity).toBeCloseTo(Math.exp(eval_loss), 6);
});
