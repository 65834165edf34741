import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { assetPath } from '../../../../test/assets.ts';
import { parseModelConfig, readModelConfig } from './config.ts';
import { expectedTensors } from './expected-tensors.ts';
import { formatConfig } from './format-config.ts';

const SIZES = {
  vocab_size: 100,
  hidden_size: 64,
  intermediate_size: 96,
  num_hidden_layers: 4,
  num_attention_heads: 8,
};
const parse = (extra: Record<string, unknown>) =>
  parseModelConfig({ model_type: 'llama', ...SIZES, ...extra }, 'config.json');

function errorOf(run: () => unknown): FactoryError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(FactoryError);
    return error as FactoryError;
  }
  throw new Error('expected an error');
}

describe('parseModelConfig', () => {
  it('fills in what Hugging Face fills in', () => {
    expect(parse({})).toMatchObject({
      architecture: 'llama',
      kvHeads: 8,
      headDim: 8,
      rmsNormEps: 1e-6,
      ropeTheta: 10_000,
      ropeScaling: null,
      maxPositions: 2048,
      tieEmbeddings: false,
      qkvBias: false,
      outputBias: false,
      mlpBias: false,
      qkNorm: false,
      slidingWindow: [null, null, null, null],
      storedDtype: 'float32',
    });
    expect(parse({ attention_bias: true, mlp_bias: true })).toMatchObject({
      qkvBias: true,
      outputBias: true,
      mlpBias: true,
    });
    expect(parse({ torch_dtype: 'bfloat16', num_key_value_heads: null }).storedDtype).toBe('bfloat16');
    expect(parse({ dtype: 'float16', torch_dtype: 'bfloat16' }).storedDtype).toBe('float16');
    expect(parse({ model_type: 'mistral' })).toMatchObject({
      kvHeads: 8,
      maxPositions: 131_072,
      slidingWindow: [4096, 4096, 4096, 4096],
    });
    expect(parse({ model_type: 'mistral', sliding_window: null }).slidingWindow).toEqual([
      null,
      null,
      null,
      null,
    ]);
    expect(parse({ model_type: 'mistral', head_dim: 16, sliding_window: 7 })).toMatchObject({
      headDim: 16,
      slidingWindow: [7, 7, 7, 7],
    });
    expect(parse({ model_type: 'qwen2', num_key_value_heads: 2 })).toMatchObject({
      kvHeads: 2,
      qkvBias: true,
      outputBias: false,
      maxPositions: 32_768,
    });
    expect(parse({ model_type: 'qwen3', num_key_value_heads: 2 })).toMatchObject({
      headDim: 128,
      qkNorm: true,
      qkvBias: false,
    });
  });

  it('reads the distilled DeepSeek-R1 as the Qwen2 and Llama that they are', () => {
    const qwen = {
      architectures: ['Qwen2ForCausalLM'],
      model_type: 'qwen2',
      num_key_value_heads: 2,
      hidden_act: 'silu',
      max_position_embeddings: 131_072,
      max_window_layers: 21,
      sliding_window: 4096,
      use_mrope: false,
      use_sliding_window: false,
      torch_dtype: 'bfloat16',
    };
    expect(parse(qwen)).toMatchObject({
      architecture: 'qwen2',
      qkvBias: true,
      slidingWindow: [null, null, null, null],
    });
    const rope_scaling = {
      rope_type: 'llama3',
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    const llama = {
      model_type: 'llama',
      rope_theta: 5e5,
      rope_scaling,
      pretraining_tp: 1,
      eos_token_id: 128_001,
    };
    expect(parse(llama)).toMatchObject({ architecture: 'llama', ropeScaling: { kind: 'llama3' } });
  });

  it('takes the architecture from the class where model_type is missing', () => {
    expect(
      parse({ model_type: undefined, architectures: ['Qwen2ForCausalLM'], num_key_value_heads: 2 })
        .architecture,
    ).toBe('qwen2');
  });

  it('windows Qwen layers only when switched on, from max_window_layers on or by layer_types', () => {
    const qwen = (extra: object) =>
      parse({ model_type: 'qwen2', num_key_value_heads: 8, sliding_window: 16, ...extra }).slidingWindow;
    expect(qwen({ max_window_layers: 2 })).toEqual([null, null, null, null]);
    expect(qwen({ use_sliding_window: true, max_window_layers: 2 })).toEqual([null, null, 16, 16]);
    expect(qwen({ use_sliding_window: true })).toEqual([null, null, null, null]);
    const layer_types = ['sliding_attention', 'full_attention', 'full_attention', 'sliding_attention'];
    expect(qwen({ use_sliding_window: true, layer_types })).toEqual([16, null, null, 16]);
  });

  it('reads what Gemma 2 fixes and caps, and that null switches a cap off', () => {
    const gemma = parse({ model_type: 'gemma2' });
    expect(gemma).toMatchObject({
      headDim: 256,
      kvHeads: 4,
      normOffset: 1,
      activation: 'gelu_tanh',
      scoreScale: 1 / 16,
      scoreCap: 50,
      logitCap: 30,
      embeddingScale: 8,
      tieEmbeddings: true,
      slidingWindow: [4096, null, 4096, null],
      windowRope: null,
    });
    expect(gemma.norms.afterMlp).toBe('post_feedforward_layernorm');
    expect(
      parse({ model_type: 'gemma2', attn_logit_softcapping: null, final_logit_softcapping: null }),
    ).toMatchObject({ scoreCap: null, logitCap: null });
  });

  it('reads the two ropes of Gemma 3 in older and newer spelling', () => {
    const older = {
      rope_theta: 5e5,
      rope_local_base_freq: 2e4,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    };
    const newer = {
      rope_parameters: {
        full_attention: { rope_type: 'linear', factor: 8, rope_theta: 5e5 },
        sliding_attention: { rope_type: 'default', rope_theta: 2e4 },
      },
      layer_types: ['sliding_attention', 'full_attention', 'sliding_attention', 'full_attention'],
    };
    for (const raw of [{ ...older, sliding_window_pattern: 2 }, newer])
      expect(parse({ model_type: 'gemma3_text', ...raw })).toMatchObject({
        architecture: 'gemma3',
        qkNorm: true,
        ropeTheta: 5e5,
        ropeScaling: { kind: 'linear', factor: 8 },
        windowRope: { theta: 2e4, scaling: null },
        slidingWindow: [4096, null, 4096, null],
      });
    expect(parse({ model_type: 'gemma3_text' })).toMatchObject({
      ropeTheta: 1e6,
      windowRope: { theta: 1e4 },
      logitCap: null,
    });
  });

  it('takes the text part of a Gemma 3 with images, as a config that stands alone', () => {
    const config = parseModelConfig(
      {
        model_type: 'gemma3',
        architectures: ['Gemma3ForConditionalGeneration'],
        torch_dtype: 'bfloat16',
        eos_token_id: [1, 106],
        text_config: {
          model_type: 'gemma3_text',
          hidden_size: 64,
          num_hidden_layers: 2,
          intermediate_size: 96,
        },
        vision_config: { hidden_size: 1152 },
      },
      'config.json',
    );
    expect(config).toMatchObject({ vocabSize: 262_208, heads: 8, headDim: 256, storedDtype: 'bfloat16' });
    expect(config.raw).toMatchObject({
      model_type: 'gemma3_text',
      architectures: ['Gemma3ForCausalLM'],
      eos_token_id: [1, 106],
      vocab_size: 262_208,
    });
    expect(parseModelConfig(config.raw, 'again')).toEqual(config);
  });

  it('reads the fused matrices, partial rope and longrope of Phi', () => {
    const longrope = { type: 'su', short_factor: [1, 1], long_factor: [2, 4] };
    expect(
      parse({
        model_type: 'phi3',
        partial_rotary_factor: 0.5,
        max_position_embeddings: 4096,
        original_max_position_embeddings: 1024,
        rope_scaling: longrope,
        sliding_window: 16,
      }),
    ).toMatchObject({
      fusedQkv: true,
      fusedGateUp: true,
      rotaryDim: 4,
      maxPositions: 4096,
      ropeScaling: {
        kind: 'longrope',
        originalMaxPositions: 1024,
        longFactor: [2, 4],
        attentionFactor: Math.sqrt(1.2),
      },
      slidingWindow: [16, 16, 16, 16],
    });
    expect(parse({ model_type: 'glm4', head_dim: 16, num_key_value_heads: 2 })).toMatchObject({
      fusedQkv: false,
      fusedGateUp: true,
      rotaryDim: 8,
      ropeInterleaved: true,
      qkvBias: true,
      norms: { afterAttention: 'post_self_attn_layernorm' },
    });
  });

  it('reads rope scaling in every spelling', () => {
    const scaling = (value: object) => parse({ rope_scaling: value }).ropeScaling;
    expect(scaling({ type: 'linear', factor: 2 })).toEqual({ kind: 'linear', factor: 2 });
    expect(scaling({ rope_type: 'default' })).toBeNull();
    expect(scaling({ rope_type: 'dynamic', factor: 2 })).toEqual({
      kind: 'dynamic',
      factor: 2,
      originalMaxPositions: 2048,
    });
    expect(
      scaling({
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 1024,
      }),
    ).toEqual({ kind: 'llama3', factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions: 1024 });
    expect(scaling({ type: 'yarn', factor: 4 })).toEqual({
      kind: 'yarn',
      factor: 4,
      originalMaxPositions: 2048,
      betaFast: 32,
      betaSlow: 1,
      attentionFactor: null,
      mscale: null,
      mscaleAllDim: null,
      truncate: true,
    });
    expect(parse({ rope_parameters: { rope_theta: 5e5, rope_type: 'linear', factor: 3 } })).toMatchObject({
      ropeTheta: 5e5,
      ropeScaling: { kind: 'linear', factor: 3 },
    });
    expect(parse({ rope_theta: 1e6 }).ropeTheta).toBe(1e6);
  });

  it.each<[string, Record<string, unknown>, RegExp]>([
    [
      'a missing size',
      { hidden_size: undefined },
      /hidden_size: expected a whole number from 1 to \d+, found nothing/,
    ],
    ['a size as text', { vocab_size: '100' }, /vocab_size: .*found "100"/],
    ['a fraction', { num_hidden_layers: 2.5 }, /num_hidden_layers/],
    ['nonsense layers', { num_hidden_layers: 1e12 }, /num_hidden_layers/],
    [
      'heads that do not divide',
      { num_attention_heads: 7 },
      /num_attention_heads: expected a divisor of hidden_size \(64\)/,
    ],
    [
      'kv heads that do not divide',
      { num_key_value_heads: 3 },
      /num_key_value_heads: expected a divisor of num_attention_heads \(8\)/,
    ],
    ['an odd head', { head_dim: 7 }, /head_dim: expected an even head size/],
    [
      'another activation',
      { hidden_act: 'gelu' },
      /hidden_act: expected "silu" or "gelu_pytorch_tanh", found "gelu"/,
    ],
    ['attention dropout', { attention_dropout: 0.1 }, /attention_dropout/],
    ['rope on a part of the head', { partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
    [
      'another rope',
      { rope_scaling: { rope_type: 'proportional', factor: 2 } },
      /linear, dynamic, llama3, yarn, longrope, found "proportional"/,
    ],
    [
      'longrope without factors',
      { rope_scaling: { rope_type: 'longrope', short_factor: [1] } },
      /rope_scaling\.short_factor: expected a list of 4 numbers|rope_scaling\.long_factor: expected a list/,
    ],
    [
      'longrope of another size',
      { model_type: 'phi3', rope_scaling: { type: 'su', short_factor: [1], long_factor: [1] } },
      /rope_scaling\.short_factor: expected a list of 4 numbers/,
    ],
    [
      'an odd part of the head',
      { model_type: 'phi3', partial_rotary_factor: 0.4 },
      /partial_rotary_factor: expected a factor that gives an even number of head_dim \(8\)/,
    ],
    ['dropout that Phi would want', { model_type: 'phi3', resid_pdrop: 0.1 }, /resid_pdrop: expected 0/],
    [
      'attention to later tokens',
      { model_type: 'gemma2', use_bidirectional_attention: true },
      /use_bidirectional_attention: expected false/,
    ],
    [
      'a text part that is broken',
      { model_type: 'gemma3', text_config: { hidden_size: 'wide' } },
      /text_config\.hidden_size: expected a whole number/,
    ],
    ['rope without its factor', { rope_scaling: { type: 'linear' } }, /rope_scaling\.factor/],
    ['rope of the wrong type', { rope_scaling: [1] }, /rope_scaling: expected an object/],
    [
      'rope per layer type',
      { rope_parameters: { full_attention: {}, sliding_attention: {} } },
      /one rope for all layers/,
    ],
    ['an unknown dtype', { torch_dtype: 'int8' }, /torch_dtype: expected float32, float16 or bfloat16/],
    ['a bool as text', { tie_word_embeddings: 'yes' }, /tie_word_embeddings: expected true or false/],
    [
      'a quantised checkpoint',
      { quantization_config: { quant_method: 'gptq', bits: 4 } },
      /quantised with gptq/,
    ],
    [
      'a layer type list that is short',
      { model_type: 'qwen3', num_key_value_heads: 8, layer_types: [] },
      /layer_types: expected a list of 4/,
    ],
  ])('names file, key, expected and found for %s', (_, extra, message) => {
    const error = errorOf(() => parse(extra));
    expect(error.code).toBe('MODEL_BAD_CONFIG');
    expect(error.message).toMatch(/^config\.json: /);
    expect(error.message).toMatch(message);
    expect(error.remedy).not.toBe('');
  });

  it('lists what it knows when it does not know an architecture', () => {
    const error = errorOf(() => parse({ model_type: 'mamba' }));
    expect(error).toMatchObject({ code: 'MODEL_UNKNOWN_ARCHITECTURE' });
    expect(error.message).toMatch(
      /\(llama, mistral, mixtral, qwen2, qwen3, qwen3_moe, gemma2, gemma3_text, gemma3, phi3, glm, glm4\), found model_type "mamba"/,
    );
  });

  it('answers any config with a config or a typed error, never with nonsense', () => {
    const value = fc.oneof(
      fc.anything(),
      fc.integer(),
      fc.double(),
      fc.constantFrom(0, -1, 1e300, null, 'x', [], {}),
    );
    const rope = fc.record(
      {
        rope_type: fc.oneof(
          fc.constantFrom('linear', 'dynamic', 'llama3', 'yarn', 'longrope'),
          fc.anything(),
        ),
        factor: value,
        original_max_position_embeddings: value,
        beta_fast: value,
        short_factor: value,
        long_factor: value,
      },
      { requiredKeys: [] },
    );
    const keys = [
      'hidden_size',
      'num_attention_heads',
      'num_key_value_heads',
      'head_dim',
      'num_hidden_layers',
      'vocab_size',
      'rope_theta',
      'sliding_window',
      'layer_types',
      'text_config',
      'partial_rotary_factor',
      'final_logit_softcapping',
      'max_window_layers',
      'rms_norm_eps',
      'max_position_embeddings',
      'torch_dtype',
      'quantization_config',
    ];
    fc.assert(
      fc.property(
        fc.constantFrom('llama', 'mistral', 'qwen2', 'qwen3', 'gemma2', 'gemma3', 'phi3', 'glm4'),
        fc.dictionary(fc.constantFrom(...keys), value, { maxKeys: 3 }),
        fc.option(rope, { nil: undefined }),
        (model_type, extra, rope_scaling) => {
          try {
            const config = parseModelConfig(
              { model_type, ...SIZES, num_key_value_heads: 4, ...extra, rope_scaling },
              'fuzz',
            );
            expect(config.slidingWindow.length).toBe(config.layers);
            for (const shape of expectedTensors(config).values())
              expect(shape.every((n) => Number.isInteger(n) && n > 0)).toBe(true);
          } catch (error) {
            expect(error).toBeInstanceOf(FactoryError);
            expect((error as FactoryError).remedy).not.toBe('');
          }
        },
      ),
      { numRuns: 1000 },
    );
  });
});

describe('readModelConfig', () => {
  let dir: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'config-'));
  });
  afterAll(() => rm(dir, { recursive: true }));

  it.each([
    ['no file', null, /found no such file/],
    ['broken JSON', '{"a":', /expected JSON/],
    ['a list', '[]', /expected a JSON object, found a list/],
    ['binary', '\u0000\u0001', /expected JSON/],
  ])('says so for %s', async (_, text, message) => {
    await rm(join(dir, 'config.json'), { force: true });
    if (text !== null) await writeFile(join(dir, 'config.json'), text);
    const error = await readModelConfig(dir).catch((e) => e);
    expect(error).toMatchObject({ code: 'MODEL_BAD_CONFIG' });
    expect(error.message).toMatch(message);
  });

  it('says so when config.json is a folder', async () => {
    const odd = join(dir, 'odd');
    await mkdir(join(odd, 'config.json'), { recursive: true });
    expect(await readModelConfig(odd).catch((e) => e)).toMatchObject({ code: 'MODEL_BAD_CONFIG' });
  });

  const stories = assetPath('models/stories260K-hf');
  it.skipIf(!stories)('reads a real model', async () => {
    const config = await readModelConfig(stories!);
    expect(config).toMatchObject({
      architecture: 'llama',
      layers: 5,
      heads: 8,
      kvHeads: 4,
      headDim: 8,
      tieEmbeddings: true,
      rmsNormEps: 1e-5,
    });
    expect(config.raw.transformers_version).toBe('5.18.0');
  });
});

