// In: a model config, what is trained, how the base rests, and the size of a batch. Out: the bytes of every thing that one
// training step holds, counted from the graphs that would run. Nothing is loaded, compiled or run.
import {
  doraNorms,
  doraProjections,
  doraSquares,
  type Graph,
  graphMemory,
  headFused,
  headSum,
  headTrained,
  type LayerGradients,
  type LayerSpec,
  layerForward,
  layerParameters,
  layerTraining,
  loraParameters,
  roundedSize,
} from '@tunesmith/engine';
import type { BatchSize, LayerFacts, StepFacts, WeightFacts } from '#factory/records/memory-facts.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import { EMBEDDING } from './embedding.ts';
import { expectedTensors } from './expected-tensors.ts';
import { type ExpertGroup, expertGroup, trainsExperts, withExperts } from './expert-facts.ts';
import { isRouter } from './layer-modules.ts';
import {
  expertSpecsOf,
  isLargeBatch,
  layerName,
  layerSpecOf,
  residualBytes,
  scratchBytes,
  smallBatchTokens,
} from './layer-spec-of.ts';
import { MAX_ROWS, sliceRanges } from './output-head.ts';
import { makeParameter, type Parameter } from './parameter.ts';

export interface TrainingChoice {
  /** Base tensors that are trained. */
  tensors: ReadonlySet<string>;
  loraModules: readonly string[];
  rank: number;
  dropout: number;
  dora: boolean;
  /** Of frozen matrices in the layers; null for plain values. */
  bits: 4 | 8 | null;
  /** Frozen layers stay on the disk. */
  stream: boolean;
  /** Bytes of layers' matrices that are packed in their file already, as in GGUF; null for other bases. */
  packedBytes: number | null;
  /** Float32 checkpoints rest in 16 bits too. */
  halfStorage: boolean;
  /** The loss is of the value head's scores: the output head does not run. */
  scores: boolean;
  /** Bytes that the optimiser keeps for these parameters; their values are empty. */
  optimizerBytes(parameters: readonly Parameter[]): number;
}

const count = (shape: readonly number[]) => shape.reduce((n, d) => n * d, 1);

/** The most tokens of a batch whose graphs all keep their scratch. */
export function smallTokens(config: ModelConfig): number {
  return smallBatchTokens(layerSpecOf(config, 0, () => 'f32', null));
}

export function stepFacts(config: ModelConfig, choice: TrainingChoice, batch: BatchSize): StepFacts {
  const specs = specsOf(config, choice);
  const sizes = new Map([
    ['N', batch.tokens],
    ['B', batch.rows],
    ['T', batch.width],
  ]);
  const groups = specs.map((_, i) => groupOf(config, choice, i));
  const layers = layerFacts(config, choice, { specs, groups }, sizes);
  const spec = specs[0];
  const dropped = Object.values(spec.projections).filter((p) => p.lora?.dropout);
  return {
    batch,
    weights: weightFacts(config, choice),
    layers,
    // With experts a layer also keeps what they take in.
    hiddenBytes: 4 * batch.tokens * config.hiddenSize * (1 + groups.filter(Boolean).length / config.layers),
    labelRowBytes: 4 * batch.labels * config.hiddenSize,
    headScratchBytes: choice.scores ? 0 : headScratch(config, choice, batch),
    normScratchBytes: normScratch(spec),
    sharedBytes: 4 * (batch.width ** 2 + batch.tokens * config.rotaryDim + 3 * batch.rows * batch.width),
    dropoutBytes: dropped.reduce((n, p) => n + 4 * batch.tokens * p.inFeatures, 0),
    isLarge: isLargeBatch(spec, batch.tokens),
    setAsideBytes: scratchBytes(spec, {
      ids: { length: batch.tokens },
      rows: batch.rows,
      width: batch.width,
    }),
    residualEstimateBytes: residualBytes(spec, batch.tokens),
  };
}

/** Every layer as it is trained. */
export const specsOf = (config: ModelConfig, choice: TrainingChoice): LayerSpec[] =>
  Array.from({ length: config.layers }, (_, i) =>
    layerSpecOf(config, i, fedTypes(config, choice), loraOf(choice)),
  );

