// Every type: llama.cpp's mixture, the bytes of ggml's own routine, values within the type's error, a file that llama.cpp loads.
// And what goes wrong: a source that is no model, a child that dies, a stop; nothing is left behind.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import koffi from 'koffi';
import { getLlama, type Llama, LlamaCompletion, LlamaLogLevel } from 'node-llama-cpp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findLlamaLibrary } from '#factory/export/quantise/llama-library.ts';
import type { QuantiserJob } from '#factory/export/quantise/run-quantiser.ts';
import { QUANT_TYPES, quantType } from '#factory/export/quantise/types.ts';
import { BLOCK_TYPES } from '#factory/model/gguf/block-types.ts';
import { type GgufTensor, readGgufHeader } from '#factory/model/gguf/header.ts';
import { bf16ToF32, f16ToF32 } from '#factory/model/half.ts';
import { verifyExport } from '#factory/store/export-manifest.ts';
import { assetPath } from '../../../../test/assets.ts';
import { INNER, WIDTH, writeRandomLlama } from './fixtures/random-llama.ts';
import { quantiseModel } from './quantise-model.ts';

/** Root of the mean square error over that of the values, a tenth above what was measured on these. */
const ERROR_OF: Readonly<Record<string, number>> = {
  F16: 0.00023,
  BF16: 0.0018,
  Q8_0: 0.0056,
  Q6_K: 0.019,
  Q5_K: 0.039,
  Q5_1: 0.041,
  Q5_0: 0.045,
  Q4_K: 0.076,
  Q4_1: 0.084,
  Q4_0: 0.091,
  Q3_K: 0.162,
  Q2_K: 0.324,
};

const stories = assetPath('models/stories260K-f32.gguf');
let dir: string;
let source: string;
let llama: Llama;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-quantise-'));
  source = join(dir, 'source.gguf');
  await writeRandomLlama(source);
  llama = await getLlama({ build: 'never', gpu: false, logLevel: LlamaLogLevel.error });
  // llama.cpp is slow to start on a busy machine.
}, 120_000);
afterAll(async () => {
  await llama.dispose();
  rmSync(dir, { recursive: true });
});

let counter = 0;
const fresh = () => join(dir, `${counter++}.gguf`);

function quantise(
  input: string,
  output: string,
  name: string,
  change: Partial<Parameters<typeof quantiseModel>[0]> = {},
  deps: Partial<Parameters<typeof quantiseModel>[1]> = {},
) {
  return quantiseModel(
    { input, output, type: quantType(name), allowRequantize: false, threads: 2, ...change },
    { env: process.env, note: () => {}, ...deps },
  );
}

async function readTensors(path: string) {
  const file = await open(path);
  const { tensors } = await readGgufHeader(file, path);
  await file.close();
  const bytes = readFileSync(path);
  return new Map(
    [...tensors].map(([name, tensor]) => [
      name,
      { ...tensor, data: new Uint8Array(bytes.subarray(tensor.start, tensor.start + tensor.bytes)) },
    ]),
  );
}

function valuesOf({ type, shape, data }: GgufTensor & { data: Uint8Array }): Float32Array {
  if (type.plain === 'F32') return new Float32Array(data.buffer);
  if (type.plain) return (type.plain === 'F16' ? f16ToF32 : bf16ToF32)(new Uint16Array(data.buffer));
  const values = new Float32Array(shape.reduce((n, d) => n * d, 1));
  type.expand(data, 0, values.length / type.size, values, 0);
  return values;
}

