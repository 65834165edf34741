// The whole question on real data: the shipped model is fine-tuned on six intents of banking77 and may replace its base;
// spoiled, it may not; with 30 rows nobody can say. Everything is done by commands, as a user would.
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { assetPath } from '../assets.ts';

const MAIN = fileURLToPath(new URL('../../packages/factory/src/cli/main.ts', import.meta.url));
const BASE = fileURLToPath(new URL('../../packages/factory/base/tunesmith-tiny', import.meta.url));
const RULES = fileURLToPath(new URL('../../examples/ship-or-not/rules.yaml', import.meta.url));
const trainFile = assetPath('data/banking77/train.csv');
const testFile = assetPath('data/banking77/test.csv');

const INTENTS = [
  'card_arrival',
  'exchange_rate',
  'change_pin',
  'age_limit',
  'lost_or_stolen_card',
  'Refund_not_showing_up',
];

/** Rows of each intent; the test file has 40. */
const EACH = 80;

function tunesmith(...words: string[]) {
  const done = spawnSync(process.execPath, [MAIN, ...words], { encoding: 'utf8' });
  return { status: done.status, out: done.stdout, err: done.stderr };
}

function alpaca(path: string): { instruction: string; input: string; output: string }[] {
  // Two columns; a text with a comma, a quote or a line end is quoted.
  const lines = readFileSync(path, 'utf8').matchAll(/^(?:"((?:[^"]|"")*)"|([^,\n]*)),(\w+\??)\r?$/gm);
  const rows = [...lines].map(([, quoted, plain, category]) => ({
    text: quoted?.replaceAll('""', '"') ?? plain,
    category,
  }));
  return INTENTS.flatMap((intent) => rows.filter(({ category }) => category === intent).slice(0, EACH)).map(
    ({ text, category }) => ({
      instruction: 'Which intent does this question to a bank have?',
      input: text.trim(),
      output: category.toLowerCase(),
    }),
  );
}

/** Learns the opposite: every lora_B changes its sign. */
function spoil(file: string): void {
  const bytes = readFileSync(file);
  const length = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Record<
    string,
    { dtype: string; data_offsets: [number, number] }
  >;
  for (const [name, { dtype, data_offsets }] of Object.entries(header)) {
    if (!name.includes('lora_B')) continue;
    expect(dtype).toBe('F32');
    for (let at = 8 + length + data_offsets[0]; at < 8 + length + data_offsets[1]; at += 4)
      bytes.writeFloatLE(-bytes.readFloatLE(at), at);
  }
  writeFileSync(file, bytes);
}

describe.skipIf(trainFile === null || testFile === null)('banking77', () => {
  const root = mkdtempSync(join(tmpdir(), 'banking-'));
  const at = (name: string) => join(root, name);
  afterAll(() => rmSync(root, { recursive: true, force: true }));

  const evaluate = (name: string, ...more: string[]) => {
    const done = tunesmith(
      ...['eval', '--model_name_or_path', BASE, '--file', at('test.json'), '--task', 'classification'],
      ...['--name', name, '--output_dir', at(name), '--cutoff_len', '256', ...more],
      ...['--metrics', 'accuracy,f1_macro,validity_rate', '--hf_hub_token', 'hf_secret'],
    );
    expect(done, done.err).toMatchObject({ status: 0 });
    expect(readFileSync(join(at(name), 'evaluation.json'), 'utf8')).not.toContain('hf_secret');
  };
  const decide = (base: string, candidate: string) => {
    const done = tunesmith('eval', 'verdict', RULES, at(base), at(candidate), '--json');
    return { status: done.status, verdict: done.out === '' ? done.err : JSON.parse(done.out) };
  };

  beforeAll(() => {
    writeFileSync(at('train.json'), JSON.stringify(alpaca(trainFile!)));
    writeFileSync(at('test.json'), JSON.stringify(alpaca(testFile!)));
    const columns = { prompt: 'instruction', query: 'input', response: 'output' };
    writeFileSync(at('dataset_info.json'), JSON.stringify({ banking: { file_name: 'train.json', columns } }));
    // As the quickstart trains.
    const trained = tunesmith(
      ...['train', '--model_name_or_path', BASE, '--stage', 'sft', '--do_train'],
      ...['--dataset', 'banking', '--dataset_dir', root, '--cutoff_len', '256'],
      ...[
        '--finetuning_type',
        'lora',
        '--lora_target',
        'all',
        '--lora_rank',
        '16',
        '--output_dir',
        at('adapter'),
      ],
      ...['--lr_scheduler_type', 'cosine', '--warmup_ratio', '0.05', '--gradient_accumulation_steps', '1'],
      ...['--learning_rate', '2e-3', '--num_train_epochs', '2', '--per_device_train_batch_size', '8'],
    );
    expect(trained, trained.err).toMatchObject({ status: 0 });
    evaluate('base');
    evaluate('tuned', '--adapter_name_or_path', at('adapter'));
  });

  it('ships the fine-tuned model', () => {
    const { status, verdict } = decide('base', 'tuned');
    expect(verdict.criteria?.filter(({ state }: { state: string }) => state !== 'met')).toEqual([]);
    expect(verdict).toMatchObject({ decision: 'ship', candidate: { data: { overlap: 0 } }, warnings: [] });
    expect(status).toBe(0);
  });

  it('does not ship it spoiled', () => {
    cpSync(at('adapter'), at('spoilt-adapter'), { recursive: true });
    spoil(join(at('spoilt-adapter'), 'adapter_model.safetensors'));
    evaluate('spoilt', '--adapter_name_or_path', at('spoilt-adapter'));
    const { status, verdict } = decide('base', 'spoilt');
    expect(verdict).toMatchObject({ decision: 'do_not_ship' });
    expect(status).toBe(1);
  });

  it('cannot tell with 30 rows, and says how many more it takes', () => {
    evaluate('base-30', '--max_samples', '30');
    evaluate('tuned-30', '--adapter_name_or_path', at('adapter'), '--max_samples', '30');
    const { status, verdict } = decide('base-30', 'tuned-30');
    expect(verdict).toMatchObject({ decision: 'not_enough_evidence', comparison: { rows: 30 } });
    expect(verdict.moreRows).toBeGreaterThanOrEqual(120);
    expect(status).toBe(3);
  });

  it('refuses a model that has seen the rows', () => {
    const done = tunesmith(
      ...['eval', '--model_name_or_path', BASE, '--adapter_name_or_path', at('adapter')],
      ...['--file', at('train.json'), '--task', 'classification', '--output_dir', at('seen')],
      ...['--max_samples', '160', '--allow_overlap', '--cutoff_len', '256'],
    );
    expect(done, done.err).toMatchObject({ status: 0 });
    const base = tunesmith(
      ...['eval', '--model_name_or_path', BASE, '--file', at('train.json'), '--task', 'classification'],
      ...['--output_dir', at('seen-base'), '--max_samples', '160', '--cutoff_len', '256'],
    );
    expect(base, base.err).toMatchObject({ status: 0 });
    const { status, verdict } = decide('seen-base', 'seen');
    expect([status, verdict]).toEqual([1, expect.stringContaining('EVAL_OVERLAP')]);
  });
});
