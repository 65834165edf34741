import { cpSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Flags, makeWorld, readJson, tunesmith, type World } from './tiny-world.ts';

let world: World;
beforeAll(() => {
  world = makeWorld();
});
afterAll(() => world.dispose());

/** A copy of the model that `damage` has changed. */
function brokenModel(name: string, damage: (dir: string) => void): string {
  const dir = world.at('broken', name);
  cpSync(world.model, dir, { recursive: true });
  damage(dir);
  return dir;
}

/** A data folder of one data set `bad`, with this entry and these bytes in bad.json. */
function badData(name: string, text: string | Buffer, entry: unknown = { file_name: 'bad.json' }): string {
  const dir = world.at('bad-data', name);
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'bad.json'), text);
  writeFileSync(join(dir, 'dataset_info.json'), JSON.stringify({ bad: entry }));
  return dir;
}

let count = 0;
/** Runs with these flags must end with this status and error, in text and as JSON, and with no stack trace. */
async function refuses(change: Flags, status: number, error: RegExp): Promise<string> {
  const run = await world.train(`refused-${++count}`, change);
  const text = run.err.slice(Math.max(0, run.err.search(/^error /m)));
  expect([change, run.status, text]).toEqual([change, status, expect.stringMatching(error)]);
  expect(text).toMatch(/^error [A-Z]+_[A-Z_]+: .*\n {2}remedy: [A-Z][^\n]*[.?!]\n$/s);
  expect(text).not.toMatch(/\n\s+at .*:\d+/);
  return text;
}

describe('a model', () => {
  const config = (change: Record<string, unknown>) => (dir: string) =>
    writeFileSync(join(dir, 'config.json'), JSON.stringify({ ...readJson(dir, 'config.json'), ...change }));
  test.each([
    [
      'cut weights',
      (dir) => truncateSync(join(dir, 'model.safetensors'), 50_000),
      /^error MODEL_BAD_FILE: .*model\.safetensors/,
    ],
    [
      'an empty weights file',
      (dir) => truncateSync(join(dir, 'model.safetensors'), 0),
      /^error MODEL_BAD_FILE: /,
    ],
    [
      'a header that is too long',
      (dir) => {
        const bytes = readFileSync(join(dir, 'model.safetensors'));
        bytes.writeBigUInt64LE(1n << 60n, 0);
        writeFileSync(join(dir, 'model.safetensors'), bytes);
      },
      /^error MODEL_BAD_FILE: /,
    ],
    ['wrong shapes', config({ hidden_size: 40, head_dim: 8 }), /^error MODEL_WRONG_SHAPE: .*expected.*found/],
    [
      'more layers than weights',
      config({ num_hidden_layers: 5 }),
      /^error MODEL_MISSING_TENSOR: .*layers\.3/,
    ],
    [
      'another architecture',
      config({ model_type: 'mamba', architectures: ['MambaForCausalLM'] }),
      /^error MODEL_UNKNOWN_ARCHITECTURE: .*mamba/i,
    ],
    [
      'a config that is no JSON',
      (dir) => writeFileSync(join(dir, 'config.json'), '{"vocab_size": 96,'),
      /^error MODEL_BAD_CONFIG: .*config\.json/,
    ],
    [
      'a config with a word for a number',
      config({ num_attention_heads: 'four' }),
      /^error MODEL_BAD_CONFIG: .*num_attention_heads/,
    ],
    ['a config of huge numbers', config({ vocab_size: 1e300 }), /^error MODEL_[A-Z_]+: /],
    [
      'a tokenizer that is no JSON',
      (dir) => writeFileSync(join(dir, 'tokenizer.json'), '\u0000\u0001'),
      /^error TOKENS_BAD_TOKENIZER: .*tokenizer\.json/,
    ],
    ['a tokenizer with more tokens than the model', config({}), null],
  ] as [string, (dir: string) => void, RegExp | null][])(
    'with %s is refused',
    async (name, damage, error) => {
      if (error) {
        await refuses({ model_name_or_path: brokenModel(name, damage) }, 2, error);
        return;
      }
      const dir = brokenModel(name, (at) => {
        const tokenizer = readJson<{ model: { vocab: Record<string, number> } }>(at, 'tokenizer.json');
        tokenizer.model.vocab.A = 150;
        writeFileSync(join(at, 'tokenizer.json'), JSON.stringify(tokenizer));
      });
      const data = badData('wide', JSON.stringify([{ instruction: 'A', output: 'A' }]));
      await refuses(
        { model_name_or_path: dir, dataset: 'bad', dataset_dir: data },
        2,
        /^error TOKENS_VOCABULARY: .*150/,
      );
    },
  );

  test('that is not there is refused', async () => {
    await refuses({ model_name_or_path: world.at('nowhere') }, 2, /^error MODEL_NOT_FOUND: .*nowhere/);
  });
});