describe.each(QUANT_TYPES.map(({ name }) => name))('%s', (name) => {
  test('is what ggml makes of every tensor, and loads', async () => {
    const output = fresh();
    const result = await quantise(source, output, name);
    const before = await readTensors(source);
    const after = await readTensors(output);
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    for (const [tensor, written] of after) {
      const original = before.get(tensor)!;
      const values = valuesOf(original);
      if (original.shape.length === 1) {
        expect(written.type.name, tensor).toBe('F32');
        continue;
      }
      expect(written.type.name, tensor).not.toBe('F32');
      expect(Buffer.compare(written.data, ggmlBlocks(written, values)), tensor).toBe(0);
      const back = valuesOf(written);
      const error = Math.sqrt(values.reduce((n, v, i) => n + (v - back[i]) ** 2, 0));
      const whole = Math.sqrt(values.reduce((n, v) => n + v * v, 0));
      expect(error / whole, tensor).toBeLessThan(ERROR_OF[written.type.name]);
    }
    for (const { tensor, columns } of result.fallbacks)
      expect([tensor.endsWith('ffn_down.weight'), columns]).toEqual([true, INNER]);
    expect(result.fallbacks.length).toBe(name.includes('_K') ? 2 : 0);
    const model = await llama.loadModel({ modelPath: output });
    expect(model.embeddingVectorSize).toBe(WIDTH);
    await model.dispose();
    expect((await verifyExport(output)).problems).toEqual([]);
  });
});

const base = koffi.load(join(dirname(findLlamaLibrary().path), 'libggml-base.so'));
const quantizeChunk = base.func(
  'size_t ggml_quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t rows, int64_t columns, const float *weights)',
);

function ggmlBlocks({ type, shape, bytes }: GgufTensor, values: Float32Array): Uint8Array {
  const id = [...BLOCK_TYPES].find(([, one]) => one === type)![0];
  const blocks = new Uint8Array(bytes);
  const columns = shape.at(-1)!;
  expect(quantizeChunk(id, values, blocks, 0, values.length / columns, columns, null)).toBe(bytes);
  return blocks;
}

test('Q4_K_M keeps what llama.cpp keeps', async () => {
  const output = fresh();
  const result = await quantise(source, output, 'q4_k_m');
  const types = [...(await readTensors(output))].map(([name, { type }]) => [name, type.name]);
  expect(Object.fromEntries(types)).toMatchObject({
    'token_embd.weight': 'Q4_K',
    'output.weight': 'Q6_K',
    'output_norm.weight': 'F32',
    'blk.0.attn_q.weight': 'Q4_K',
    'blk.1.attn_v.weight': 'Q6_K',
  });
  expect(result.fallbacks).toContainEqual({
    tensor: 'blk.1.ffn_down.weight',
    columns: INNER,
    wanted: 'q6_K',
    used: 'q8_0',
  });
  expect(result.bytes).toBeLessThan(result.sourceBytes / 5);
});

test('the same source gives the same bytes, whatever the number of threads', async () => {
  const outputs = [fresh(), fresh()];
  for (const [i, output] of outputs.entries())
    await quantise(source, output, 'Q5_K_S', { threads: 1 + 3 * i });
  const [one, four] = outputs.map((path) => readFileSync(path));
  expect(one.equals(four)).toBe(true);
});

test.skipIf(!stories)('the stories model writes the same in Q8_0', async () => {
  const output = fresh();
  await quantise(stories!, output, 'q8_0');
  const texts: string[] = [];
  for (const modelPath of [stories!, output]) {
    const model = await llama.loadModel({ modelPath });
    const context = await model.createContext({ contextSize: 64, threads: 1 });
    const completion = new LlamaCompletion({ contextSequence: context.getSequence() });
    texts.push(
      await completion.generateCompletion('Once upon a time', { maxTokens: 24, temperature: 0, seed: 1 }),
    );
    await model.dispose();
  }
  expect(texts[0].length).toBeGreaterThan(40);
  expect(texts[1]).toBe(texts[0]);
});

test('what is quantised is left alone unless it is asked for', async () => {
  const once = fresh();
  await quantise(source, once, 'Q8_0');
  const twice = fresh();
  await expect(quantise(once, twice, 'Q4_0')).rejects.toMatchObject({ code: 'EXPORT_REQUANTISE' });
  await quantise(once, twice, 'Q4_0', { allowRequantize: true });
  expect((await readTensors(twice)).get('blk.0.attn_q.weight')!.type.name).toBe('Q4_0');
});

test('an output that is there, the source among them, is not written over', async () => {
  const output = fresh();
  writeFileSync(output, 'mine');
  for (const path of [output, source])
    await expect(quantise(source, path, 'Q8_0')).rejects.toMatchObject({ code: 'TRAIN_OUTPUT_EXISTS' });
  expect(readFileSync(output, 'utf8')).toBe('mine');
});

