// llama.cpp answers from our GGUF files as our engine does, for every architecture: tiny models with random weights, logarithms
// of the probabilities after every token. What llama.cpp would compute otherwise is refused by name.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openBackend } from '@tunesmith/engine';
import { getLlama, type LlamaModel, type Token } from 'node-llama-cpp';
import { afterAll, describe, expect, test } from 'vitest';
import { loraScale, mergeIntoWeights } from '#factory/adapters/merge.ts';
import { buildDecoder } from '#factory/model/build-decoder.ts';
import { parseModelConfig } from '#factory/model/config.ts';
import { expectedTensors } from '#factory/model/expected-tensors.ts';
import { greedy } from '#factory/model/fixtures/greedy.ts';
import { generateTokens } from '#factory/model/generate.ts';
import { ggufAdapterFields, ggufAdapterTensors } from '#factory/model/gguf/gguf-adapter.ts';
import { ggufModelFields } from '#factory/model/gguf/gguf-fields.ts';
import { checkGgufLimits } from '#factory/model/gguf/gguf-limits.ts';
import { ggufTensors } from '#factory/model/gguf/gguf-tensors.ts';
import { openGguf } from '#factory/model/gguf/open-gguf.ts';
import { isRouter } from '#factory/model/layer-modules.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import type { LoraAdapter } from '#factory/records/adapter.ts';
import type { GgufFields } from '#factory/records/gguf.ts';
import type { ModelConfig, WeightSource } from '#factory/records/model-config.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { encodeGguf } from '#factory/store/gguf-format.ts';
import { openGgufSource } from './gguf-source.ts';

const VOCABULARY = 80;
/** Keys and values are float16 there; measured: up to 4e-3 of a spread of 8 to 20. */
const TOLERANCE = 6e-3;
const backend = await openBackend('cpu', { threads: 1 });
// One thread: others would wait for each other actively.
const llama = await getLlama({ build: 'never', gpu: false, maxThreads: 1, logLevel: 'error' as never });
const dir = mkdtempSync(join(tmpdir(), 'gguf-parity-'));
afterAll(async () => {
  await llama.dispose();
  await backend.dispose();
  rmSync(dir, { recursive: true });
});

const BASE = {
  model_type: 'llama',
  vocab_size: VOCABULARY,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 3,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
};
const rope = (more: object) => ({ rope_scaling: more });
const gemma = { query_pre_attn_scalar: 16, head_dim: 16, sliding_window: 6 };
const experts = { num_experts_per_tok: 2, num_hidden_layers: 2 };
const qwen3Moe = {
  ...experts,
  model_type: 'qwen3_moe',
  head_dim: 16,
  num_experts: 5,
  moe_intermediate_size: 32,
};

// llama.cpp takes the long factors where its context, of at least 256 tokens, is longer than the original length.
const longrope = (longest: number, original: number) => ({
  ...rope({ type: 'longrope', short_factor: [1, 1.2, 1.5, 1.7], long_factor: [2, 3, 5, 7] }),
  model_type: 'phi3',
  tie_word_embeddings: true,
  partial_rotary_factor: 0.5,
  max_position_embeddings: longest,
  original_max_position_embeddings: original,
});