function loraOf({ loraModules, rank, dropout, dora }: TrainingChoice) {
  return loraModules.length > 0 ? { rank, scale: 1, dropout, dora, modules: new Set(loraModules) } : null;
}

function groupOf(config: ModelConfig, choice: TrainingChoice, i: number): ExpertGroup | null {
  const [first] = expertSpecsOf(config, i, fedTypes(config, choice), loraOf(choice));
  if (!first || !config.experts) return null;
  const own = (name: string) => {
    const [key, rest] = name.split('.');
    return choice.tensors.has(layerName(i, `${first.names[key]}.${rest}`));
  };
  return expertGroup(first.spec, config.experts, own);
}

const isParked = (
  name: string,
  shape: readonly number[],
  { bits, stream, tensors, packedBytes }: TrainingChoice,
) =>
  (bits !== null || stream || packedBytes !== null) &&
  name.startsWith('model.layers.') &&
  shape.length === 2 &&
  !isRouter(name) &&
  !tensors.has(name);

/** A frozen embedding that the head does not share stays on the disk where layers rest in other forms too. */
const isOnDisk = (name: string, { tieEmbeddings }: ModelConfig, { bits, stream, tensors }: TrainingChoice) =>
  name === EMBEDDING && !tieEmbeddings && !tensors.has(name) && (bits !== null || stream);

/** How a base tensor is fed to a layer. */
function fedTypes(config: ModelConfig, choice: TrainingChoice): (name: string) => 'f32' | 'f16' {
  const isHalf = config.storedDtype !== 'float32' || choice.halfStorage;
  return (name) =>
    choice.tensors.has(name) || choice.bits !== null || choice.packedBytes !== null || !isHalf
      ? 'f32'
      : 'f16';
}

export function weightFacts(config: ModelConfig, choice: TrainingChoice): WeightFacts {
  const specs = specsOf(config, choice);
  const isHalf = config.storedDtype !== 'float32' || choice.halfStorage;
  const readWidth = config.storedDtype === 'float32' && choice.packedBytes === null ? 4 : 2;
  const facts: WeightFacts = {
    parameters: 0,
    layerParameters: 0,
    headParameters: config.vocabSize * config.hiddenSize,
    restBytes: 0,
    loadingBytes: 0,
    unpackBytes: 0,
    diskBytes: 0,
    trainedParameters: 0,
    adapterParameters: 0,
    savedBytes: 0,
    optimizerBytes: 0,
  };
  const unpack = new Map<string, number>();
  const parameters: Parameter[] = [];
  const expectedShapes = expectedTensors(config);
  for (const [name, shape] of expectedShapes) {
    const values = count(shape);
    facts.parameters += values;
    facts.diskBytes += readWidth * values;
    const inLayer = /^model\.layers\.\d+\.(.*)$/.exec(name)?.[1];
    if (inLayer && shape.length === 2) facts.layerParameters += values;
    if (isParked(name, shape, choice)) {
      facts.restBytes += choice.bits === null ? 0 : quantisedBytes(shape, choice.bits);
      const width = choice.stream && isHalf ? 2 : 4;
      // Experts are unpacked one at a time.
      const place = (inLayer as string).replace(/\bexperts\.\d+/, 'experts');
      unpack.set(place, Math.max(unpack.get(place) ?? 0, width * values));
    } else if (isOnDisk(name, config, choice)) continue;
    else if (choice.tensors.has(name) || shape.length < 2) facts.restBytes += 4 * values;
    else facts.restBytes += (isHalf ? 2 : 4) * values;
    if (choice.tensors.has(name)) {
      facts.trainedParameters += values;
      parameters.push(emptyParameter(name, shape));
    }
  }
  facts.restBytes += choice.packedBytes ?? 0;
  facts.loadingBytes = loadingBytes(config, choice, facts.restBytes);
  // A streamed layer is read while the one before it runs.
  facts.unpackBytes = (choice.stream ? 2 : 1) * [...unpack.values()].reduce((n, b) => n + b, 0);
  specs.forEach((spec, i) => {
    for (const [name, shape] of loraParameters(spec)) {
      facts.adapterParameters += count(shape);
      parameters.push(emptyParameter(`model.layers.${i}.${name}`, shape));
    }
  });
  for (const module of choice.loraModules.filter((name) => name.includes('.experts.'))) {
    const [out, inner] = expectedShapes.get(`${module}.weight`) as number[];
    facts.adapterParameters += choice.rank * (out + inner);
    parameters.push(
      emptyParameter(`${module}.lora_A.weight`, [choice.rank, inner]),
      emptyParameter(`${module}.lora_B.weight`, [out, choice.rank]),
    );
  }
  facts.optimizerBytes = choice.optimizerBytes(parameters);
  facts.trainedParameters += facts.adapterParameters;
  const savesAdapter = choice.loraModules.length > 0;
  facts.savedBytes = savesAdapter ? 4 * facts.trainedParameters : facts.diskBytes;
  return facts;
}

