import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import type { ModelConfig, WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { encodeSafetensors } from '#factory/store/safetensors-format.ts';
import { checkTensors } from './check-tensors.ts';
import { parseModelConfig } from './config.ts';
import { initialWeights } from './initial-weights.ts';
import { openSafetensors } from './safetensors.ts';
import { writeSafetensors, writeShardedSafetensors } from './write-safetensors.ts';

const config = parseModelConfig(
  {
    model_type: 'qwen2',
    vocab_size: 20,
    hidden_size: 8,
    intermediate_size: 12,
    num_hidden_layers: 2,
    num_attention_heads: 2,
    num_key_value_heads: 1,
  },
  'config.json',
);
const tied: ModelConfig = { ...config, tieEmbeddings: true };

let root: string;
let counter = 0;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'weights-'));
});
afterAll(() => rm(root, { recursive: true }));

async function folder(): Promise<string> {
  const dir = join(root, `${counter++}`);
  await mkdir(dir);
  return dir;
}

async function allTensors(source: WeightSource): Promise<WeightTensor[]> {
  return Promise.all([...source.tensors.keys()].map((name) => source.read(name)));
}

/** A folder with model.safetensors; `change` edits the tensors before they are written. */
async function modelFolder(
  change: (tensors: WeightTensor[]) => WeightTensor[] = (tensors) => tensors,
): Promise<string> {
  const dir = await folder();
  await writeSafetensors(join(dir, 'model.safetensors'), change(await allTensors(initialWeights(config, 1))));
  return dir;
}

async function failure(work: Promise<unknown>): Promise<FactoryError> {
  const error = await work.then(
    () => expect.unreachable('it should have failed'),
    (e) => e,
  );
  expect(error).toBeInstanceOf(FactoryError);
  expect(error.remedy).not.toBe('');
  return error;
}

async function check(dir: string, against: ModelConfig = config) {
  const source = await openSafetensors(dir);
  try {
    return checkTensors(source, against);
  } finally {
    await source.close();
  }
}

describe('writing and opening', () => {
  it('gives back every tensor, from one file and from shards, with equal bytes each time', async () => {
    const source = initialWeights(config, 7);
    const single = await folder();
    expect(await writeShardedSafetensors(single, source)).toEqual(['model.safetensors']);
    const sharded = await folder();
    const files = await writeShardedSafetensors(sharded, source, { maxShardBytes: 1500 });
    expect(files.length).toBeGreaterThan(3);
    expect(files.at(-1)).toBe('model.safetensors.index.json');
    expect((await readdir(sharded)).sort()).toEqual([...files].sort());
    const again = await folder();
    await writeShardedSafetensors(again, source, { maxShardBytes: 1500 });
    for (const file of files)
      expect(await readFile(join(again, file))).toEqual(await readFile(join(sharded, file)));

    const expected = await allTensors(source);
    for (const dir of [single, sharded]) {
      const opened = await openSafetensors(dir);
      const { weights, notes } = checkTensors(opened, config);
      expect(notes).toEqual([]);
      expect(await allTensors(weights)).toEqual(expected);
      await weights.close();
    }
  });

  it('keeps 16-bit patterns as they are', async () => {
    const dir = await folder();
    const data = Uint16Array.of(1, 2, 0xffff, 0x8000);
    await writeSafetensors(join(dir, 'model.safetensors'), [
      { name: 'h', dtype: 'F16', shape: [2, 2], data },
      { name: 'b', dtype: 'BF16', shape: [4], data },
    ]);
    const source = await openSafetensors(dir);
    expect(await source.read('h')).toEqual({ name: 'h', dtype: 'F16', shape: [2, 2], data });
    expect((await source.read('b')).data).toEqual(data);
    await source.close();
  });

  it('reads beyond 2 GiB and 4 GiB of a sparse file', async () => {
    const dir = await folder();
    const path = join(dir, 'model.safetensors');
    const gap = 2 ** 32 + 2 ** 20;
    const header = {
      gap: { dtype: 'U8', shape: [gap], data_offsets: [0, gap] },
      w: { dtype: 'F32', shape: [2], data_offsets: [gap, gap + 8] },
    };
    const text = Buffer.from(JSON.stringify(header).padEnd(160));
    const start = Buffer.alloc(8);
    start.writeBigUInt64LE(BigInt(text.length));
    await writeFile(path, Buffer.concat([start, text]));
    await truncate(path, 8 + text.length + gap);
    await writeFile(path, Buffer.from(Float32Array.of(1.5, -2).buffer), { flag: 'a' });
    const source = await openSafetensors(dir);
    expect((await source.read('w')).data).toEqual(Float32Array.of(1.5, -2));
    expect(source.otherDtypes.get('gap')).toMatchObject({ dtype: 'U8' });
    await source.close();
    await rm(path);
  });

  it('notices a file that shrank after opening', async () => {
    const dir = await modelFolder();
    const source = await openSafetensors(dir);
    await truncate(join(dir, 'model.safetensors'), 4000);
    expect(await failure(source.read('model.norm.weight'))).toMatchObject({ code: 'MODEL_BAD_FILE' });
    await source.close();
  });
});

