// Checkpoints that bitsandbytes has quantised mean what bitsandbytes reads from them, at rest, from the disk, and with an adapter.
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { parseTrainArgs } from '../../packages/factory/src/arguments/parse.ts';
import { buildDecoder } from '../../packages/factory/src/model/build-decoder.ts';
import { openModel } from '../../packages/factory/src/model/open-model.ts';
import type { Base } from '../../packages/factory/src/pipeline/open-base.ts';
import { openDecoder } from '../../packages/factory/src/pipeline/open-decoder.ts';
import { gradientsOf, tokenLosses, worstApart } from './measure.ts';
import { examplesOf, readReference } from './read-fixture.ts';

const FOLDER = fileURLToPath(new URL('./quantised/', import.meta.url));
const temporary = mkdtempSync(join(tmpdir(), 'quantised-'));
const backend = await openBackend('cpu', { threads: 1 });
afterAll(async () => {
  rmSync(temporary, { recursive: true });
  await backend.dispose();
});

const { input_ids: rows } = readReference('llama').batch;
const open = (dir: string) => openModel(dir, { cacheDir: join(dir, 'no-cache'), offline: true });

describe.each(['nf4-nested', 'fp4', 'int8'])('%s', (name) => {
  const dir = join(FOLDER, name);
  const facts = JSON.parse(readFileSync(join(dir, 'reference.json'), 'utf8')) as {
    coded: string[];
    nll: number[][];
  };

  test.each([false, true])(
    'gives the losses of the weights that bitsandbytes reads, streamed: %s',
    async (stream) => {
      const { config, weights, notes } = await open(dir);
      onTestFinished(() => weights.close());
      expect(notes).toEqual([]);
      const decoder = await buildDecoder({
        backend,
        config,
        source: weights,
        trained: new Set(),
        lora: null,
        halfStorage: false,
        stream,
      });
      for (const module of facts.coded) expect(decoder.weights.has(`${module}.weight`)).toBe(false);
      const nll = await tokenLosses(decoder, rows);
      facts.nll.forEach((row, r) => {
        expect(worstApart(nll[r], row)).toBeLessThan(2e-5);
      });
    },
  );

  test('takes an adapter, and says that quantization_bit is idle; other methods are refused', async () => {
    const opened = async (words: string[], notes: string[] = []) => {
      const { args } = parseTrainArgs(
        ['--model_name_or_path', dir, '--do_train', '--dataset', 'd', '--template', 'default', ...words],
        { readFile: (path) => readFileSync(path, 'utf8') },
      );
      const base = await open(dir);
      onTestFinished(() => base.weights.close());
      const one = await openDecoder(args, base as unknown as Base, 'train', (text) => notes.push(text));
      onTestFinished(() => one.decoder.backend.dispose());
      return one.decoder;
    };
    const notes: string[] = [];
    const decoder = await opened(['--quantization_bit', '4'], notes);
    expect(notes.join()).toContain('quantised already');
    const { gradients } = await gradientsOf(decoder, [examplesOf(readReference('llama'))], 'save');
    expect([...gradients.values()].some((g) => g.some((v) => v !== 0))).toBe(true);
    await expect(opened(['--finetuning_type', 'full'])).rejects.toMatchObject({ code: 'ARGS_CONFLICT' });
    await expect(opened(['--pissa_init'])).rejects.toMatchObject({ code: 'ADAPTERS_UNSUPPORTED' });
  });
});

test('damage to the parts of a quantised matrix is a typed error that names the tensor', async () => {
  const source = readFileSync(join(FOLDER, 'nf4-nested', 'model.safetensors'));
  const length = Number(source.readBigUInt64LE(0));
  const header = source.subarray(8, 8 + length).toString();
  const first = 'model.layers.0.self_attn.q_proj.weight';
  const changes: [string, (h: string) => string][] = [
    [`${first}.absmax`, (h) => h.replace(`"${first}.absmax"`, `"${first}.absmay"`)],
    [`${first}.quant_map`, (h) => h.replace(`"${first}.quant_map"`, `"${first}.quant_mop"`)],
    [first, (h) => h.replace(`"${first}"`, `"${first.replace('q_proj', 'q_prij')}"`)],
  ];
  for (const [n, [named, change]] of changes.entries()) {
    const dir = join(temporary, `${n}`);
    cpSync(join(FOLDER, 'nf4-nested'), dir, { recursive: true });
    const changed = change(header);
    expect(changed).not.toBe(header);
    writeFileSync(
      join(dir, 'model.safetensors'),
      Buffer.concat([source.subarray(0, 8), Buffer.from(changed), source.subarray(8 + length)]),
    );
    const attempt = async () => {
      const { config, weights } = await open(dir);
      onTestFinished(() => weights.close());
      await buildDecoder({
        backend,
        config,
        source: weights,
        trained: new Set(),
        lora: null,
        halfStorage: false,
      });
    };
    await expect(attempt()).rejects.toMatchObject({
      code: expect.stringMatching(/^MODEL_(BAD_FILE|MISSING_TENSOR)$/),
      message: expect.stringContaining(named),
    });
  }
});