const RUNS: Record<string, object> = {
  llama: {},
  'llama tied, heads of another size': { tie_word_embeddings: true, head_dim: 24 },
  'llama with biases': { attention_bias: true, mlp_bias: true },
  'llama, linear rope': rope({ rope_type: 'linear', factor: 2.5 }),
  'llama, llama3 rope': rope({
    rope_type: 'llama3',
    factor: 4,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 16,
  }),
  'llama, yarn': {
    ...rope({ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 }),
    rope_theta: 500,
  },
  'llama, yarn with mscale': {
    ...rope({
      rope_type: 'yarn',
      factor: 4,
      original_max_position_embeddings: 16,
      mscale: 1,
      mscale_all_dim: 0.5,
    }),
    rope_theta: 500,
  },
  mistral: { model_type: 'mistral', sliding_window: null, head_dim: 24 },
  mixtral: { ...experts, model_type: 'mixtral', num_local_experts: 4 },
  qwen2: { model_type: 'qwen2', tie_word_embeddings: true },
  qwen3: { model_type: 'qwen3', head_dim: 24 },
  'qwen3, yarn': {
    ...rope({ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16 }),
    model_type: 'qwen3',
    head_dim: 24,
  },
  'qwen3 with experts': { ...qwen3Moe, norm_topk_prob: true },
  gemma2: { ...gemma, model_type: 'gemma2', attn_logit_softcapping: 3, final_logit_softcapping: 6 },
  gemma3: { ...gemma, model_type: 'gemma3_text', num_hidden_layers: 7, rope_local_base_freq: 500 },
  'gemma3, windows in another order': {
    ...gemma,
    model_type: 'gemma3_text',
    layer_types: ['sliding_attention', 'full_attention', 'full_attention'],
    rope_parameters: {
      full_attention: { rope_type: 'linear', factor: 8, rope_theta: 1_000_000 },
      sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
    },
  },
  phi3: { model_type: 'phi3', sliding_window: null },
  'phi3, part of each head, longrope': longrope(1024, 512),
  'phi3, longrope in a long text': longrope(64, 8),
  glm: { model_type: 'glm', head_dim: 16, partial_rotary_factor: 0.5 },
  glm4: { model_type: 'glm4', head_dim: 24, partial_rotary_factor: 0.5 },
};

const configOf = (change: object) => parseModelConfig({ ...BASE, ...change }, 'config.json');

/** Values of the size that training leaves: norms about their neutral value, biases that are seen. */
function randomWeights(config: ModelConfig): WeightSource {
  const tensors = new Map(
    [...expectedTensors(config)].map(([name, shape]) => [name, { dtype: 'F32' as const, shape, file: '' }]),
  );
  return {
    tensors,
    async read(name) {
      const { shape } = tensors.get(name) as { shape: number[] };
      const random = seededRandom(`gguf/${name}`);
      const size = shape.length === 1 ? 0.3 : 1.5 / Math.sqrt(shape[1]);
      const middle = name.includes('norm') ? 1 - config.normOffset : 0;
      const data = Float32Array.from(
        { length: shape.reduce((n, d) => n * d, 1) },
        () => middle + size * (2 * random.next() - 1),
      );
      return { name, dtype: 'F32', shape, data };
    },
    async close() {},
  };
}

/** Tokens that no text is made of: rows are given as ids. */
const vocabulary = (): GgufFields =>
  new Map([
    ['tokenizer.ggml.model', { type: 'string', value: 'gpt2' }],
    ['tokenizer.ggml.pre', { type: 'string', value: 'gpt-2' }],
    [
      'tokenizer.ggml.tokens',
      { type: 'array', of: 'string', value: Array.from({ length: VOCABULARY }, (_, i) => `t${i}`) },
    ],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'int32', value: new Array(VOCABULARY).fill(1) }],
    ['tokenizer.ggml.merges', { type: 'array', of: 'string', value: ['t 1'] }],
    ['tokenizer.ggml.bos_token_id', { type: 'uint32', value: 0 }],
    ['tokenizer.ggml.eos_token_id', { type: 'uint32', value: 1 }],
  ]);

/** Logarithms of probabilities, [position][token]. */
async function ours(config: ModelConfig, source: WeightSource, ids: number[]): Promise<number[][]> {
  const settings = { trained: new Set<string>(), lora: null, halfStorage: false };
  const decoder = await buildDecoder({ backend, config, source, ...settings });
  const inputIds = Int32Array.from(ids);
  const batch = packBatch([{ inputIds, labels: inputIds }]);
  const positions = batch.targets.length;
  const logits = await decoder.head.logits(await decoder.forward(batch), positions);
  return Array.from({ length: positions }, (_, i) => {
    const row = [...logits.subarray(i * VOCABULARY, (i + 1) * VOCABULARY)];
    const largest = Math.max(...row);
    const sum = Math.log(row.reduce((n, x) => n + Math.exp(x - largest), 0));
    return row.map((x) => x - largest - sum);
  });
}

async function theirs(
  model: LlamaModel,
  ids: number[],
  lora?: { adapters: { filePath: string }[] },
): Promise<number[][]> {
  const context = await model.createContext({ contextSize: 32, threads: 1, ...(lora ? { lora } : {}) });
  const ask = {
    generateNext: { probabilities: true, options: { temperature: 1, topK: 0, topP: 1, minP: 0 } },
  };
  const answers = await context.getSequence().controlledEvaluate(ids.map((id) => [id as Token, ask]));
  await context.dispose();
  return answers.map((answer) => {
    const found = answer?.next.probabilities as Map<Token, number>;
    return Array.from({ length: VOCABULARY }, (_, id) => Math.log(found.get(id as Token) ?? 0));
  });
}

