// In: a config, the base tensors, and what is trained. Out: the layers of a decoder with their trained parameters, their
// experts, and the base tensors of each. Nothing is computed here.
import {
  type ExpertSpec,
  type LayerSpec,
  layerParameters,
  loraParameters,
  projectionParameters,
  type Tensor,
} from '@tunesmith/engine';
import { FactoryError } from '#factory/errors.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { Expert } from './experts.ts';
import {
  expertSpecsOf,
  type InitialPair,
  type LoraOptions,
  layerName,
  layerSpecOf,
} from './layer-spec-of.ts';
import type { LayerTensors } from './layer-weights.ts';
import { makeParameter, type Parameter, type ParkedWeight, type StoredWeight } from './parameter.ts';
import type { RopeConfig } from './rope.ts';

export interface Layer {
  spec: LayerSpec;
  /** Trained parameters, which stay at the backend whatever the base does. Base tensors come from LayerWeights. */
  feeds: Record<string, Tensor>;
  /** Own trained parameters by their name in the layer. */
  parameters: Map<string, Parameter>;
  window: number | null;
  rope: RopeConfig;
  /** In place of the MLP; none in dense layers. */
  experts: readonly Expert[];
}

export interface LayerSources {
  weights: ReadonlyMap<string, StoredWeight>;
  parked: ReadonlyMap<string, ParkedWeight>;
  lora: LoraOptions | null;
  /** The trained parameter of a base tensor, or null. */
  own(name: string): Parameter | null;
  /** Takes new parameters, in a stable order. */
  all: Parameter[];
}

export function makeLayer(
  config: ModelConfig,
  i: number,
  rope: RopeConfig,
  from: LayerSources,
): { layer: Layer; base: LayerTensors; expertBase: LayerTensors[] } {
  const { weights, parked, lora } = from;
  const dtypeOf = (name: string) => (weights.get(name) ?? (parked.get(name) as ParkedWeight)).dtype;
  const spec = layerSpecOf(config, i, dtypeOf, lora);
  const shapes = layerParameters(spec);
  const nameOf = (name: string) => layerName(i, name);
  const parameters = trainedParameters(spec, shapes, nameOf, from);
  const expertBase: LayerTensors[] = [];
  const experts = expertSpecsOf(config, i, dtypeOf, lora).map(({ spec: own, names }): Expert => {
    refuseDora(own, names);
    const ownShapes = projectionParameters(own);
    const full = (name: string) => nameOf(name.replace(/^\w+/, (key) => names[key]));
    expertBase.push(baseTensors(ownShapes, full, from));
    return { spec: own, feeds: {}, parameters: trainedParameters(own, ownShapes, full, from) };
  });
  const window = config.slidingWindow[i] ?? null;
  return {
    layer: { spec, feeds: {}, parameters, window, rope, experts },
    base: baseTensors(shapes, nameOf, from),
    expertBase,
  };
}

type Shapes = ReadonlyMap<string, number[]>;
type NameOf = (name: string) => string;

function baseTensors(shapes: Shapes, nameOf: NameOf, { weights, parked }: LayerSources): LayerTensors {
  const own = { resident: new Map<string, StoredWeight>(), parked: new Map<string, ParkedWeight>() };
  for (const name of shapes.keys()) {
    const asleep = parked.get(nameOf(name));
    if (asleep) own.parked.set(name, asleep);
    else own.resident.set(name, weights.get(nameOf(name)) as StoredWeight);
  }
  return own;
}

function trainedParameters(
  spec: Pick<LayerSpec, 'projections'>,
  shapes: Shapes,
  nameOf: NameOf,
  { lora, own, all }: LayerSources,
): Map<string, Parameter> {
  const parameters = new Map<string, Parameter>();
  for (const name of shapes.keys()) {
    const parameter = own(nameOf(name));
    if (parameter) parameters.set(name, parameter);
  }
  for (const [name, shape] of loraParameters(spec)) {
    const [, module, part] = /^(.*)\.lora_(A|B|magnitude_vector)/.exec(name) as RegExpExecArray;
    const pair = lora?.modules.get(nameOf(module)) as InitialPair;
    const values = part === 'A' ? pair.a : part === 'B' ? pair.b : pair.magnitude;
    const parameter = makeParameter(nameOf(name), shape, values ?? new Float32Array(shape[0]));
    parameters.set(name, parameter);
    all.push(parameter);
  }
  return parameters;
}

function refuseDora({ projections }: ExpertSpec, names: Record<string, string>): void {
  const adapted = Object.keys(projections).find((key) => projections[key].lora?.dora);
  if (adapted === undefined) return;
  throw new FactoryError({
    code: 'ARGS_CONFLICT',
    message: `use_dora: expected adapters outside of experts, found one on ${names[adapted]}`,
    remedy: 'Set lora_target to modules of the attention, such as q_proj,v_proj, or set use_dora to false.',
  });
}
