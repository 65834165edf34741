// A GGUF file gives the model of its Hugging Face folder; packed layers train like their unpacked values; and whatever is
// cut short or spoilt is a typed error.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openBackend } from '@tunesmith/engine';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { assetPath } from '../../../../../test/assets.ts';
import { buildDecoder } from '../build-decoder.ts';
import { Decoder } from '../decoder.ts';
import { greedy } from '../fixtures/greedy.ts';
import { differentiateTiny, tinyLora, tinyRows } from '../fixtures/tiny-decoder.ts';
import { type WrittenTensor, writeGguf } from '../fixtures/write-gguf.ts';
import { generateTokens } from '../generate.ts';
import { openModel } from '../open-model.ts';
import type { StoredWeight } from '../parameter.ts';
import { BLOCK_TYPES } from './block-types.ts';
import { llama3Scaling } from './gguf-config.ts';
import { openGguf } from './open-gguf.ts';

const backend = await openBackend('cpu', { threads: 1 });
const dir = mkdtempSync(join(tmpdir(), 'gguf-'));
afterAll(async () => {
  await backend.dispose();
  rmSync(dir, { recursive: true });
});

const META = {
  'general.architecture': 'llama',
  'llama.context_length': 64,
  'llama.embedding_length': 64,
  'llama.block_count': 2,
  'llama.feed_forward_length': 96,
  'llama.attention.head_count': 4,
  'llama.attention.head_count_kv': 2,
  'llama.attention.layer_norm_rms_epsilon': 1e-5,
  'llama.rope.dimension_count': 16,
};

/** Blocks of 32 for the layers, in turn; float32 for the rest. */
const TYPES = [2, 3, 6, 7, 8, 1, 30];

function tinyTensors(): WrittenTensor[] {
  const random = seededRandom('gguf');
  let turn = 0;
  const make = (name: string, shape: number[], type: number): WrittenTensor => {
    const block = BLOCK_TYPES.get(type)!;
    const count = shape.reduce((n, d) => n * d, 1);
    const data = new Uint8Array((count / block.size) * block.bytes);
    const fill = (all: Float32Array | Uint16Array | Uint8Array, next: () => number) => {
      for (let at = 0; at < all.length; at++) all[at] = next();
    };
    if (type === 0) fill(new Float32Array(data.buffer), () => random.next() - 0.3);
    // Halves from 0.25 to 1, of both signs.
    else if (type === 1)
      fill(new Uint16Array(data.buffer), () => 0x3400 + random.int(2048) + 0x8000 * random.int(2));
    else if (type === 30)
      fill(new Uint16Array(data.buffer), () => 0x3d00 + random.int(256) + 0x8000 * random.int(2));
    else {
      fill(data, () => random.int(256));
      const scale = new Uint8Array(new Float16Array([0.02]).buffer);
      for (const place of block.scales)
        for (let at = place; at < data.length; at += block.bytes) data.set(scale, at);
    }
    return { name, shape, type, data };
  };
  const matrix = (name: string, shape: number[]) => make(name, shape, TYPES[turn++ % TYPES.length]);
  return [
    make('token_embd.weight', [40, 64], 8),
    make('output_norm.weight', [64], 0),
    make('output.weight', [40, 64], 0),
    ...[0, 1].flatMap((i) => [
      make(`blk.${i}.attn_norm.weight`, [64], 0),
      make(`blk.${i}.ffn_norm.weight`, [64], 0),
      matrix(`blk.${i}.attn_q.weight`, [64, 64]),
      matrix(`blk.${i}.attn_k.weight`, [32, 64]),
      matrix(`blk.${i}.attn_v.weight`, [32, 64]),
      matrix(`blk.${i}.attn_output.weight`, [64, 64]),
      matrix(`blk.${i}.ffn_gate.weight`, [96, 64]),
      matrix(`blk.${i}.ffn_up.weight`, [96, 64]),
      matrix(`blk.${i}.ffn_down.weight`, [64, 96]),
    ]),
  ];
}