function apart(some: number[][], others: number[][]): number {
  const positions = Math.min(some.length, others.length);
  let largest = 0;
  for (let i = 0; i < positions; i++)
    for (const [id, value] of some[i].entries()) largest = Math.max(largest, Math.abs(value - others[i][id]));
  return largest;
}

/** A pair on every matrix of a layer but the router. */
function randomAdapter(config: ModelConfig): LoraAdapter {
  const random = seededRandom('gguf/adapter');
  const draw = (count: number, size: number) =>
    Float32Array.from({ length: count }, () => size * (2 * random.next() - 1));
  const pairs = [...expectedTensors(config)].flatMap(([name, shape]) => {
    if (!name.startsWith('model.layers.') || shape.length < 2 || isRouter(name)) return [];
    const [outFeatures, inFeatures] = shape;
    const sizes = { rank: 2, inFeatures, outFeatures };
    const [a, b] = [draw(2 * inFeatures, 0.2), draw(2 * outFeatures, 0.2)];
    return [{ module: name.replace(/\.weight$/, ''), ...sizes, a, b }];
  });
  const settings = { dropout: 0, targetModules: [], baseModel: '' };
  return { rank: 2, alpha: 3, useRslora: true, ...settings, pairs };
}

describe('llama.cpp answers as our engine', () => {
  test.each(Object.entries(RUNS))('%s', async (name, change) => {
    const config = configOf(change);
    checkGgufLimits(config);
    const source = randomWeights(config);
    const path = join(dir, `${name.replace(/\W+/g, '-')}.gguf`);
    const fields = new Map([...ggufModelFields(config, 'F32'), ...vocabulary()]);
    await writeAtomic(path, encodeGguf(fields, ggufTensors(config, source, 'F32')));
    const random = seededRandom('gguf/ids');
    const ids = Array.from({ length: 24 }, () => random.int(VOCABULARY));
    const expected = await ours(config, source, ids);
    const model = await llama.loadModel({ modelPath: path });
    const found = await theirs(model, ids);
    await model.dispose();
    const spread = Math.max(...expected.flat()) - Math.min(...expected.flat());
    expect(spread).toBeGreaterThan(2);
    expect(apart(found, expected)).toBeLessThan(TOLERANCE);
  });
});

const READ_BACK = ['llama with biases', 'llama, yarn with mscale', 'qwen2', 'qwen3'];

test.each(READ_BACK)('our own reader gives the model back: %s', async (name) => {
  const config = configOf(RUNS[name]);
  const source = randomWeights(config);
  const path = join(dir, 'back.gguf');
  const fields = new Map([...ggufModelFields(config, 'F32'), ...vocabulary()]);
  await writeAtomic(path, encodeGguf(fields, ggufTensors(config, source, 'F32')));
  const back = await openGguf(path);
  try {
    for (const tensor of source.tensors.keys())
      expect((await back.weights.read(tensor)).data, tensor).toEqual((await source.read(tensor)).data);
    const ids = Array.from({ length: 24 }, (_, i) => (i * 7) % VOCABULARY);
    const [expected, found] = [await ours(config, source, ids), await ours(back.config, back.weights, ids)];
    // Numbers of the config are float32 in the file.
    expect(apart(expected, found)).toBeLessThan(1e-4);
  } finally {
    await back.weights.close();
  }
});

