// The shipped model for Ollama, through the real command: llama.cpp answers as our engine does, and the Modelfile says how.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { requireParity } from '../../packages/factory/src/pipeline/require-parity.ts';
import { exportHere, readJson } from './tiny-world.ts';

const BASE = fileURLToPath(new URL('../../packages/factory/base/tunesmith-tiny', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'export-ollama-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.skipIf(!existsSync(join(BASE, 'model.safetensors')))(
  'float32 answers as before, to the token',
  async () => {
    const dir = join(folder, 'out');
    const words = ['--to', 'ollama', '--model_name_or_path', BASE, '--export_dir', dir];
    const run = await exportHere([...words, '--export_dtype', 'float32']);
    expect([run.status, run.err]).toEqual([0, '']);
    expect(run.out).toMatch(/96 of 96 tokens are the same, 6 of 6 texts to the end/);
    const parity = readJson<{ meanKl: number; topTokenAgreement: number }>(dir, 'export_parity.json');
    expect(parity.meanKl).toBeLessThan(1e-6);
    expect(parity.topTokenAgreement).toBeGreaterThan(0.98);
    const modelfile = readFileSync(join(dir, 'Modelfile'), 'utf8');
    expect(modelfile).toContain('FROM ./model-f32.gguf\n');
    expect(modelfile).toContain('{{ if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>');
    expect(modelfile).toContain('PARAMETER stop """<|im_end|>"""');
    expect((await exportHere(['verify', dir])).status).toBe(0);
    writeFileSync(join(dir, 'Modelfile'), modelfile.replace('0.7', '1.7'));
    expect(await exportHere(['verify', dir])).toMatchObject({
      status: 1,
      out: expect.stringMatching(/Modelfile differs/),
    });
  },
  180_000,
);

test('more than rounding is an error, except where a type explains it', () => {
  const parity = {
    ...{ engine: 'llama.cpp' as const, rows: 1, positions: 9, topTokenAgreement: 1, perplexityRatio: 1 },
    ...{ meanKl: 1e-4, largestLogprobDifference: 1, worst: { text: 'Say it', meanKl: 1e-4 } },
    greedy: { prompts: 1, equalPrompts: 1, tokens: 16, equalTokens: 16 },
  };
  expect(() => requireParity(parity, 'F32')).toThrow(
    expect.objectContaining({
      code: 'EXPORT_DIFFERS',
      message: expect.stringMatching(/1\.0e-4.*worst on "Say it"/),
    }),
  );
  expect(() => requireParity(parity, 'F16')).not.toThrow();
  expect(() => requireParity({ ...parity, meanKl: Number.NaN }, 'F16')).toThrow();
  expect(() => requireParity({ ...parity, meanKl: 1 }, 'Q8_0')).not.toThrow();
});
