// GGUF export through the real command line: the file is whole, traceable, and carries the template of the training.
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { readGgufHeader } from '../../packages/factory/src/model/gguf/header.ts';
import { ggufTemplate } from '../../packages/factory/src/tokens/gguf-template.ts';
import { exportHere, readJson } from './tiny-world.ts';

const BASE = fileURLToPath(new URL('../../packages/factory/base/tunesmith-tiny', import.meta.url));
const dir = mkdtempSync(join(tmpdir(), 'export-gguf-'));
afterAll(() => rmSync(dir, { recursive: true }));

const exported = (output: string, ...more: string[]) =>
  exportHere(['--to', 'gguf', '--model_name_or_path', BASE, '--export_dir', join(dir, output), ...more]);

async function header(...names: string[]) {
  const path = join(dir, ...names);
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