/** The most that stands while tensors are read, as `buildDecoder` does it: parked ones first, then the plain ones. */
function loadingBytes(config: ModelConfig, choice: TrainingChoice, restBytes: number): number {
  const isHalf = config.storedDtype !== 'float32' || choice.halfStorage;
  const readWidth = config.storedDtype === 'float32' && choice.packedBytes === null ? 4 : 2;
  const all = [...expectedTensors(config)];
  const parked = all.filter(([name, shape]) => isParked(name, shape, choice));
  const plain = all.filter(
    ([name, shape]) => !isParked(name, shape, choice) && !isOnDisk(name, config, choice),
  );
  let held = 0;
  let most = restBytes;
  for (const [, shape] of parked) {
    const values = count(shape);
    // As it is read, and as it rests.
    const rest = choice.bits === null ? 0 : quantisedBytes(shape, choice.bits);
    if (choice.packedBytes === null) most = Math.max(most, held + readWidth * values + rest);
    held += rest;
  }
  held += choice.packedBytes ?? 0;
  for (const [i, [name, shape]] of plain.entries()) {
    const values = count(shape);
    const width = choice.tensors.has(name) || shape.length < 2 || !isHalf ? 4 : 2;
    const converted = width === readWidth ? 0 : readWidth * values;
    // The next one is read meanwhile.
    const next = i + 1 < plain.length ? readWidth * count(plain[i + 1][1]) : 0;
    most = Math.max(most, held + width * values + converted + next);
    held += width * values;
  }
  return most;
}

const emptyParameter = (name: string, shape: number[]) => makeParameter(name, shape, new Float32Array(0));

/** As bitsandbytes lays it out: 4 bits and a scale of 8 bits per 64 values with double quantisation; 8 bits and a scale per row. */
function quantisedBytes(shape: readonly number[], bits: 4 | 8): number {
  const values = count(shape);
  if (bits === 8) return values + 4 * shape[0];
  const blocks = Math.ceil(values / 64);
  return values / 2 + blocks + 4 * Math.ceil(blocks / 256);
}

type Sizes = ReadonlyMap<string, number>;

function layerFacts(
  config: ModelConfig,
  { tensors }: TrainingChoice,
  { specs, groups }: { specs: readonly LayerSpec[]; groups: readonly (ExpertGroup | null)[] },
  sizes: Sizes,
): LayerFacts[] {
  const own = (i: number, spec: LayerSpec) => [
    ...[...layerParameters(spec).keys()].filter((n) => tensors.has(`model.layers.${i}.${n}`)),
    ...loraParameters(spec).keys(),
  ];
  const trainsEmbedding = tensors.has(EMBEDDING);
  const isTrained = (spec: LayerSpec, i: number) => {
    const group = groups[i];
    return own(i, spec).length > 0 || (group !== null && trainsExperts(group));
  };
  const lowest = specs.findIndex(isTrained);
  const first = trainsEmbedding ? 0 : lowest < 0 ? config.layers : lowest;
  const known = new Map<string, LayerFacts>();
  return specs.map((spec, i) => {
    const names = own(i, spec);
    const isLora = names.length > 0 && names.every((n) => n.includes('.lora_'));
    const gradients: LayerGradients = {
      input: i > first || trainsEmbedding,
      parameters: isLora ? 'lora' : names.length > 0 ? names : 'none',
    };
    const group = groups[i];
    const parts = [spec, gradients, ...(group ? [group] : [])];
    const kind = i < first ? `plain ${JSON.stringify([spec, group])}` : JSON.stringify(parts);
    let facts = known.get(kind);
    if (!facts) {
      facts = i < first ? plainLayer(kind, spec, sizes) : trainedLayer(kind, spec, gradients, sizes);
      if (group) facts = withExperts(facts, group, sizes.get('N') as number);
    }
    known.set(kind, facts);
    return facts;
  });
}

