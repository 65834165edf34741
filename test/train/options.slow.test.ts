// Every option of a run that has its own path through the pipeline, each through the command line.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { assetPath } from '../assets.ts';
import {
  checkpoints,
  type Ended,
  essence,
  eventsOf,
  type Flags,
  makeWorld,
  readJson,
  readLines,
  safetensorsHeader,
  tunesmith,
  type World,
} from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld();
});
afterAll(() => world.dispose());

async function run(output: string, change: Flags, more: string[] = []): Promise<Ended> {
  const ended = await world.train(output, change, more);
  expect([change, ended.status, ended.status === 0 ? '' : ended.err]).toEqual([change, 0, '']);
  return ended;
}
const history = (output: string) =>
  readJson<{ log_history: Record<string, number>[] }>(world.at(output), 'trainer_state.json').log_history;
const SHORT: Flags = { max_steps: 2, num_train_epochs: null, save_strategy: 'no', logging_steps: 1 };

describe('evaluation', () => {
  test('at the end of every epoch, with checkpoints there', async () => {
    await run('epochs', { val_size: 0.25, eval_strategy: 'epoch', save_strategy: 'epoch', save_steps: null });
    expect(
      history('epochs')
        .filter((e) => e.eval_loss !== undefined)
        .map((e) => [e.step, e.epoch]),
    ).toEqual([
      [3, 1],
      [6, 2],
      [9, 3],
    ]);
    expect(checkpoints(world.at('epochs'))).toEqual(['checkpoint-3', 'checkpoint-6', 'checkpoint-9']);
  });

  test('of several data sets, under the name of each, before the first step too', async () => {
    await run('named', {
      ...SHORT,
      eval_dataset: 'more,talk',
      eval_strategy: 'steps',
      eval_steps: 2,
      eval_on_start: true,
    });
    const entries = history('named').filter((e) => e.eval_more_loss !== undefined);
    expect(entries.map((e) => e.step)).toEqual([0, 2]);
    for (const entry of entries) expect(entry.eval_talk_loss).toBeGreaterThan(0);
  });

  test('stops a run that no longer gains, which is then over', async () => {
    const change: Flags = {
      learning_rate: 1e-9,
      val_size: 4,
      eval_strategy: 'steps',
      eval_steps: 1,
      save_steps: 1,
      logging_steps: 1,
      early_stopping_steps: 2,
      load_best_model_at_end: true,
      lora_rank: 2,
      greater_is_better: true,
      metric_for_best_model: 'loss',
    };
    const stopped = await run('early', change);
    expect(stopped.out).toMatch(/stopped early: /);
    const { global_step, best_global_step } = readJson<Record<string, number>>(
      world.at('early'),
      'trainer_state.json',
    );
    expect(global_step).toBe(best_global_step + 2);
    expect(global_step).toBeLessThan(9);
    const again = await world.train('early', change);
    expect([again.status, again.err]).toEqual([2, expect.stringContaining('error TRAIN_FINISHED')]);
    const longer = await run('early', { ...change, num_train_epochs: 4 }, ['--extend']);
    expect(longer.err).toMatch(/going on from .*checkpoint/);
  });

  test('alone, of a base and of an adapter, trains nothing', async () => {
    await run('tuned', { learning_rate: 0.03, lora_target: 'all' });
    const alone: Flags = { do_train: null, dataset: null, eval_dataset: 'tiny', do_eval: true };
    await run('eval-base', alone);
    await run('eval-tuned', { ...alone, adapter_name_or_path: world.at('tuned') });
    const loss = (name: string) =>
      readJson<{ eval_loss: number }>(world.at(name), 'eval_results.json').eval_loss;
    expect(loss('eval-tuned')).toBeLessThan(loss('eval-base') - 0.5);
    expect(existsSync(world.at('eval-base', 'adapter_model.safetensors'))).toBe(false);
    expect(existsSync(world.at('eval-base', 'train_results.json'))).toBe(false);
  });

  test('in the folder of a finished run adds its results and leaves the weights', async () => {
    const before = essence(world.at('tuned'));
    await run('tuned', {
      do_train: null,
      dataset: null,
      eval_dataset: 'tiny',
      do_eval: true,
      adapter_name_or_path: world.at('tuned'),
    });
    expect(essence(world.at('tuned'))).toEqual(before);
    expect(readJson(world.at('tuned'), 'all_results.json')).toHaveProperty('train_loss');
    expect(readJson(world.at('tuned'), 'all_results.json')).toHaveProperty('eval_loss');
  });

  test('with predictions writes a line per row', async () => {
    await run('predict', {
      ...SHORT,
      val_size: 4,
      do_predict: true,
      predict_with_generate: true,
      max_new_tokens: 5,
      do_sample: false,
    });
    const lines = readLines(world.at('predict'), 'generated_predictions.jsonl');
    expect(lines).toHaveLength(4);
    for (const line of lines) {
      expect(Object.keys(line)).toEqual(['prompt', 'predict', 'label']);
      expect(line.prompt).toMatch(/^Human: Say .*<\/s>\nAssistant:$/s);
      expect(String(line.predict).length).toBeLessThanOrEqual(5);
    }
    expect(readJson(world.at('predict'), 'predict_results.json')).toMatchObject({
      predict_runtime: expect.any(Number),
      predict_samples_per_second: expect.any(Number),
    });
  });
});