function file(bytes: Uint8Array, name = 'tiny.gguf'): string {
  writeFileSync(join(dir, name), bytes);
  return join(dir, name);
}

describe('packed layers', () => {
  test('give the losses and gradients of their unpacked values', async () => {
    const { config, weights: source, notes } = await openGguf(file(writeGguf(META, tinyTensors())));
    expect(notes).toEqual([]);
    const lora = () => tinyLora(config, { targets: ['all'], dropout: 0 });
    const options = { residualBytes: 1e9, dropoutKey: '' };
    const rows = tinyRows([9, 4]);
    const built = await buildDecoder({
      backend,
      config,
      source,
      trained: new Set(),
      lora: lora(),
      halfStorage: false,
    });
    const weights = new Map<string, StoredWeight>(built.weights);
    for (const name of source.tensors.keys()) {
      const packed = await source.readPacked?.(name);
      if (!packed || weights.has(name)) continue;
      const data = new Float32Array(packed.shape[0] * packed.shape[1]);
      packed.expand(data);
      weights.set(name, { shape: packed.shape, dtype: 'f32', data });
    }
    // Five of seven types are packed.
    expect(weights.size - built.weights.size).toBe(10);
    const float = new Decoder({ backend, config, weights, lora: lora(), trained: new Set() });
    const expected = await differentiateTiny(float, rows, options);
    expect(Number.isFinite(expected.loss)).toBe(true);
    expect(await differentiateTiny(built, rows, options)).toEqual(expected);
    await source.close();
  });

  test('rows of q and k stand as in Hugging Face, packed or plain', async () => {
    const tensors = tinyTensors();
    const { weights } = await openGguf(file(writeGguf(META, tensors)));
    for (const [part, ours] of [
      ['attn_q', 'self_attn.q_proj'],
      ['attn_k', 'self_attn.k_proj'],
      ['attn_v', 'self_attn.v_proj'],
    ])
      for (const i of [0, 1]) {
        const { shape, type, data } = tensors.find((t) => t.name === `blk.${i}.${part}.weight`)!;
        const block = BLOCK_TYPES.get(type)!;
        const { data: read, dtype } = await weights.read(`model.layers.${i}.${ours}.weight`);
        const values = dtype === 'F16' ? new Float16Array(read.buffer as ArrayBuffer) : read;
        const stored = new Float32Array(shape[0] * 64);
        if (block.plain === 'F16') stored.set(new Float16Array(data.buffer as ArrayBuffer));
        else if (block.plain) continue;
        else block.expand(data, 0, stored.length / block.size, stored, 0);
        // convert_hf_to_gguf: reshape(heads, 2, d / 2).swapaxes(1, 2).
        for (let head = 0; head < shape[0] / 16; head++)
          for (let side = 0; side < 2; side++)
            for (let pair = 0; pair < 8; pair++) {
              const theirs = part === 'attn_v' ? head * 16 + side * 8 + pair : head * 16 + pair * 2 + side;
              const row = head * 16 + side * 8 + pair;
              expect(Math.fround(values[row * 64 + 5])).toBeCloseTo(stored[theirs * 64 + 5], 3);
            }
      }
    await weights.close();
  });
});

const gguf = assetPath('models/stories260K-f32.gguf');
const folder = assetPath('models/stories260K-hf');

test.skipIf(!gguf || !folder)(
  'stories260K gives the weights and greedy tokens of its Hugging Face folder',
  async () => {
    const theirs = await openModel(folder!, { env: {}, offline: true } as never);
    const ours = await openGguf(gguf!);
    const { raw: _, tieEmbeddings: tied, ...config } = ours.config;
    const { raw: __, tieEmbeddings: alsoTied, ...expected } = theirs.config;
    expect(config).toEqual(expected);
    // The file has the head again.
    expect([tied, alsoTied]).toEqual([false, true]);
    for (const name of theirs.weights.tensors.keys())
      expect((await ours.weights.read(name)).data, name).toEqual((await theirs.weights.read(name)).data);
    const answers = [];
    for (const { config, weights: source } of [theirs, ours]) {
      const decoder = await buildDecoder({
        backend,
        config,
        source,
        trained: new Set(),
        lora: null,
        halfStorage: false,
      });
      answers.push(await generateTokens(decoder, [[1, 403, 407, 261]], greedy(20)));
      await source.close();
    }
    expect(answers[1]).toEqual(answers[0]);
  },
);