describe('formatConfig', () => {
  it('keeps floats that are whole numbers floats, because transformers refuses integers there', () => {
    const raw = {
      final_logit_softcapping: 30,
      attn_logit_softcapping: null,
      rms_norm_eps: 1e-6,
      initializer_range: 1,
      hidden_size: 64,
      note: 'a\n"rms_norm_eps": 1',
    };
    const text = formatConfig(raw);
    expect(text).toContain('"final_logit_softcapping": 30.0,');
    expect(text).toContain('"initializer_range": 1.0,');
    expect(text).toContain('"hidden_size": 64,');
    expect(JSON.parse(text)).toEqual(raw);
  });
});

describe('expectedTensors', () => {
  it('knows biases, head norms and untied heads', () => {
    const names = (extra: object) => [
      ...expectedTensors(parse({ num_hidden_layers: 1, num_key_value_heads: 2, ...extra })).keys(),
    ];
    expect(names({ tie_word_embeddings: true })).not.toContain('lm_head.weight');
    expect(names({})).toHaveLength(12);
    expect(names({ model_type: 'qwen2' })).toContain('model.layers.0.self_attn.k_proj.bias');
    expect(names({ model_type: 'qwen2' })).not.toContain('model.layers.0.self_attn.o_proj.bias');
    expect(names({ model_type: 'qwen3', attention_bias: true })).toEqual(
      expect.arrayContaining([
        'model.layers.0.self_attn.q_norm.weight',
        'model.layers.0.self_attn.o_proj.bias',
      ]),
    );
    expect(
      expectedTensors(parse({ num_key_value_heads: 2, head_dim: 16 })).get(
        'model.layers.3.self_attn.k_proj.weight',
      ),
    ).toEqual([32, 64]);
    expect(expectedTensors(parse({ head_dim: 16 })).get('model.layers.3.self_attn.o_proj.weight')).toEqual([
      64, 128,
    ]);
  });
});
