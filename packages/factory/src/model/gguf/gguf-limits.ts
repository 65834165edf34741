// In: a ModelConfig. Out: where llama.cpp would compute something else: refused where it always does, said where it does
// so in long texts only. Checked against llama.cpp's sources (src/models, src/llama-context.cpp).
import { FactoryError } from '#factory/errors.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import { GGUF_ARCHITECTURE } from './gguf-names.ts';

/** @returns what the user should know. */
export function checkGgufLimits(config: ModelConfig): string[] {
  for (const [isBad, what] of refusals(config))
    if (isBad)
      throw new FactoryError({
        code: 'EXPORT_UNSUPPORTED',
        message: `llama.cpp cannot run this ${config.architecture} model: ${what}`,
        remedy: 'Export with --to merged, and serve the folder with transformers or vLLM.',
      });
  return notes(config);
}

function refusals(config: ModelConfig): [boolean, string][] {
  const { architecture, headDim, heads, hiddenSize, ropeScaling: scaling, experts, layers } = config;
  const arch = GGUF_ARCHITECTURE[architecture];
  const isGemma = arch === 'gemma2' || arch === 'gemma3';
  const isLlama = arch === 'llama';
  // The sizes of Gemma 2 and 3 with 27 billion parameters have a rule of their own there.
  const isLargest = (arch === 'gemma2' && layers === 46) || (arch === 'gemma3' && layers === 62);
  const scale = (isLargest ? Math.floor(hiddenSize / heads) : headDim) ** -0.5;
  return [
    [
      Math.abs(config.scoreScale / scale - 1) > 1e-6,
      `it scales scores by ${scale.toPrecision(6)}, the model by ${config.scoreScale.toPrecision(6)} (query_pre_attn_scalar)`,
    ],
    [
      config.activation !== (isGemma ? 'gelu_tanh' : 'silu'),
      `its activation is ${isGemma ? 'gelu' : 'silu'}, the model's ${config.activation}`,
    ],
    [
      arch === 'gemma2' && !config.tieEmbeddings,
      'its output head is the embedding, the model has one of its own',
    ],
    [config.outputBias && !isLlama, 'it has no bias on the attention output'],
    [config.mlpBias && (!isLlama || experts !== null), 'it has no bias in the MLP'],
    [
      (arch === 'chatglm' || arch === 'phi3') && heads * headDim !== hiddenSize,
      `its attention is as wide as the hidden state (${hiddenSize}), the model's is ${heads} × ${headDim}`,
    ],
    [
      arch === 'qwen3moe' && !experts?.normalised,
      "it makes an expert's weights add up to one (norm_topk_prob: true)",
    ],
    [experts?.layers.includes(false) ?? false, 'it has experts in every layer, the model has layers without'],
    [
      scaling?.kind === 'yarn' && (scaling.betaFast !== 32 || scaling.betaSlow !== 1),
      'it knows yarn with beta_fast 32 and beta_slow 1 only',
    ],
    [scaling?.kind === 'yarn' && !scaling.truncate, 'it rounds the bounds of yarn (truncate: true)'],
    [scaling?.kind === 'llama3' && !isLlama, 'it knows the rope scaling llama3 in Llama models only'],
    [
      scaling?.kind === 'longrope' && arch !== 'phi3',
      'it knows the rope scaling longrope in Phi models only',
    ],
    [
      config.windowRope !== null && (config.windowRope.scaling !== null || arch !== 'gemma3'),
      'it does not scale the rope of layers with a window',
    ],
  ];
}

function notes(config: ModelConfig): string[] {
  const { slidingWindow, ropeScaling: scaling, maxPositions, architecture } = config;
  const said: string[] = [];
  const window = slidingWindow.find((size) => size !== null) ?? null;
  const hasWindows = architecture === 'gemma2' || architecture === 'gemma3';
  if (window !== null && window < maxPositions && !hasWindows)
    said.push(
      `llama.cpp attends to all tokens in this architecture; texts longer than the window of ${window} tokens are answered otherwise`,
    );
  if (scaling?.kind === 'dynamic')
    said.push(
      `llama.cpp has no dynamic rope scaling; texts longer than ${scaling.originalMaxPositions} tokens are answered otherwise`,
    );
  if (scaling?.kind === 'longrope')
    said.push(
      `llama.cpp chooses the rope factors by the size of the context that it was started with, not by the length of the text: start it with at most ${scaling.originalMaxPositions} tokens for shorter texts`,
    );
  return said;
}
