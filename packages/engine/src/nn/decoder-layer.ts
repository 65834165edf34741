// In: a layer spec. Out: one decoder layer as graphs: forward, forward and backward for training, and a step over a
// key-value cache. Llama, Mistral, Qwen2 and Qwen3 differ only in the spec and in the mask that they are fed.
import { type ResidualPolicy, type SplitGraphs, splitForwardBackward } from '../grad/split.ts';
import { type Grid, keep, makeInput, mul, reshape, rmsNorm, rope, silu } from '../graph/build.ts';
import type { Dim } from '../graph/dim.ts';
import { type Graph, makeGraph, type Node } from '../graph/node.ts';
import { cachedAttention, packedAttention } from './attention.ts';
import { type LayerSpec, layerParameters, loraParameters, type ProjectionName } from './layer-spec.ts';
import { type LinearNodes, linear } from './linear.ts';

/** What the backward pass returns gradients for. */
export interface LayerGradients {
  /** The layer's input; off for the lowest trained layer over a frozen embedding. */
  input: boolean;
  parameters: 'lora' | 'none' | readonly string[];
}

type Attend = (q: Node, k: Node, v: Node) => Node;

interface LayerNodes {
  parameters: Map<string, Node>;
  projection(name: ProjectionName): LinearNodes;
}

function declareParameters(spec: LayerSpec, rows: Dim, trained: readonly string[]): LayerNodes {
  const parameters = new Map<string, Node>();
  for (const [name, shape] of layerParameters(spec)) {
    const projection = spec.projections[name.replace(/\.weight$/, '') as ProjectionName];
    const dtype = projection && !trained.includes(name) ? projection.dtype : 'f32';
    parameters.set(name, makeInput(name, shape, dtype));
  }
  for (const [name, shape] of loraParameters(spec)) parameters.set(name, makeInput(name, shape));
  const get = (name: string) => parameters.get(name) as Node;
  return {
    parameters,
    projection(name) {
      const { bias, lora, inFeatures } = spec.projections[name];
      return {
        weight: get(`${name}.weight`),
        bias: bias ? get(`${name}.bias`) : null,
        lora: lora && {
          a: get(`${name}.lora_A.weight`),
          b: get(`${name}.lora_B.weight`),
          scale: lora.scale,
          dropout: lora.dropout ? makeInput(`${name}.dropout`, [rows, inFeatures]) : null,
        },
      };
    },
  };
}

/** x [rows, hidden] -> y [rows, hidden]: pre-norm attention and SwiGLU, each added to the residual stream. */
function layerBody(spec: LayerSpec, x: Node, nodes: LayerNodes, rows: Dim, attend: Attend): Node {
  const { heads, kvHeads, headDim: d, rmsNormEps: eps } = spec;
  const weight = (name: string) => nodes.parameters.get(name) as Node;
  const cos = makeInput('cos', [rows, 1, d / 2]);
  const sin = makeInput('sin', [rows, 1, d / 2]);

  const normed = rmsNorm(x, weight('input_layernorm.weight'), eps);
  const rotated = (name: 'q' | 'k', count: number) => {
    let y = reshape(linear(normed, nodes.projection(`self_attn.${name}_proj`)), [rows, count, d]);
    if (spec.qkNorm) y = rmsNorm(keep(y), weight(`self_attn.${name}_norm.weight`), eps);
    const turned = rope(y, cos, sin);
    return reshape(spec.qkNorm ? turned : keep(turned), [rows, count * d]);
  };
  const v = keep(linear(normed, nodes.projection('self_attn.v_proj')));
  const attended = keep(attend(rotated('q', heads), rotated('k', kvHeads), v));
  const middle = keep(linear(attended, nodes.projection('self_attn.o_proj'), x));

  const normed2 = rmsNorm(middle, weight('post_attention_layernorm.weight'), eps);
  const gate = keep(linear(normed2, nodes.projection('mlp.gate_proj')));
  const up = keep(linear(normed2, nodes.projection('mlp.up_proj')));
  return linear(mul(silu(gate), up), nodes.projection('mlp.down_proj'), middle);
}

function packedLayer(spec: LayerSpec, trained: readonly string[]) {
  const x = makeInput('x', ['N', spec.hidden]);
  const nodes = declareParameters(spec, 'N', trained);
  const mask = makeInput('mask', ['T', 'T']);
  const grid: Grid = {
    slotOf: reshape(makeInput('slot_of', ['B', 'T'], 'i32'), ['B*T']),
    real: reshape(makeInput('real', ['B', 'T']), ['B*T', 1]),
    place: makeInput('place', ['N'], 'i32'),
  };
  const y = layerBody(spec, x, nodes, 'N', (q, k, v) => packedAttention(q, k, v, mask, grid, spec));
  return { x, y, nodes };
}

/** Forward only, for evaluation and for frozen layers below the lowest trained one. */
export function layerForward(spec: LayerSpec): Graph {
  return makeGraph('layer_forward', { y: packedLayer(spec, []).y });
}

/**
 * Forward and backward of a layer over packed rows. Inputs: x [N, hidden], cos and sin [N, 1, d/2], mask [T, T],
 * slot_of i32 [B, T] (which row stands in a slot), real [B, T] (1 or 0), place i32 [N] (the slot of a row), parameters
 * by name, `<projection>.dropout` masks. Outputs: y; gradients d_x and d_<parameter>.
 */
export function layerTraining(
  spec: LayerSpec,
  gradients: LayerGradients,
  policy: ResidualPolicy,
): SplitGraphs {
  const names =
    gradients.parameters === 'lora'
      ? [...loraParameters(spec).keys()]
      : gradients.parameters === 'none'
        ? []
        : [...gradients.parameters];
  const { x, y, nodes } = packedLayer(spec, names);
  const wrt: Record<string, Node> = gradients.input ? { x } : {};
  for (const name of names) wrt[name] = nodes.parameters.get(name) as Node;
  return splitForwardBackward('layer', { y }, wrt, policy);
}

/**
 * T positions of B rows over a key-value cache. Inputs: x [B, T, hidden], cos and sin [B*T, 1, d/2], mask
 * [B, 1, group * T, P + T], past_k and past_v [P, B, kv, d], parameters.
 * Outputs: y, and new_k, new_v [T, B, kv, d].
 */
export function layerCached(spec: LayerSpec): Graph {
  const rows = 'B*T';
  const group = spec.heads / spec.kvHeads;
  const x = reshape(makeInput('x', ['B', 'T', spec.hidden]), [rows, spec.hidden]);
  const nodes = declareParameters(spec, rows, []);
  const mask = makeInput('mask', ['B', 1, group === 1 ? 'T' : `${group}*T`, 'P+T']);
  const shape = ['P', 'B', spec.kvHeads, spec.headDim];
  const past = { k: makeInput('past_k', shape), v: makeInput('past_v', shape) };
  let fresh: { newK: Node; newV: Node } | undefined;
  const y = layerBody(spec, x, nodes, rows, (q, k, v) => {
    const { output, newK, newV } = cachedAttention(q, k, v, past, mask, spec);
    fresh = { newK, newV };
    return output;
  });
  const { newK, newV } = fresh as { newK: Node; newV: Node };
  return makeGraph('layer_cached', { y: reshape(y, ['B', 'T', spec.hidden]), new_k: newK, new_v: newV });
}