describe('an adapter on the base answers as the merged model', () => {
  test.each(['llama', 'qwen2', 'mixtral', 'gemma2', 'glm4'])('%s', async (name) => {
    const config = configOf(RUNS[name]);
    const source = randomWeights(config);
    const adapter = randomAdapter(config);
    const scale = loraScale(adapter, { rank: adapter.rank });
    const merged: WeightSource = {
      ...source,
      async read(tensor) {
        const weight = await source.read(tensor);
        const pair = adapter.pairs.find(({ module }) => `${module}.weight` === tensor);
        if (!pair) return weight;
        return { ...weight, data: mergeIntoWeights(tensor, weight.data as Float32Array, pair, scale) };
      },
    };
    const [path, lora] = [join(dir, `${name}-base.gguf`), join(dir, `${name}-lora.gguf`)];
    const fields = new Map([...ggufModelFields(config, 'F32'), ...vocabulary()]);
    await writeAtomic(path, encodeGguf(fields, ggufTensors(config, source, 'F32')));
    const tensors = ggufAdapterTensors(adapter, config, (pair) => loraScale(adapter, pair), 'F32');
    await writeAtomic(lora, encodeGguf(ggufAdapterFields(adapter, config), tensors));
    const random = seededRandom('gguf/ids');
    const ids = Array.from({ length: 12 }, () => random.int(VOCABULARY));
    const model = await llama.loadModel({ modelPath: path });
    const found = await theirs(model, ids, { adapters: [{ filePath: lora }] });
    const without = await theirs(model, ids);
    await model.dispose();
    const expected = await ours(config, merged, ids);
    expect(apart(found, without)).toBeGreaterThan(0.2);
    expect(apart(found, expected)).toBeLessThan(TOLERANCE);
  });
});

test.each([
  ['query_pre_attn_scalar', { ...gemma, model_type: 'gemma2', query_pre_attn_scalar: 5 }],
  ['activation', { hidden_act: 'gelu_pytorch_tanh' }],
  ['norm_topk_prob', { ...qwen3Moe, norm_topk_prob: false }],
  ['experts in every layer', { ...qwen3Moe, norm_topk_prob: true, mlp_only_layers: [1] }],
  ['bias on the attention output', { model_type: 'qwen3', head_dim: 24, attention_bias: true }],
  ['as wide as the hidden state', { model_type: 'glm', head_dim: 24, partial_rotary_factor: 0.5 }],
  ['beta_fast', rope({ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16, beta_fast: 8 })],
  ['truncate', rope({ rope_type: 'yarn', factor: 4, original_max_position_embeddings: 16, truncate: false })],
])('what it would compute otherwise is refused: %s', (what, change) => {
  expect(() => checkGgufLimits(configOf(change))).toThrow(
    expect.objectContaining({ code: 'EXPORT_UNSUPPORTED', message: expect.stringContaining(what) }),
  );
});

test("the quickstart's base: the ids and the greedy tokens of our engine, in float16", async () => {
  const folder = fileURLToPath(new URL('../../base/tunesmith-tiny', import.meta.url));
  const args = { model_name_or_path: folder, adapter_name_or_path: [], template: null };
  const source = await openGgufSource(
    args as unknown as TrainArgs,
    { fileType: 'F16', preTokenizer: null, force: false },
    { env: { HF_HUB_OFFLINE: '1' }, note: () => {} },
  );
  const path = join(dir, 'tiny.gguf');
  await writeAtomic(path, encodeGguf(source.fields, source.tensors));
  const { config, weights, tokenizer } = source.base;
  const model = await llama.loadModel({ modelPath: path });
  const texts = [
    'Once upon a time,  there was\n\n a “quoted” word: naïve café 3.14159 — 今天 🦙.',
    "<|im_start|>user\nI've 12345 things!<|im_end|>\n",
  ];
  for (const text of texts) expect(model.tokenize(text, true)).toEqual(tokenizer.encode(text));
  const settings = { trained: new Set<string>(), lora: null, halfStorage: false };
  const decoder = await buildDecoder({ backend, config, source: weights, ...settings });
  const ids = tokenizer.encode('The report says that');
  const [{ ids: expected }] = await generateTokens(decoder, [ids], greedy(24));
  const context = await model.createContext({ contextSize: 256, threads: 1 });
  const found: number[] = [];
  for await (const id of context.getSequence().evaluate(ids as Token[], { temperature: 0 }))
    if (found.push(id) === expected.length) break;
  expect(found).toEqual([...expected]);
  await model.dispose();
  await source.close();
});

test('what differs in long texts only is said', () => {
  const of = (change: object) => checkGgufLimits(configOf(change)).join();
  expect(of({ model_type: 'mistral', sliding_window: 6 })).toContain('window of 6 tokens');
  expect(of(rope({ rope_type: 'dynamic', factor: 2 }))).toContain('longer than 64 tokens');
  expect(of({})).toBe('');
});