describe('checkpoints', () => {
  test('are kept up to save_total_limit', async () => {
    await run('limited', { save_steps: 2, save_total_limit: 2 });
    expect(checkpoints(world.at('limited'))).toEqual(['checkpoint-10', 'checkpoint-12']);
  });

  test('of save_only_model hold no state, serve as adapters, and still give the best weights', async () => {
    const change: Flags = {
      save_only_model: true,
      val_size: 4,
      eval_strategy: 'steps',
      eval_steps: 3,
      save_steps: 3,
      load_best_model_at_end: true,
      greater_is_better: true,
      metric_for_best_model: 'loss',
    };
    await run('models', change);
    const names = readdirSync(world.at('models', 'checkpoint-3'));
    expect(names).toContain('adapter_model.safetensors');
    expect(names).not.toContain('optimizer.safetensors');
    // The loss falls, so that the largest one is the first.
    expect(readFileSync(world.at('models', 'adapter_model.safetensors'))).toEqual(
      readFileSync(world.at('models', 'checkpoint-3', 'adapter_model.safetensors')),
    );
    const again = await world.train('models', change);
    expect([again.status, again.err]).toEqual([
      2,
      expect.stringMatching(/error STORE_NO_CHECKPOINT: .*save_only_model/),
    ]);
    await run('from-model', { ...SHORT, adapter_name_or_path: world.at('models', 'checkpoint-3') });
  });

  test('of another run can be gone on from by name, under the same rules', async () => {
    const from = world.at('limited', 'checkpoint-10');
    const change: Flags = { save_steps: 2, save_total_limit: 2, resume_from_checkpoint: from };
    await run('branch', change);
    expect(essence(world.at('branch')).weights).toEqual(essence(world.at('limited')).weights);
    const drift = await world.train('branch-2', { ...change, weight_decay: 0.1 });
    expect([drift.status, drift.err]).toEqual([1, expect.stringContaining('weight_decay: 0 → 0.1')]);
    const used = await world.train('epochs', change);
    expect([used.status, used.err]).toEqual([2, expect.stringContaining('error TRAIN_OUTPUT_EXISTS')]);
    expect(checkpoints(world.at('epochs'))).toHaveLength(3);
  });

  test('and results are replaced with overwrite_output_dir', async () => {
    await run('again', { ...SHORT, save_strategy: 'steps', save_steps: 1, do_eval: true, val_size: 2 });
    await run('again', { ...SHORT, max_steps: 1, seed: 5, overwrite_output_dir: true });
    expect(checkpoints(world.at('again'))).toEqual([]);
    expect(readLines(world.at('again'), 'trainer_log.jsonl').map((l) => l.current_steps)).toEqual([1]);
    expect(readJson(world.at('again'), 'all_results.json')).not.toHaveProperty('eval_loss');
  });
});