describe('data', () => {
  const row = (change: object) => ({ instruction: 'Say', output: 'yes', ...change });
  const rows = (n: number, change: object) => JSON.stringify(Array.from({ length: n }, () => row(change)));
  test.each([
    ['no rows', '[]', /^error DATA_NO_ROWS: .*bad.* has no rows/, 2],
    [
      'only rows that are dropped',
      rows(5, { output: 7 }),
      /^error DATA_NO_ROWS: .*none of 5 rows can be used/,
      2,
    ],
    [
      'too many rows that are dropped',
      JSON.stringify([row({}), row({}), row({ output: null }), row({ output: [] })]),
      /^error DATA_TOO_MANY_DROPPED: .*2 of 4 rows/,
      1,
    ],
    ['an end in the middle', '[{"instruction": "Say", "output": "ye', /^error DATA_BAD_FILE: .*bad\.json/, 2],
    ['binary', Buffer.from([0x1f, 0x8b, 0, 255, 254, 0, 0, 1]), /^error DATA_BAD_FILE: /, 2],
    ['other columns', JSON.stringify([{ question: 'a', reply: 'b' }]), /^error DATA_[A-Z_]+: .*/, 2],
  ] as [string, string | Buffer, RegExp, number][])(
    'with %s is refused',
    async (name, text, error, status) => {
      await refuses({ dataset: 'bad', dataset_dir: badData(name, text) }, status, error);
    },
  );

  test('whose index is broken is refused', async () => {
    const dir = badData('index', '[]');
    writeFileSync(join(dir, 'dataset_info.json'), '{"bad": {"file_name": ');
    await refuses({ dataset: 'bad', dataset_dir: dir }, 2, /^error DATA_BAD_INFO: .*dataset_info\.json/);
    const typed = badData('typed', '[]', { file_name: 7 });
    await refuses({ dataset: 'bad', dataset_dir: typed }, 2, /^error DATA_BAD_INFO: .*file_name/);
  });

  test('whose rows are all too long for cutoff_len, or leave no batch, is refused', async () => {
    await refuses({ cutoff_len: 1 }, 2, /^error ARGS_BAD_VALUE: .*cutoff_len/);
    await refuses(
      { dataloader_drop_last: true, per_device_train_batch_size: 64 },
      2,
      /^error ARGS_CONFLICT: .*dataloader_drop_last/,
    );
  });
});

describe('a name', () => {
  test.each([
    [
      'of a template',
      { template: 'defualt' },
      /^error TOKENS_UNKNOWN_TEMPLATE: .*"defualt".*Did you mean default/s,
    ],
    ['of a data set', { dataset: 'tinny' }, /^error DATA_UNKNOWN_DATASET: .*tinny.*tiny/s],
    ['of a module', { lora_target: 'q_porj,v_proj' }, /^error [A-Z_]+: .*q_porj.*q_proj/s],
    ['of a scheduler', { lr_scheduler_type: 'cosin' }, /^error ARGS_BAD_VALUE: .*cosin.*cosine/s],
    [
      'of a metric',
      {
        metric_for_best_model: 'eval_lose',
        load_best_model_at_end: true,
        val_size: 0.2,
        eval_strategy: 'steps',
        eval_steps: 4,
      },
      /^error ARGS_CONFLICT: .*eval_lose/,
    ],
  ] as [string, Flags, RegExp][])(
    '%s that is not known is refused, with the one that is meant',
    async (_, change, error) => {
      await refuses(change, 2, error);
    },
  );

  test('of a key is refused, with the one that is meant', async () => {
    const run = await world.train('refused', { lora_rnk: 4 });
    expect([run.status, run.err]).toEqual([
      2,
      expect.stringMatching(/^error ARGS_UNKNOWN_KEY: .*lora_rnk.*lora_rank/s),
    ]);
  });
});

test('with --json the error is one object on stderr', async () => {
  const run = await world.train('refused', { dataset: 'tinny' }, ['--json']);
  expect(run.status).toBe(2);
  const { error } = JSON.parse(run.err) as { error: Record<string, unknown> };
  expect(Object.keys(error)).toEqual(['code', 'message', 'remedy', 'details']);
  expect(error.code).toBe('DATA_UNKNOWN_DATASET');
  for (const line of run.out.split('\n').filter((one) => one !== ''))
    expect(JSON.parse(line)).toHaveProperty('kind');
});

describe('commands of the train_bash.py era', () => {
  test('QLoRA with LLaMA-Pro trains, with the data set named; layers that were not inserted get a note', async () => {
    const command = `train --model_name_or_path ${world.model} --stage sft --do_train --quantization_bit 4 --use_llama_pro --lora_rank 8`;
    const bare = await tunesmith(command.split(' '));
    expect([bare.status, bare.err]).toEqual([
      2,
      expect.stringMatching(/error ARGS_MISSING: dataset is missing/),
    ]);
    const more = `--num_layer_trainable 1 --dataset tiny --dataset_dir ${world.data} --template default --max_steps 1 --output_dir ${world.at('legacy')}`;
    const run = await tunesmith(`${command} ${more}`.split(' '));
    expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
    expect(run.err).toMatch(/does not look inserted by block expansion/);
  });

  test('the usual LoRA command trains', async () => {
    const cwd = world.at('home');
    mkdirSync(cwd);
    cpSync(world.data, join(cwd, 'data'), { recursive: true });
    const command = `train --model_name_or_path ${world.model} --stage sft --do_train --dataset tiny --template default --finetuning_type lora --lora_target q_proj,v_proj --output_dir outputs --per_device_train_batch_size 4 --gradient_accumulation_steps 4 --lr_scheduler_type cosine --logging_steps 10 --save_steps 1000 --learning_rate 5e-5 --num_train_epochs 3.0 --fp16`;
    const run = await tunesmith(command.split(' '), { cwd });
    expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
    expect(run.err).toMatch(/fp16/);
    expect(run.out).toMatch(/finished: outputs\n$/);
    expect(readJson(cwd, 'outputs', 'trainer_state.json')).toMatchObject({ global_step: 3, epoch: 3 });
    expect(readJson(cwd, 'outputs', 'adapter_config.json')).toMatchObject({
      r: 8,
      lora_alpha: 16,
      target_modules: ['q_proj', 'v_proj'],
    });
  });
});