describe('what is refused', () => {
  const bytes = writeGguf(META, tinyTensors());
  const open = (content: Uint8Array) => openGguf(file(content, 'hostile.gguf'));

  test.each([
    [{ 'general.architecture': 'gemma2' }, 'MODEL_UNKNOWN_ARCHITECTURE', /found "gemma2"/],
    [{ 'llama.expert_count': 8 }, 'MODEL_BAD_CONFIG', /llama.expert_count: expected 0/],
    [{ 'llama.attention.head_count_kv': [2, 4] }, 'MODEL_BAD_CONFIG', /expected one number, found 2,4/],
    [{ 'llama.rope.dimension_count': 8 }, 'MODEL_BAD_CONFIG', /expected 16, the size of a head/],
    [
      { 'llama.rope.scaling.type': 'longrope', 'llama.rope.scaling.factor': 4 },
      'MODEL_BAD_CONFIG',
      /linear or yarn/,
    ],
    [{ 'llama.embedding_length': 'x' }, 'MODEL_BAD_CONFIG', /embedding_length: expected one number/],
    [{ 'llama.block_count': 3 }, 'MODEL_MISSING_TENSOR', /model.layers.2/],
  ])('%j', async (change, code, message) => {
    await expect(open(writeGguf({ ...META, ...change } as typeof META, tinyTensors()))).rejects.toMatchObject(
      {
        code,
        message: expect.stringMatching(message),
      },
    );
  });

  test('a type that is not known, by its number', async () => {
    const tensors = tinyTensors();
    tensors[3].type = 16;
    await expect(open(writeGguf(META, tensors))).rejects.toMatchObject({
      code: 'MODEL_WRONG_DTYPE',
      message: expect.stringContaining('ggml type 16'),
    });
  });

  test('a scale that is infinite, when the tensor is read', async () => {
    const tensors = tinyTensors();
    const q = tensors.find((t) => t.name === 'blk.0.attn_q.weight')!;
    q.data.set([0x00, 0x7c], 18 * 3);
    const { weights } = await open(writeGguf(META, tensors));
    await expect(weights.readPacked?.('model.layers.0.self_attn.q_proj.weight')).rejects.toMatchObject({
      code: 'MODEL_BAD_FILE',
      message: expect.stringContaining('NaN in block 3'),
    });
    await weights.close();
  });

  test('a file that is cut short anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(bytes.length - 33), async (length) => {
        const error = await open(bytes.subarray(0, length)).catch((e) => e);
        expect(error).toBeInstanceOf(FactoryError);
        expect(error.code).toBe('MODEL_BAD_FILE');
      }),
      { numRuns: 60 },
    );
  });

  test('bytes of the header that were changed: a typed error, or a model', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(1900), fc.nat(255), async (at, value) => {
        const spoilt = bytes.slice();
        spoilt[at] = value;
        try {
          await (await open(spoilt)).weights.close();
        } catch (error) {
          expect(error).toBeInstanceOf(FactoryError);
        }
      }),
      { numRuns: 150 },
    );
  });
});

test('the scaling of Llama 3 is found in its factors, and in no others', () => {
  const theta = 500_000;
  // transformers' formula with factor 32 and heads of 64.
  const factors = Float32Array.from({ length: 32 }, (_, i) => {
    const wave = 2 * Math.PI * theta ** ((2 * i) / 64);
    if (wave < 8192 / 4) return 1;
    if (wave > 8192) return 32;
    const smooth = (8192 / wave - 1) / 3;
    return 1 / ((1 - smooth) / 32 + smooth);
  });
  expect(llama3Scaling(factors, theta)).toMatchObject({ rope_type: 'llama3', factor: 32 });
  factors[12] *= 1.01;
  expect(llama3Scaling(factors, theta)).toBeNull();
});