describe('adapters', () => {
  const adapter = (name: string) => world.at(name, 'adapter_model.safetensors');

  test('are continued, put under a new one, or merged in order', async () => {
    await run('first', {
      learning_rate: 0.03,
      save_strategy: 'no',
      lora_target: 'all',
      lora_rank: 4,
      lora_alpha: 12,
    });
    // Rank and alpha are the adapter's own.
    await run('continued', { ...SHORT, adapter_name_or_path: world.at('first'), lora_rank: 2 });
    expect(safetensorsHeader(adapter('continued'))).toEqual(safetensorsHeader(adapter('first')));
    expect(readJson(world.at('continued'), 'adapter_config.json')).toMatchObject({ r: 4, lora_alpha: 12 });
    expect(history('continued')[0].loss).toBeLessThan(history('first')[0].loss - 0.5);

    await run('second', {
      ...SHORT,
      adapter_name_or_path: world.at('first'),
      create_new_adapter: true,
      lora_rank: 2,
    });
    expect(history('second')[0].loss).toBeCloseTo(history('continued')[0].loss, 3);
    expect(readJson(world.at('second'), 'adapter_config.json')).toMatchObject({ r: 2, lora_alpha: 4 });

    const both = `${world.at('first')},${world.at('second')}`;
    const third = await run('third', { ...SHORT, adapter_name_or_path: both });
    expect(third.err).toContain('1 adapter merged into the base');
    expect(safetensorsHeader(adapter('third'))).toEqual(safetensorsHeader(adapter('second')));
    expect(history('third')[0].loss).toBeLessThan(history('second')[0].loss);
  });

  test('with rslora say so, and scale by the root of the rank', async () => {
    await run('rslora', { ...SHORT, use_rslora: true, lora_rank: 4, lora_alpha: 8 });
    expect(readJson(world.at('rslora'), 'adapter_config.json')).toMatchObject({
      use_rslora: true,
      r: 4,
      lora_alpha: 8,
    });
    // 8 / sqrt(4) is 16 / 4.
    await run('plain-scale', { ...SHORT, lora_rank: 4, lora_alpha: 16 });
    expect(essence(world.at('rslora')).weights).toEqual(essence(world.at('plain-scale')).weights);
  });

  test('of another model are refused', async () => {
    const qwen = makeWorld('qwen2');
    const ended = await qwen.train('mixed', { adapter_name_or_path: world.at('first') });
    qwen.dispose();
    expect([ended.status, ended.err]).toEqual([2, expect.stringMatching(/error ADAPTERS_MISMATCH: /)]);
  });
});

describe('data', () => {
  const rowsOf = (ended: Ended) =>
    eventsOf(ended).find((e) => e.kind === 'start') as unknown as { totalSteps: number };
  const ONE: Flags = {
    per_device_train_batch_size: 1,
    gradient_accumulation_steps: 1,
    num_train_epochs: 1,
    save_strategy: 'no',
    learning_rate: 0.001,
    logging_steps: 100,
  };

  test.each([
    ['concat', {}, 16 + 8 + 6],
    ['interleave_under', {}, 6 * 3],
    ['interleave_over', {}, 16 * 3],
    ['concat', { max_samples: 5 }, 15],
    ['concat', { val_size: 10 }, 20],
  ] as [string, Flags, number][])('%s with %o gives %i rows', async (mix_strategy, change, rows) => {
    const name = `mix-${mix_strategy}-${JSON.stringify(change).replaceAll(/\W/g, '')}`;
    const ended = await run(name, { ...ONE, dataset: 'tiny,more,talk', mix_strategy, ...change }, ['--json']);
    expect(rowsOf(ended).totalSteps).toBe(rows);
  });

  test('of conversations trains on every answer, or with mask_history on the last', async () => {
    const labels = async (change: Flags) => {
      const ended = await run(
        `talk-${Object.keys(change).join()}`,
        { ...ONE, dataset: 'talk', max_samples: 1, ...change },
        ['--json'],
      );
      return (eventsOf(ended).find((e) => e.kind === 'step') as unknown as { labelTokens: number })
        .labelTokens;
    };
    // "Yes, a cat." and "Sure.", each with eos and a line end.
    expect(await labels({})).toBe(13 + 7);
    expect(await labels({ mask_history: true })).toBe(7);
    expect(await labels({ train_on_prompt: true })).toBeGreaterThan(40);
  });

  test('is packed, with as many labels', async () => {
    const sum = async (change: Flags) => {
      const ended = await run(`pack-${Object.keys(change).join()}`, { ...ONE, cutoff_len: 200, ...change }, [
        '--json',
      ]);
      const steps = eventsOf(ended).filter((e) => e.kind === 'step') as unknown as { labelTokens: number }[];
      return [steps.length, steps.reduce((n, s) => n + s.labelTokens, 0)];
    };
    const [[plainSteps, plainLabels], [packedSteps, packedLabels]] = [
      await sum({}),
      await sum({ packing: true }),
    ];
    expect(packedSteps).toBeLessThan(plainSteps / 2);
    expect(packedLabels).toBe(plainLabels);
  });

  test('is tokenised once for all runs that share tokenized_path', async () => {
    const shared = { ...SHORT, tokenized_path: world.at('tokens') };
    const first = await run('shared-1', shared);
    expect(first.err).not.toContain('tokens taken from the cache');
    const second = await run('shared-2', { ...shared, seed: 9 });
    expect(second.err).toContain('tokens taken from the cache');
    expect(existsSync(world.at('shared-2', '.token-cache'))).toBe(false);
    for (const name of readdirSync(world.at('tokens'))) writeFileSync(world.at('tokens', name), 'damaged');
    const third = await run('shared-3', shared);
    expect(third.err).toMatch(/token cache .* is damaged .*tokenising again/);
    expect(essence(world.at('shared-3')).weights).toEqual(essence(world.at('shared-1')).weights);
  });

  test('that is cut or dropped is reported the same from the cache', async () => {
    const change: Flags = { ...SHORT, cutoff_len: 24, max_steps: 1 };
    await run('cut', change);
    const issues = readFileSync(world.at('cut', 'row_issues.jsonl'), 'utf8');
    expect(issues).toMatch(/"kind":"truncated"/);
    const again = await run('cut', { ...change, overwrite_output_dir: true });
    expect(again.err).toContain('tokens taken from the cache');
    expect(again.err).toMatch(/truncated:\n +\d+ × /);
    expect(readFileSync(world.at('cut', 'row_issues.jsonl'), 'utf8')).toBe(issues);
  });
});