describe('a source that is no whole model', () => {
  test.each([
    ['a text', Buffer.from('no model at all, but long enough to have a header'), 'MODEL_BAD_FILE'],
    ['a file cut short', null, 'MODEL_BAD_FILE'],
  ])('%s', async (_name, bytes, code) => {
    const input = fresh();
    writeFileSync(input, bytes ?? readFileSync(source).subarray(0, 100_000));
    await expect(quantise(input, fresh(), 'Q8_0')).rejects.toMatchObject({ code });
  });

  test('a file that is not there', async () => {
    await expect(quantise(fresh(), fresh(), 'Q8_0')).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  test('weights that are no numbers: llama.cpp says so, and nothing is left', async () => {
    const input = fresh();
    const output = fresh();
    await writeRandomLlama(input, (name, values) => {
      if (name === 'blk.1.ffn_up.weight') values[7] = Number.NaN;
    });
    await expect(quantise(input, output, 'Q4_K_M')).rejects.toMatchObject({
      code: 'EXPORT_QUANTISE_REFUSED',
      message: expect.stringMatching(/ffn_up|nan/i),
    });
    nothingLeft(output);
  });

  test('an architecture that llama.cpp does not know', async () => {
    const input = fresh();
    await writeRandomLlama(input, undefined, { 'general.architecture': { type: 'string', value: 'quark' } });
    await expect(quantise(input, fresh(), 'Q8_0')).rejects.toMatchObject({
      code: 'EXPORT_QUANTISE_REFUSED',
      message: expect.stringContaining('quark'),
    });
  });

  test('one for which ggml ends its process: an error with its last words', async () => {
    const input = fresh();
    const output = fresh();
    await writeRandomLlama(input, undefined, { 'llama.expert_count': { type: 'uint32', value: 100_000 } });
    await expect(quantise(input, output, 'Q8_0')).rejects.toMatchObject({
      code: 'EXPORT_QUANTISE_CRASHED',
      message: expect.stringMatching(/SIGABRT.*GGML_ASSERT/s),
    });
    nothingLeft(output);
  });
});

test('a stop ends the child and leaves nothing', async () => {
  const output = fresh();
  const controller = new AbortController();
  const stopped = quantise(
    source,
    output,
    'Q2_K',
    {},
    { signal: controller.signal, progress: () => controller.abort() },
  );
  await expect(stopped).rejects.toMatchObject({ code: 'EXPORT_INTERRUPTED' });
  nothingLeft(output);
});

test('a child whose parent is gone ends itself', async () => {
  const { path } = findLlamaLibrary();
  const { ftype, title } = quantType('Q8_0');
  const job: QuantiserJob = {
    library: path,
    input: source,
    output: fresh(),
    ftype,
    title,
    threads: 1,
    allowRequantize: false,
    isDry: true,
    bufferBytes: 2 ** 20,
  };
  const worker = new URL('../export/quantise/worker.ts', import.meta.url);
  const child = spawn(process.execPath, [fileURLToPath(worker), JSON.stringify(job)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.destroy();
  expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);
});

test('types that are not known, or need an importance matrix, are refused by name', () => {
  for (const word of ['IQ4_XS', 'iq2_xxs', 'q2_k_s'])
    expect(() => quantType(word)).toThrow(`found ${word.toUpperCase()}, which is made with`);
  expect(() => quantType('Q9')).toThrow('found "Q9"');
  expect(quantType('q4_k')).toBe(quantType('Q4_K_M'));
});

test('a system without binaries is an error that names the folder', () => {
  expect(() => findLlamaLibrary({ platform: 'darwin', arch: 'arm64' })).toThrow('mac-arm64-metal');
  expect(() => findLlamaLibrary({ platform: 'win32', arch: 'x64' })).toThrow('win-x64');
  expect(() => findLlamaLibrary({ platform: 'linux', arch: 's390x' })).toThrow('linux-s390x');
});

function nothingLeft(output: string): void {
  const names = readdirSync(dir).filter((name) => join(dir, name).startsWith(output));
  expect(names).toEqual([]);
}
