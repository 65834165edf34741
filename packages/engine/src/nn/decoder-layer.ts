// In: a layer spec. Out: one decoder layer as graphs: forward, forward and backward for training, and a step over a
// key-value cache. Architectures differ only in the spec, and in the masks and rope tables that their layers are fed.
import { type ResidualPolicy, type SplitGraphs, splitForwardBackward } from '../grad/split.ts';
import { add, type Grid, keep, makeInput, mul, reshape, rmsNorm, rope, slice } from '../graph/build.ts';
import type { Dim } from '../graph/dim.ts';
import { type Graph, makeGraph, type Node } from '../graph/node.ts';
import { cachedAttention, packedAttention } from './attention.ts';
import {
  ACTIVATIONS,
  declareParameters,
  type LayerNodes,
  type TrainedParameters,
  trainedNames,
} from './declare.ts';
import { type LayerSpec, layerParameters } from './layer-spec.ts';
import { linear, linears } from './linear.ts';

/** What the backward pass returns gradients for. */
export interface LayerGradients {
  /** The layer's input; off for the lowest trained layer over a frozen embedding. */
  input: boolean;
  parameters: TrainedParameters;
}

type Attend = (q: Node, k: Node, v: Node) => Node;

/**
 * x [rows, hidden] -> y [rows, hidden]: attention and a gated MLP, each normed before and added to the residual stream. With
 * experts: the stream after attention, the hidden rows that experts take in, and the router's logits [rows, experts].
 */
function layerBody(
  spec: LayerSpec,
  x: Node,
  nodes: LayerNodes,
  rows: Dim,
  attend: Attend,
): Record<string, Node> {
  const { heads, kvHeads, headDim: d, norms, rotaryDim, ropeInterleaved: interleaved } = spec;
  const cos = makeInput('cos', [rows, 1, rotaryDim / 2]);
  const sin = makeInput('sin', [rows, 1, rotaryDim / 2]);
  const norm = (y: Node, name: string) => {
    const weight = nodes.parameters.get(`${name}.weight`) as Node;
    return rmsNorm(y, spec.normOffset === 0 ? weight : add(weight, spec.normOffset), spec.rmsNormEps);
  };
  /** The outputs of several projections, or of one that holds them all. */
  const projected = (y: Node, names: readonly string[], fused: string, widths: readonly number[]): Node[] => {
    if (!(fused in spec.projections))
      return linears(
        y,
        names.map((name) => nodes.projection(name)),
      );
    const all = linear(y, nodes.projection(fused));
    let end = 0;
    return widths.map((width) => {
      end += width;
      return slice(all, 1, end - width, end);
    });
  };
  /** The residual stream with the output of a block, which has a norm of its own in some layers. */
  const joined = (stream: Node, y: Node, name: string, after: string | null) =>
    after
      ? add(stream, norm(keep(linear(y, nodes.projection(name))), after))
      : linear(y, nodes.projection(name), stream);

  const normed = norm(x, norms.beforeAttention);
  const names = ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'];
  const widths = [heads * d, kvHeads * d, kvHeads * d];
  const [q, k, v] = projected(normed, names, 'self_attn.qkv_proj', widths);
  const rotated = (flat: Node, name: string, count: number) => {
    let y = reshape(flat, [rows, count, d]);
    if (spec.qkNorm) y = norm(keep(y), `self_attn.${name}_norm`);
    const turned = rope(y, cos, sin, { interleaved });
    return reshape(spec.qkNorm ? turned : keep(turned), [rows, count * d]);
  };
  const attended = keep(attend(rotated(q, 'q', heads), rotated(k, 'k', kvHeads), keep(v)));
  const middle = keep(joined(x, attended, 'self_attn.o_proj', norms.afterAttention));

  const normed2 = norm(middle, norms.beforeMlp);
  if (spec.router)
    return { middle, hidden: normed2, logits: linear(normed2, nodes.projection(spec.router.name)) };
  const width = spec.projections['mlp.down_proj'].inFeatures;
  const [gate, up] = projected(normed2, ['mlp.gate_proj', 'mlp.up_proj'], 'mlp.gate_up_proj', [width, width]);
  const inner = mul(ACTIVATIONS[spec.activation](keep(gate)), keep(up));
  return { y: joined(middle, inner, 'mlp.down_proj', norms.afterMlp) };
}