describe('stages and storage', () => {
  test('stage pt with an adapter, packed or not', async () => {
    for (const packing of [true, false]) {
      const output = `pt-${packing}`;
      await run(output, {
        ...SHORT,
        stage: 'pt',
        dataset: 'story',
        template: null,
        cutoff_len: 64,
        packing,
        max_steps: 6,
        learning_rate: 0.02,
      });
      expect(history(output).at(-1)?.loss).toBeLessThan(history(output)[0].loss);
    }
  });

  test.each([
    'linear',
    'cosine',
    'constant',
    'constant_with_warmup',
    'polynomial',
    'inverse_sqrt',
    'warmup_stable_decay',
    'cosine_with_restarts',
    'cosine_with_min_lr',
  ])('the schedule %s', async (lr_scheduler_type) => {
    const kwargs: Flags =
      lr_scheduler_type === 'cosine_with_min_lr' ? { lr_scheduler_kwargs: '{"min_lr_rate": 0.1}' } : {};
    await run(`lr-${lr_scheduler_type}`, {
      ...SHORT,
      max_steps: 4,
      warmup_steps: 1,
      lr_scheduler_type,
      ...kwargs,
    });
    const rates = history(`lr-${lr_scheduler_type}`).map((e) => e.learning_rate);
    expect(Math.max(...rates)).toBeLessThanOrEqual(0.01 + 1e-12);
    expect(Math.min(...rates)).toBeGreaterThanOrEqual(0);
  });

  test.each(['llama-sharded-bf16', 'llama-tied', 'mistral', 'mixtral', 'qwen2', 'qwen3'])(
    'full tuning of %s saves what it can load',
    async (architecture) => {
      const other = makeWorld(architecture);
      try {
        const change: Flags = {
          ...SHORT,
          finetuning_type: 'full',
          lora_target: null,
          lora_rank: null,
          learning_rate: 0.001,
        };
        const first = await other.train('full', change);
        expect([first.status, first.status === 0 ? '' : first.err]).toEqual([0, '']);
        const second = await other.train('next', { ...change, model_name_or_path: other.at('full') });
        expect([second.status, second.status === 0 ? '' : second.err]).toEqual([0, '']);
        // A tied head stays tied.
        const isTied = (folder: string) =>
          readJson<{ tie_word_embeddings?: boolean }>(other.at(folder), 'config.json').tie_word_embeddings;
        expect(isTied('next')).toBe(isTied('model'));
        const dtypes = new Set(
          Object.values(safetensorsHeader(other.at('full', 'model.safetensors'))).map((t) => t.dtype),
        );
        expect(dtypes).toEqual(new Set([architecture.endsWith('bf16') ? 'BF16' : 'F32']));
      } finally {
        other.dispose();
      }
    },
  );
});

const stories = assetPath('models/stories260K-hf');
test.skipIf(!stories)('stories260K learns and tells', async () => {
  const dir = stories as string;
  await run('stories', {
    model_name_or_path: dir,
    lora_target: 'all',
    lora_rank: 8,
    max_steps: 20,
    num_train_epochs: null,
    learning_rate: 0.005,
    cutoff_len: 200,
  });
  const losses = history('stories').map((e) => e.loss);
  expect(losses.at(-1)).toBeLessThan(losses[0] * 0.8);
  const answer = await tunesmith([
    'generate',
    '--model_name_or_path',
    dir,
    '--raw',
    '--prompt',
    'Once upon a time',
    '--do_sample',
    'false',
    '--max_new_tokens',
    '20',
    '--json',
  ]);
  expect(JSON.parse(answer.out)).toMatchObject({ text: expect.stringMatching(/^, there was a /) });
  expect(existsSync(join(dir, 'tunesmith.lock'))).toBe(false);
});
