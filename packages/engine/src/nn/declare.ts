// In: the projections of a layer, or of an expert in one. Out: its parameters as inputs of a graph, by name, and the nodes
// that a projection is made of. Graphs only.
import { geluTanh, makeInput, silu } from '../graph/build.ts';
import type { Dim } from '../graph/dim.ts';
import type { Node } from '../graph/node.ts';
import { type LayerSpec, loraParameters } from './layer-spec.ts';
import type { LinearNodes } from './linear.ts';

export type TrainedParameters = 'lora' | 'none' | readonly string[];

export const ACTIVATIONS = { silu, gelu_tanh: geluTanh } as const;

/** The parameters that the backward pass returns gradients for. */
export function trainedNames(spec: Pick<LayerSpec, 'projections'>, which: TrainedParameters): string[] {
  if (which === 'lora') return [...loraParameters(spec).keys()];
  return which === 'none' ? [] : [...which];
}

export interface LayerNodes {
  parameters: Map<string, Node>;
  projection(name: string): LinearNodes;
}

/** `shapes` of the parameters without LoRA; `rows` of what the projections take in. */
export function declareParameters(
  spec: Pick<LayerSpec, 'projections'>,
  shapes: ReadonlyMap<string, number[]>,
  rows: Dim,
  trained: readonly string[],
): LayerNodes {
  const parameters = new Map<string, Node>();
  for (const [name, shape] of shapes) {
    const projection = spec.projections[name.replace(/\.weight$/, '')];
    const dtype = projection && !trained.includes(name) ? projection.dtype : 'f32';
    parameters.set(name, makeInput(name, shape, dtype));
  }
  for (const [name, shape] of loraParameters(spec)) parameters.set(name, makeInput(name, shape));
  const get = (name: string) => parameters.get(name) as Node;
  return {
    parameters,
    projection(name) {
      const { bias, lora, inFeatures, outFeatures } = spec.projections[name];
      return {
        weight: get(`${name}.weight`),
        bias: bias ? get(`${name}.bias`) : null,
        lora: lora && {
          a: get(`${name}.lora_A.weight`),
          b: get(`${name}.lora_B.weight`),
          scale: lora.scale,
          dropout: lora.dropout ? makeInput(`${name}.dropout`, [rows, inFeatures]) : null,
          dora: lora.dora
            ? {
                magnitude: get(`${name}.lora_magnitude_vector`),
                norm: makeInput(`${name}.weight_norm`, [outFeatures]),
              }
            : null,
        },
      };
    },
  };
}