describe('opening refuses', () => {
  it.each<[string, Record<string, string>, string, RegExp]>([
    ['an empty folder', {}, 'MODEL_BAD_FILE', /an empty folder/],
    [
      'pickles',
      { 'pytorch_model.bin': 'x', 'config.json': '{}' },
      'MODEL_BAD_FILE',
      /pytorch_model\.bin: expected safetensors, found PyTorch pickle/,
    ],
    ['an adapter', { 'adapter_model.safetensors': 'x' }, 'MODEL_BAD_FILE', /found an adapter/],
    [
      'an index that is no object',
      { 'model.safetensors.index.json': '{"weight_map": 3}' },
      'MODEL_BAD_FILE',
      /weight_map/,
    ],
    [
      'an index without tensors',
      { 'model.safetensors.index.json': '{"weight_map": {}}' },
      'MODEL_BAD_FILE',
      /at least one tensor/,
    ],
    [
      'a missing shard',
      { 'model.safetensors.index.json': '{"weight_map": {"a": "model-00001-of-00002.safetensors"}}' },
      'MODEL_BAD_FILE',
      /model-00001-of-00002\.safetensors: expected this shard/,
    ],
    [
      'a shard outside the folder',
      { 'model.safetensors.index.json': '{"weight_map": {"a": "../../etc/x.safetensors"}}' },
      'MODEL_BAD_FILE',
      /of this folder for tensor a/,
    ],
    [
      'a pointer file',
      { 'model.safetensors': 'version https://git-lfs.github.com/spec/v1\n' },
      'MODEL_BAD_FILE',
      /Git LFS pointer/,
    ],
  ])('%s', async (_, files, code, message) => {
    const dir = await folder();
    for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
    const error = await failure(openSafetensors(dir));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  it('a folder that is not there', async () => {
    expect(await failure(openSafetensors(join(root, 'nowhere')))).toMatchObject({ code: 'MODEL_NOT_FOUND' });
  });

  it('an index that names a tensor its shard lacks', async () => {
    const dir = await modelFolder();
    const bytes = await readFile(join(dir, 'model.safetensors'));
    const sharded = await folder();
    await writeFile(join(sharded, 'a.safetensors'), bytes);
    await writeFile(
      join(sharded, 'model.safetensors.index.json'),
      JSON.stringify({ weight_map: { ghost: 'a.safetensors' } }),
    );
    expect((await failure(openSafetensors(sharded))).message).toMatch(/tensor ghost in a\.safetensors/);
  });

  it('any damaged file or index with a typed error, or opens it', async () => {
    const dir = await modelFolder();
    const bytes = await readFile(join(dir, 'model.safetensors'));
    const target = await folder();
    const header = 8 + Number(bytes.readBigUInt64LE(0));
    const flips = fc.array(
      fc.tuple(fc.integer({ min: 0, max: header + 20 }), fc.integer({ min: 0, max: 255 })),
      { minLength: 1, maxLength: 4 },
    );
    await fc.assert(
      fc.asyncProperty(
        flips,
        fc.integer({ min: 0, max: bytes.length }),
        fc.boolean(),
        async (edits, length, cut) => {
          const damaged = Buffer.from(cut ? bytes.subarray(0, length) : bytes);
          for (const [at, value] of edits) if (at < damaged.length) damaged[at] = value;
          await writeFile(join(target, 'model.safetensors'), damaged);
          try {
            const source = await openSafetensors(target);
            try {
              await allTensors(checkTensors(source, config).weights);
            } finally {
              await source.close();
            }
          } catch (error) {
            expect(error).toBeInstanceOf(FactoryError);
            expect((error as FactoryError).remedy).not.toBe('');
          }
        },
      ),
      { numRuns: 200 },
    );
    await rm(join(target, 'model.safetensors'));
    const index = fc.oneof(
      fc.json(),
      fc.string(),
      fc
        .dictionary(fc.string(), fc.oneof(fc.string(), fc.constant('a.safetensors'), fc.integer()))
        .map((weight_map) => JSON.stringify({ weight_map })),
    );
    await fc.assert(
      fc.asyncProperty(index, async (text) => {
        await writeFile(join(target, 'model.safetensors.index.json'), text);
        await failure(openSafetensors(target));
      }),
      { numRuns: 100 },
    );
  });
});

describe('checkTensors', () => {
  const rename = (change: (name: string) => string) => (tensors: WeightTensor[]) =>
    tensors.map((t) => ({ ...t, name: change(t.name) }));

  it('names file, tensor, expected and found for a wrong shape', async () => {
    const dir = await modelFolder((tensors) =>
      tensors.map((t) => (t.name.endsWith('1.mlp.up_proj.weight') ? { ...t, shape: [8, 12] } : t)),
    );
    const error = await failure(check(dir));
    expect(error.code).toBe('MODEL_WRONG_SHAPE');
    expect(error.message).toContain(join(dir, 'model.safetensors'));
    expect(error.message).toMatch(
      /model\.layers\.1\.mlp\.up_proj\.weight: expected shape \[12,8\] from config\.json, found \[8,12\]/,
    );
  });

  it('names a missing tensor, and a missing head by its own remedy', async () => {
    const bias = await modelFolder((tensors) =>
      tensors.filter((t) => !t.name.includes('0.self_attn.q_proj.bias')),
    );
    const error = await failure(check(bias));
    expect(error.code).toBe('MODEL_MISSING_TENSOR');
    expect(error.message).toMatch(/tensor model\.layers\.0\.self_attn\.q_proj\.bias of shape \[8\]/);
    const headless = await modelFolder((tensors) => tensors.filter((t) => t.name !== 'lm_head.weight'));
    expect((await failure(check(headless))).remedy).toContain('tie_word_embeddings');
    expect((await check(headless, tied)).notes).toEqual([]);
  });

  it('tolerates a tied head, a tied embedding under the head’s name and rotary buffers; notes other spare tensors', async () => {
    const spare = { dtype: 'F32' as const, shape: [1], data: Float32Array.of(1) };
    const dir = await modelFolder((tensors) => [
      ...tensors,
      { ...spare, name: 'model.layers.0.self_attn.rotary_emb.inv_freq' },
    ]);
    expect((await check(dir, tied)).notes).toEqual([]);
    const swapped = await modelFolder((tensors) =>
      tensors.filter((t) => t.name !== 'model.embed_tokens.weight'),
    );
    const source = await openSafetensors(swapped);
    const { weights } = checkTensors(source, tied);
    expect(await weights.read('model.embed_tokens.weight')).toMatchObject({
      name: 'model.embed_tokens.weight',
      shape: [20, 8],
    });
    await source.close();
    const odd = await modelFolder((tensors) => [...tensors, { ...spare, name: 'model.extra' }]);
    expect((await check(odd)).notes).toEqual([
      expect.stringMatching(/1 tensors .* stay unused: model\.extra$/),
    ]);
  });

  it('knows base models without the model. prefix', async () => {
    const dir = await modelFolder(rename((name) => name.replace(/^model\./, '')));
    const source = await openSafetensors(dir);
    const { weights, notes } = checkTensors(source, tied);
    expect(notes).toEqual([]);
    expect(await weights.read('model.layers.1.mlp.up_proj.weight')).toEqual(
      await initialWeights(config, 1).read('model.layers.1.mlp.up_proj.weight'),
    );
    await source.close();
  });

  it.each([
    ['transformers 4', 'language_model.model.', 'language_model.lm_head'],
    ['transformers 5', 'model.language_model.', 'lm_head'],
  ])('takes the text part out of a model with images, as %s names it', async (_, prefix, head) => {
    const vision = {
      name: 'vision_tower.patch',
      dtype: 'F32' as const,
      shape: [1],
      data: Float32Array.of(1),
    };
    const dir = await modelFolder((tensors) => [
      ...rename((name) => name.replace(/^model\./, prefix).replace(/^lm_head/, head))(tensors),
      vision,
    ]);
    const source = await openSafetensors(dir);
    const { weights, notes } = checkTensors(source, config);
    expect(notes).toEqual([
      expect.stringContaining('only the text part'),
      expect.stringMatching(/stay unused: vision_tower\.patch$/),
    ]);
    for (const name of ['model.layers.1.mlp.up_proj.weight', 'lm_head.weight'])
      expect(await weights.read(name)).toEqual(await initialWeights(config, 1).read(name));
    await source.close();
  });

  it('refuses a needed tensor of a dtype it cannot read', async () => {
    const dir = await modelFolder((tensors) => tensors.filter((t) => t.name !== 'model.norm.weight'));
    const [first, ...rest] = encodeSafetensors([
      { name: 'model.norm.weight', dtype: 'F32', shape: [8], data: new Float32Array(8) },
    ]);
    const head = Buffer.from(first.buffer, first.byteOffset, first.byteLength);
    const i64 = Buffer.from(head.toString('latin1').replace('"F32"', '"I32"'), 'latin1');
    const sharded = await folder();
    await writeFile(join(sharded, 'a.safetensors'), await readFile(join(dir, 'model.safetensors')));
    await writeFile(
      join(sharded, 'b.safetensors'),
      Buffer.concat([i64, ...rest.map((piece) => Buffer.from(piece.buffer))]),
    );
    await writeFile(
      join(sharded, 'model.safetensors.index.json'),
      JSON.stringify({
        weight_map: { 'model.embed_tokens.weight': 'a.safetensors', 'model.norm.weight': 'b.safetensors' },
      }),
    );
    expect(await failure(check(sharded))).toMatchObject({
      code: 'MODEL_WRONG_DTYPE',
      message: expect.stringMatching(/b\.safetensors: tensor model\.norm\.weight: .*found I32/),
    });
  });
});

describe('initialWeights', () => {
  it('follows the rule, is reproducible in any order, and changes with the seed', async () => {
    const big = parseModelConfig(
      {
        ...config.raw,
        model_type: 'qwen2',
        vocab_size: 2000,
        hidden_size: 64,
        initializer_range: 0.1,
        pad_token_id: 3,
      },
      'x',
    );
    const source = initialWeights(big, 42);
    const embedding = (await source.read('model.embed_tokens.weight')).data as Float32Array;
    const mean = embedding.reduce((sum, v) => sum + v, 0) / embedding.length;
    const deviation = Math.sqrt(embedding.reduce((sum, v) => sum + v * v, 0) / embedding.length);
    const within = embedding.filter((v) => Math.abs(v) < 0.1).length / embedding.length;
    expect(Math.abs(mean)).toBeLessThan(0.001);
    expect(Math.abs(deviation - 0.1)).toBeLessThan(0.002);
    expect(Math.abs(within - 0.6827)).toBeLessThan(0.005);
    expect(embedding.subarray(3 * 64, 4 * 64).every((v) => v === 0)).toBe(true);
    expect((await source.read('model.layers.0.input_layernorm.weight')).data.every((v) => v === 1)).toBe(
      true,
    );
    expect((await source.read('model.layers.1.self_attn.q_proj.bias')).data.every((v) => v === 0)).toBe(true);
    const name = 'model.layers.1.mlp.up_proj.weight';
    expect(await initialWeights(big, 42).read(name)).toEqual(await source.read(name));
    expect((await initialWeights(big, 43).read(name)).data).not.toEqual((await source.read(name)).data);
    expect((await source.read('model.layers.0.mlp.up_proj.weight')).data).not.toEqual(
      (await source.read(name)).data,
    );
  });
});