/** One mask [T, T] for all rows of the grid, or one for each: [B, 1, 1, T, T]. */
export type MaskKind = 'shared' | 'per_row';

function packedLayer(spec: LayerSpec, trained: readonly string[], masks: MaskKind) {
  const x = makeInput('x', ['N', spec.hidden]);
  const nodes = declareParameters(spec, layerParameters(spec), 'N', trained);
  const mask = makeInput('mask', masks === 'shared' ? ['T', 'T'] : ['B', 1, 1, 'T', 'T']);
  const grid: Grid = {
    slotOf: reshape(makeInput('slot_of', ['B', 'T'], 'i32'), ['B*T']),
    real: reshape(makeInput('real', ['B', 'T']), ['B*T', 1]),
    place: makeInput('place', ['N'], 'i32'),
  };
  const outputs = layerBody(spec, x, nodes, 'N', (q, k, v) => packedAttention(q, k, v, mask, grid, spec));
  return { x, outputs, nodes };
}

/** Forward only, for evaluation and for frozen layers below the lowest trained one. */
export function layerForward(spec: LayerSpec, masks: MaskKind = 'shared'): Graph {
  return makeGraph('layer_forward', packedLayer(spec, [], masks).outputs);
}

/**
 * Forward and backward of a layer over packed rows. Inputs: x [N, hidden], cos and sin [N, 1, d/2], mask (see MaskKind),
 * slot_of i32 [B, T] (which row stands in a slot), real [B, T] (1 or 0), place i32 [N] (the slot of a row), parameters
 * by name, `<projection>.dropout` masks, `<projection>.weight_norm` with DoRA (dora.ts). Outputs: y, or those of a layer with
 * experts (see layerBody); gradients d_x and d_<parameter>.
 */
export function layerTraining(
  spec: LayerSpec,
  gradients: LayerGradients,
  policy: ResidualPolicy,
  masks: MaskKind = 'shared',
): SplitGraphs {
  const names = trainedNames(spec, gradients.parameters);
  const { x, outputs, nodes } = packedLayer(spec, names, masks);
  const wrt: Record<string, Node> = gradients.input ? { x } : {};
  for (const name of names) wrt[name] = nodes.parameters.get(name) as Node;
  return splitForwardBackward('layer', outputs, wrt, policy);
}

/**
 * T positions of B rows over a key-value cache. Inputs: x [B, T, hidden], cos and sin [B*T, 1, d/2], mask
 * [B, 1, group * T, P + T], past_k and past_v [P, B, kv, d], parameters.
 * Outputs: y, and new_k, new_v [T, B, kv, d]; with experts what layerBody says, [B*T, …], in place of y.
 */
export function layerCached(spec: LayerSpec): Graph {
  const rows = 'B*T';
  const group = spec.heads / spec.kvHeads;
  const x = reshape(makeInput('x', ['B', 'T', spec.hidden]), [rows, spec.hidden]);
  const nodes = declareParameters(spec, layerParameters(spec), rows, []);
  const mask = makeInput('mask', ['B', 1, group === 1 ? 'T' : `${group}*T`, 'P+T']);
  const shape = ['P', 'B', spec.kvHeads, spec.headDim];
  const past = { k: makeInput('past_k', shape), v: makeInput('past_v', shape) };
  let fresh: { newK: Node; newV: Node } | undefined;
  const body = layerBody(spec, x, nodes, rows, (q, k, v) => {
    const { output, newK, newV } = cachedAttention(q, k, v, past, mask, spec);
    fresh = { newK, newV };
    return output;
  });
  const { newK, newV } = fresh as { newK: Node; newV: Node };
  const outputs = spec.router ? body : { y: reshape(body.y, ['B', 'T', spec.hidden]) };
  return makeGraph('layer_cached', { ...outputs, new_k: newK, new_v: newV });
}