function plainLayer(kind: string, spec: LayerSpec, sizes: Sizes): LayerFacts {
  const plain = graphMemory(layerForward(spec, 'shared'), sizes).scratch;
  const none = { save: 0, recompute: 0 };
  return {
    kind,
    isBelow: true,
    residualBytes: 0,
    gradientBytes: 0,
    scratch: { forward: none, backward: none, plain },
  };
}

function trainedLayer(kind: string, spec: LayerSpec, gradients: LayerGradients, sizes: Sizes): LayerFacts {
  const [save, recompute] = (['save', 'recompute'] as const).map((policy) => {
    const { forward, backward } = layerTraining(spec, gradients, policy, 'shared');
    return { forward: graphMemory(forward, sizes), backward: graphMemory(backward, sizes) };
  });
  const sum = (outputs: ReadonlyMap<string, number>, ...without: string[]) =>
    [...outputs].reduce((n, [name, bytes]) => (without.includes(name) ? n : n + roundedSize(bytes)), 0);
  return {
    kind,
    isBelow: false,
    residualBytes: sum(save.forward.outputs, 'y', 'middle', 'hidden', 'logits'),
    gradientBytes: sum(save.backward.outputs, 'd_x'),
    scratch: {
      forward: { save: save.forward.scratch, recompute: recompute.forward.scratch },
      backward: { save: save.backward.scratch, recompute: recompute.backward.scratch },
      plain: 0,
    },
  };
}

const trainsHead = ({ tieEmbeddings }: ModelConfig, { tensors }: TrainingChoice) =>
  tensors.has(tieEmbeddings ? EMBEDDING : 'lm_head.weight');

/** How the output matrix is fed. */
export const headDtype = (config: ModelConfig, choice: TrainingChoice) =>
  trainsHead(config, choice) || (config.storedDtype === 'float32' && !choice.halfStorage) ? 'f32' : 'f16';

/** Slices of the vocabulary and chunks of rows bound it. The first slice and the others have graphs of their own. */
function headScratch(config: ModelConfig, choice: TrainingChoice, batch: BatchSize): number {
  const { hiddenSize, vocabSize, logitCap } = config;
  const isTrained = trainsHead(config, choice);
  const dtype = headDtype(config, choice);
  const slices = sliceRanges(vocabSize, hiddenSize);
  const [from, to] = slices[0];
  const sizes = new Map([
    ['M', Math.min(batch.labels, MAX_ROWS)],
    ['V', to - from],
  ]);
  const graphs = (slices.length > 1 ? [true, false] : [true]).flatMap((isFirst): Graph[] =>
    isTrained
      ? [headSum(hiddenSize, dtype, logitCap, isFirst), headTrained(hiddenSize, logitCap, isFirst)]
      : [headFused(hiddenSize, dtype, logitCap, isFirst)],
  );
  return graphs.reduce((n, graph) => {
    const { scratch, outputs } = graphMemory(graph, sizes);
    return n + scratch + [...outputs.values()].reduce((m, bytes) => m + roundedSize(bytes), 0);
  }, 0);
}

/** DoRA's row norms: of the frozen weights, and of these with their adapters. */
function normScratch(spec: LayerSpec): number {
  if (doraProjections(spec).length === 0) return 0;
  const none = new Map<string, number>();
  return graphMemory(doraSquares(spec), none).scratch + graphMemory(doraNorms(spec), none).scratch;
}
