// `tunesmith plan` as it is typed: shapes, sizes, budgets, recipes, and what it refuses.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseTrainArgs } from '#factory/arguments/parse.ts';
import { plan } from './plan.ts';

const dir = mkdtempSync(join(tmpdir(), 'plan-'));
afterAll(() => rmSync(dir, { recursive: true }));

async function run(words: string[], json = false) {
  let out = '';
  const status = await plan({
    words: [...words, '--probe', 'false'],
    json,
    env: { HF_HUB_OFFLINE: '1', HF_HOME: dir },
    terminal: {
      out: (text: string) => {
        out += text;
      },
      err: () => {},
      errIsTty: false,
      columns: 80,
    } as never,
  });
  return { status, out };
}

interface Answer {
  budget_bytes: number;
  methods: { id: string; fits: boolean; peakBytes: number; terms: Record<string, number> }[];
  advised: { id: string } | null;
  change: { title: string; peakBytes: number } | null;
}
const ask = async (...words: string[]) => {
  const { status, out } = await run(words, true);
  return { status, answer: JSON.parse(out) as Answer };
};

describe('tunesmith plan', () => {
  test('advises what fits, the same for a hub id and a bare name', async () => {
    const words = ['--memory', '9GB', '--cutoff_len', '1024', '--per_device_train_batch_size', '1'];
    const { status, answer } = await ask('--model_name_or_path', 'meta-llama/Llama-2-7b-hf', ...words);
    expect(status).toBe(0);
    expect(answer.budget_bytes).toBe(9e9);
    expect(answer.methods.find((m) => m.id === 'lora')?.fits).toBe(false);
    expect(answer.advised?.id).toBe('qlora-4');
    expect((await ask('--model_name_or_path', 'Llama-2-7B', ...words)).answer).toMatchObject({
      methods: answer.methods.map(({ peakBytes }) => ({ peakBytes })),
    });
  });

  test('plans stages with what they have beside their steps', async () => {
    const words = ['--model_name_or_path', 'SmolLM2-135M', '--memory', '20GB', '--cutoff_len', '64'];
    const peak = async (...more: string[]) => {
      const { answer } = await ask(...words, '--per_device_train_batch_size', '8', ...more);
      return answer.methods.find((m) => m.id === 'lora') as Answer['methods'][number];
    };
    const alone = await peak('--stage', 'dpo');
    const beside = await peak('--stage', 'dpo', '--ref_model', 'Qwen2.5-7B');
    // It is closed before the first step, but it has been there.
    expect(beside.terms['other models']).toBeGreaterThan(14e9);
    expect(alone.terms['other models']).toBe(0);
    const policy = ['--stage', 'ppo', '--max_new_tokens', '64'];
    const plain = await peak(...policy);
    const rewarded = await peak(...policy, '--reward_model', 'adapter');
    expect(rewarded.terms['other models']).toBeGreaterThan(0.26e9);
    expect(rewarded.peakBytes - plain.peakBytes).toBeCloseTo(rewarded.terms['other models'], -3);
  });

  test('says the smallest change where nothing fits, with status 1', async () => {
    const { status, answer } = await ask('--parameters', '7B', '--memory', '5GB', '--cutoff_len', '1024');
    expect(status).toBe(1);
    expect(answer.advised).toBeNull();
    expect(answer.change?.peakBytes).toBeLessThanOrEqual(5e9);
    const { out } = await run(['--parameters', '70B', '--memory', '2GB', '--cutoff_len', '1024']);
    expect(out).toMatch(/Choose a smaller model: \S+ fits/);
  });

  test('judges a card by the formula for it', async () => {
    const words = ['--cutoff_len', '2048', '--per_device_train_batch_size', '1', '--gpu', 'RTX 3090'];
    const { answer } = await ask('--model_name_or_path', 'Llama-2-7B', ...words);
    expect(answer.methods.filter((m) => m.fits).map((m) => m.id)).toContain('lora');
    expect(answer.methods.find((m) => m.id === 'full')?.fits).toBe(false);
  });

  test('writes a recipe that training takes', async () => {
    const file = join(dir, 'run.yaml');
    const words = ['--model_name_or_path', 'Qwen2.5-0.5B', '--memory', '8GB', '--lora_rank', '16'];
    await run([...words, '--cutoff_len', '512', '--template', 'qwen', '--recipe', file]);
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(/^# .*\n# Planned peak: /);
    const { args } = parseTrainArgs([file], { readFile: () => text });
    expect(args).toMatchObject({
      memory: '8GB',
      lora_rank: 16,
      finetuning_type: 'lora',
      cutoff_len: 512,
      do_train: true,
    });
  });

  test('prints the classic table', async () => {
    const { out } = await run(['--classic']);
    expect(out.split('\n').filter((line) => line.includes('Llama-2-7B'))).toHaveLength(8);
  });

  test.each([
    [[], 'ARGS_MISSING'],
    [['--model_name_or_path', 'no such model!'], 'MODEL_NOT_FOUND'],
    [['--parameters', 'many'], 'ARGS_BAD_VALUE'],
    [['--parameters', '7B', '--memory', 'lots'], 'ARGS_BAD_VALUE'],
    [['--parameters', '7B', '--gpu', 'Voodoo 2'], 'ARGS_BAD_VALUE'],
    [['--parameters', '7B', '--gpu', 'T4', '--memory', '1GB'], 'ARGS_CONFLICT'],
    [['--parameters', '7B', '--within', 'soon'], 'ARGS_BAD_VALUE'],
    [['--parameters', '7B', '--dataset', 'rows.json'], 'TOKENS_NO_TOKENIZER'],
    [['--parameters', '7B', '--nonsense', '1'], 'ARGS_UNKNOWN_KEY'],
  ])('refuses %j', async (words, code) => {
    await expect(run(words)).rejects.toMatchObject({ code });
  });
});
