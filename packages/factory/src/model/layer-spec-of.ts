// In: a config, which adapters a layer has, and how its weights rest. Out: the layer as the engine knows it, its base tensors
// apart, and the size of what its graphs hold. Nothing runs here.
import { doraProjections, type ExpertSpec, type LayerSpec } from '@tunesmith/engine';
import type { ModelConfig } from '#factory/records/model-config.ts';
import { attentionModules, expertModules, type LinearModule, mlpModules } from './layer-modules.ts';
import type { PackedBatch } from './packed-batch.ts';

export interface LoraOptions {
  rank: number;
  scale: number;
  dropout: number;
  /** Adapters have a magnitude vector beside A and B. */
  dora?: boolean;
  /** The base is not that of the checkpoint (PiSSA), so that it is no reference with the adapter off. */
  changesBase?: boolean;
  /** Modules that have an adapter, by full path. */
  modules: ReadonlyMap<string, InitialPair>;
}

/** What a module's adapter begins with: A [rank, in], B [out, rank], and with DoRA its magnitude [out], unless it is new. */
export interface InitialPair {
  a: Float32Array;
  b: Float32Array;
  magnitude?: Float32Array;
}

/** Hugging Face's name of a layer's tensor or module. */
export const layerName = (i: number, name: string) => `model.layers.${i}.${name}`;

type LoraSettings = Omit<LoraOptions, 'modules'>;

function loraSpecOf({
  rank,
  scale,
  dropout,
  dora,
}: LoraSettings): NonNullable<LayerSpec['projections'][string]['lora']> {
  return { rank, scale, dropout: dropout > 0, ...(dora ? { dora } : {}) };
}

/** `dtypeOf` a base tensor as it is fed. */
export function layerSpecOf(
  config: ModelConfig,
  i: number,
  dtypeOf: (name: string) => 'f32' | 'f16',
  lora: SomeLora,
): LayerSpec {
  const projections = Object.fromEntries(
    [...attentionModules(config), ...mlpModules(config, i)].map((module) => [
      module.name,
      projectionOf(i, module, dtypeOf, lora),
    ]),
  );
  const { experts } = config;
  const router = experts?.layers[i]
    ? { name: experts.names.router, active: experts.active, width: experts.width }
    : null;
  return {
    hidden: config.hiddenSize,
    heads: config.heads,
    kvHeads: config.kvHeads,
    headDim: config.headDim,
    rmsNormEps: config.rmsNormEps,
    norms: config.norms,
    normOffset: config.normOffset,
    qkNorm: config.qkNorm,
    scoreScale: config.scoreScale,
    scoreCap: config.scoreCap,
    rotaryDim: config.rotaryDim,
    ropeInterleaved: config.ropeInterleaved,
    activation: config.activation,
    ...(router ? { router } : {}),
    projections,
  };
}

type SomeLora = (LoraSettings & { modules: { has(module: string): boolean } }) | null;

function projectionOf(
  i: number,
  { name, ...sizes }: LinearModule,
  dtypeOf: (name: string) => 'f32' | 'f16',
  lora: SomeLora,
): LayerSpec['projections'][string] {
  const isAdapted = lora?.modules.has(layerName(i, name));
  return {
    ...sizes,
    dtype: dtypeOf(layerName(i, `${name}.weight`)),
    lora: lora && isAdapted ? loraSpecOf(lora) : null,
  };
}

/** The experts of layer `i`, and what the checkpoint calls their projections. */
export function expertSpecsOf(
  config: ModelConfig,
  i: number,
  dtypeOf: (name: string) => 'f32' | 'f16',
  lora: SomeLora,
): { spec: ExpertSpec; names: Record<string, string> }[] {
  return expertModules(config, i).map((modules) => {
    const each = Object.entries(modules);
    return {
      spec: {
        hidden: config.hiddenSize,
        activation: config.activation,
        projections: Object.fromEntries(each.map(([key, m]) => [key, projectionOf(i, m, dtypeOf, lora)])),
      },
      names: Object.fromEntries(each.map(([key, { name }]) => [key, name])),
    };
  });
}

export function withoutDropout(
  projections: LayerSpec['projections'],
  adapter: 'on' | 'off',
): LayerSpec['projections'] {
  const entries = Object.entries(projections).map(([name, p]) => [
    name,
    p.lora ? { ...p, lora: adapter === 'on' ? { ...p.lora, dropout: false } : null } : p,
  ]);
  return Object.fromEntries(entries);
}

/** A layer whose residuals reach this size has scratch of several times as much, which is worth a compilation to free. */
const SHRINK_BYTES = 40 * 2 ** 20;

/** The most tokens of a batch that is not large. */
export const smallBatchTokens = (spec: LayerSpec) => Math.ceil(SHRINK_BYTES / residualBytes(spec, 1)) - 1;

/** Whether the scratch of a graph is given back before another graph runs. */
export const isLargeBatch = (spec: LayerSpec, tokens: number) => residualBytes(spec, tokens) >= SHRINK_BYTES;

/** Rows of the gated MLP times its width, per token: those of all experts that a token goes to. */
const innerWidth = ({ router, projections }: LayerSpec) =>
  router ? router.active * router.width : projections['mlp.down_proj'].inFeatures;

/**
 * What a layer keeps per packed token under `save`: q, k, v, attention output, middle residual, gate, up; x; what its norms
 * after the blocks take in; with DoRA what its magnitudes multiply; with experts what they take in.
 */
export function residualBytes(spec: LayerSpec, tokens: number): number {
  const { heads, kvHeads, headDim, hidden, projections, norms } = spec;
  const normed = (norms.afterAttention ? hidden : 0) + (norms.afterMlp ? hidden : 0);
  const decomposed = doraProjections(spec).reduce((n, name) => n + projections[name].outFeatures, 0);
  const floats =
    (2 * heads + 2 * kvHeads) * headDim +
    2 * hidden +
    2 * innerWidth(spec) +
    (spec.router ? hidden : 0) +
    normed +
    decomposed;
  return floats * 4 * tokens;
}

/**
 * What the backward graph of one layer holds at most besides inputs and outputs: copies of the MLP's rows and of the
 * attention scores, in the runtime's arena. Measured on a layer of Qwen2.5-0.5B: 0.94 GB for 4 rows of 512 tokens.
 */
export function scratchBytes(
  spec: LayerSpec,
  batch: Pick<PackedBatch, 'rows' | 'width'> & { ids: { length: number } },
): number {
  const mlp = 10 * batch.ids.length * innerWidth(spec);
  const scores = 9 * batch.rows * spec.heads * batch.width * batch.width;
  return 4 * (mlp + scores);
}

/** What is left for activations of the room that a micro batch shares with the scratch of one layer. */
export function roomBesideScratch(room: number, spec: LayerSpec, batch: PackedBatch): number {
  return room - scratchBytes(spec, batch);
}
