// GGUF export through the real command line: the file is whole, traceable, and carries the template of the training.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { readGgufHeader } from '../../packages/factory/src/model/gguf/header.ts';
import { ggufTemplate } from '../../packages/factory/src/tokens/gguf-template.ts';
import { exportHere, makeWorld, readJson } from './tiny-world.ts';

const BASE = fileURLToPath(new URL('../../packages/factory/base/tunesmith-tiny', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'export-gguf-'));
afterAll(() => rmSync(dir, { recursive: true }));

const exported = (output: string, ...more: string[]) =>
  exportHere(['--to', 'gguf', '--model_name_or_path', BASE, '--export_dir', join(dir, output), ...more]);

async function header(...names: string[]) {
  const path = resolve(dir, ...names);
  const file = await open(path);
  try {
    return await readGgufHeader(file, path);
  } finally {
    await file.close();
  }
}

test('a float16 file answers as its folder, and is verified', async () => {
  const run = await exported('half', '--export_dtype', 'float16', '--json');
  expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
  const { files, parity } = JSON.parse(run.out);
  expect(files).toEqual(['model-f16.gguf']);
  expect(parity).toMatchObject({ engine: 'llama.cpp', greedy: { equalTokens: 96 } });
  expect(parity.meanKl).toBeLessThan(1e-6);
  expect(readdirSync(join(dir, 'half')).sort()).toEqual([
    'export_parity.json',
    'model-f16.gguf',
    'tunesmith_export.json',
  ]);
  expect(readJson(dir, 'half', 'tunesmith_export.json')).toMatchObject({
    kind: 'gguf',
    settings: { type: 'f16' },
    parents: [{ role: 'base', name: BASE }],
  });
  expect((await exportHere(['verify', join(dir, 'half')])).status).toBe(0);
  const { metadata } = await header('half', 'model-f16.gguf');
  // Without a named template only the settings are kept beside the tokenizer's own.
  expect(ggufTemplate(metadata)).toMatchObject({ name: null, version: 'latest' });
  expect(metadata.get('tokenizer.chat_template')).toContain('<|im_start|>');
}, 180_000);

test('a named template is kept by name, and as Jinja where the own one is another', async () => {
  const more = ['--template', 'default', '--export_dtype', 'q8_0', '--verify', 'false'];
  const run = await exported('named', ...more);
  expect([run.status, run.err]).toEqual([0, expect.stringContaining('made of default')]);
  const { metadata } = await header('named', 'model-q8_0.gguf');
  expect(ggufTemplate(metadata)).toMatchObject({ name: 'default', version: 'latest' });
  expect(metadata.get('tokenizer.chat_template')).toContain('Human: ');
});

test('a quantised file is the only one of the folder, and is compared too', async () => {
  const run = await exported('small', '--export_quantization', 'q4_K_M', '--json');
  expect([run.status, run.err]).toEqual([0, expect.stringContaining('these become q5_0')]);
  expect(JSON.parse(run.out).parity.topTokenAgreement).toBeGreaterThan(0.9);
  expect(readdirSync(join(dir, 'small')).sort()).toEqual([
    'export_parity.json',
    'model-q4_k_m.gguf',
    'tunesmith_export.json',
  ]);
  expect(readJson(dir, 'small', 'tunesmith_export.json')).toMatchObject({
    settings: { type: 'q4_k_m', from: 'f16' },
  });
  const { tensors } = await header('small', 'model-q4_k_m.gguf');
  expect(tensors.get('blk.2.ffn_down.weight')?.type.name).toBe('Q6_K');
  const refused = await exported('none', '--export_quantization', 'q4_0', '--export_dtype', 'q8_0');
  expect([refused.status, refused.err]).toEqual([2, expect.stringContaining('quantised already')]);
}, 180_000);

test('bits of GPTQ are refused and not forgotten', async () => {
  const run = await exported('none', '--export_quantization_bit', '4');
  expect([run.status, run.err]).toEqual([2, expect.stringContaining('--export_quantization Q4_K_M')]);
});

test('what the other targets do not have is refused, and nothing is left', async () => {
  const words = ['--model_name_or_path', BASE, '--export_dir', join(dir, 'none')];
  for (const more of [
    ['--export_dtype', 'q8_0'],
    ['--export_pre_tokenizer', 'qwen2'],
    ['--export_quantization', 'q4_0'],
    ['--to', 'adapter', '--export_quantization', 'q4_0'],
    ['--adapter_only', 'true'],
  ]) {
    const run = await exportHere([...words, ...more]);
    expect([run.status, run.err]).toEqual([2, expect.stringContaining('expected --to gguf')]);
  }
  expect(existsSync(join(dir, 'none'))).toBe(false);
});

describe('an adapter alone', () => {
  const world = makeWorld('llama');
  afterAll(() => world.dispose());
  const fixtures = fileURLToPath(new URL('../parity/', import.meta.url));
  const alone = (adapter: string, output: string, ...more: string[]) =>
    exportHere([
      ...['--to', 'gguf', '--adapter_only', 'true', '--model_name_or_path', world.model],
      ...['--adapter_name_or_path', adapter, '--export_dir', world.at(output), ...more],
    ]);

  test('has its pairs, its alpha, and a manifest that is verified', async () => {
    const run = await alone(
      join(fixtures, 'models/llama/adapter-rslora'),
      'rslora',
      '--export_dtype',
      'float16',
    );
    expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
    const { metadata, tensors } = await header(world.at('rslora', 'adapter-f16.gguf'));
    // 8 / √4 is 16 / 4.
    expect(metadata.get('adapter.lora.alpha')).toBe(16);
    expect(metadata.get('general.type')).toBe('adapter');
    expect(tensors.size).toBe(3 * 7 * 2);
    expect(tensors.get('blk.2.ffn_down.weight.lora_a')?.type.name).toBe('F16');
    expect((await exportHere(['verify', world.at('rslora')])).status).toBe(0);
  });

  test.each([
    ['dora', 'DoRA'],
    ['pissa', 'pissa'],
  ])('%s is refused by name', async (variant, what) => {
    const dir = world.at(variant);
    mkdirSync(dir);
    for (const name of ['adapter_config.json', 'adapter_model.safetensors'])
      cpSync(join(fixtures, 'variants', variant, name), join(dir, name));
    const run = await alone(dir, 'refused');
    expect([run.status, run.err]).toEqual([2, expect.stringContaining(what)]);
    expect(run.err).toContain('Leave out --adapter_only');
    expect(existsSync(world.at('refused'))).toBe(false);
  });
});
