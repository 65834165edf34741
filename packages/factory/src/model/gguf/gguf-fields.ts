// In: a ModelConfig and the type of the file. Out: the metadata of its GGUF file that says how the model computes, with
// the keys that llama.cpp's convert_hf_to_gguf writes and the few more that its loader reads. The vocabulary is
// tokens/gguf-vocabulary.ts.
import type { GgufField, GgufFields } from '#factory/records/gguf.ts';
import type { ModelConfig, RopeScaling } from '#factory/records/model-config.ts';
import { ropeFrequencies } from '../rope.ts';
import { GGUF_ARCHITECTURE } from './gguf-names.ts';
import type { GgufFileType } from './gguf-tensors.ts';

/** `general.file_type` (llama.h, llama_ftype). */
const FILE_TYPE: Readonly<Record<GgufFileType, number>> = { F32: 0, F16: 1, Q8_0: 7, BF16: 32 };
/** GGML_QNT_VERSION. */
const QUANTIZATION_VERSION = 2;
/** llama.cpp's rule where the file has no list of layers with a window: every n-th layer sees all tokens. */
const WINDOW_PATTERN: Readonly<Record<string, number>> = { gemma2: 2, gemma3: 6 };

export function ggufModelFields(config: ModelConfig, fileType: GgufFileType): GgufFields {
  const arch = GGUF_ARCHITECTURE[config.architecture];
  const { experts, headDim, raw } = config;
  const fields = new Map<string, GgufField>([
    ['general.architecture', { type: 'string', value: arch }],
    ['general.type', { type: 'string', value: 'model' }],
    ['general.file_type', { type: 'uint32', value: FILE_TYPE[fileType] }],
    ['general.quantization_version', { type: 'uint32', value: QUANTIZATION_VERSION }],
  ]);
  const whole = (key: string, value: number) => fields.set(`${arch}.${key}`, { type: 'uint32', value });
  const real = (key: string, value: number) => fields.set(`${arch}.${key}`, { type: 'float32', value });

  whole('block_count', config.layers);
  whole(
    'context_length',
    config.ropeScaling?.kind === 'dynamic' ? config.ropeScaling.originalMaxPositions : config.maxPositions,
  );
  whole('embedding_length', config.hiddenSize);
  whole('feed_forward_length', config.intermediateSize);
  whole('attention.head_count', config.heads);
  whole('attention.head_count_kv', config.kvHeads);
  real('attention.layer_norm_rms_epsilon', config.rmsNormEps);
  const usual = config.hiddenSize / config.heads;
  if (headDim !== usual || typeof raw.head_dim === 'number' || HAS_HEAD_DIM.has(config.architecture)) {
    whole('attention.key_length', headDim);
    whole('attention.value_length', headDim);
  }
  if (arch === 'llama') whole('vocab_size', config.vocabSize);
  if (arch === 'llama' || config.rotaryDim !== headDim || arch === 'phi3')
    whole('rope.dimension_count', config.rotaryDim);

  // Gemma 2's converter leaves out the base, which is llama.cpp's default.
  if (arch !== 'gemma2' || config.ropeTheta !== 10_000) real('rope.freq_base', config.ropeTheta);
  if (config.windowRope) real('rope.freq_base_swa', config.windowRope.theta);
  addScaling(config, real, whole, (key, value) => fields.set(`${arch}.${key}`, { type: 'string', value }));

  if (experts) {
    whole('expert_count', experts.count);
    whole('expert_used_count', experts.active);
    if (arch === 'qwen3moe') whole('expert_feed_forward_length', experts.width);
  }
  if (config.scoreCap !== null) real('attn_logit_softcapping', config.scoreCap);
  if (config.logitCap !== null) real('final_logit_softcapping', config.logitCap);
  addWindows(config, arch, fields);
  // The chat template of these puts its own tokens first.
  if (arch === 'chatglm') fields.set('tokenizer.ggml.add_bos_token', { type: 'bool', value: false });
  return fields;
}

/** Whose configs always have `head_dim` when transformers has read them. */
const HAS_HEAD_DIM = new Set(['llama', 'mistral', 'qwen3', 'qwen3_moe', 'gemma2', 'gemma3', 'glm4']);

function addScaling(
  config: ModelConfig,
  real: (key: string, value: number) => void,
  whole: (key: string, value: number) => void,
  text: (key: string, value: string) => void,
): void {
  const { ropeScaling: scaling, architecture } = config;
  // Phi-3's default where the config has none.
  if (architecture === 'phi3')
    whole('rope.scaling.original_context_length', originalPositions(scaling) ?? 4096);
  if (scaling?.kind === 'linear') {
    text('rope.scaling.type', 'linear');
    real('rope.scaling.factor', scaling.factor);
  } else if (scaling?.kind === 'longrope') {
    real('rope.scaling.attn_factor', scaling.attentionFactor);
  } else if (scaling?.kind === 'yarn') {
    const { factor, originalMaxPositions, betaFast, betaSlow } = scaling;
    text('rope.scaling.type', 'yarn');
    real('rope.scaling.factor', factor);
    whole('rope.scaling.original_context_length', originalMaxPositions);
    if (betaFast !== 32 || betaSlow !== 1) {
      real('rope.scaling.yarn_beta_fast', betaFast);
      real('rope.scaling.yarn_beta_slow', betaSlow);
    }
    // llama.cpp scales by this by itself; what else the config asks for multiplies it.
    const usual = 1 + 0.1 * Math.log(factor);
    const wanted = ropeFrequencies(config, { sequenceLength: 1 }).attentionScale;
    if (Math.abs(wanted / usual - 1) > 1e-6) real('rope.scaling.attn_factor', wanted / usual);
  }
}

function originalPositions(scaling: RopeScaling | null): number | null {
  return scaling && 'originalMaxPositions' in scaling ? scaling.originalMaxPositions : null;
}

function addWindows({ slidingWindow }: ModelConfig, arch: string, fields: Map<string, GgufField>): void {
  const pattern = WINDOW_PATTERN[arch];
  const window = slidingWindow.find((size) => size !== null);
  if (pattern === undefined && arch !== 'phi3') return;
  // Phi-4 is told from Phi-3 by a window of zero.
  if (window === undefined && arch !== 'phi3') return;
  fields.set(`${arch}.attention.sliding_window`, { type: 'uint32', value: window ?? 0 });
  if (pattern === undefined) return;
  const isUsual = slidingWindow.every((size, i) => (size !== null) === ((i + 1) % pattern !== 0));
  if (isUsual) return;
  fields.set(`${arch}.attention.sliding_window_pattern`, {
    type: 'array',
    of: 'bool',
    value: slidingWindow.map((size) => size !== null),
  });
}
