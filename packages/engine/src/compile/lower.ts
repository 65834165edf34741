// In: a simplified graph. Out: ONNX bytes for one execution provider, and how to feed them.
// Weights, sizes and indices are inputs, so one model serves every layer of a shape and every length. Where the runtime
// has a fused kernel with the same result it is used: Gemm with an accumulated operand, QuickGelu with alpha 1 (SiLU),
// FastGelu, SimplifiedLayerNormalization (RMS norm), RotaryEmbedding, FusedMatMul.
import { EngineError } from '../errors.ts';
import type { Dim } from '../graph/dim.ts';
import { type Graph, isOp, type Node, topological } from '../graph/node.ts';
import type { Op, OpAttrs } from '../graph/op.ts';
import { BLOCKS, type Chain, chainsOf, scanOf, sortKernels } from './blocks.ts';
import { type Attributes, Emitter, LAST, type LowerRule, type LowerRules, MS } from './emitter.ts';
import { encodeModel, type OnnxNode, type OnnxValue } from './proto.ts';
import { CPU, HALT, type Target } from './target.ts';
import { webgpuRules } from './webgpu-rules.ts';

export interface Lowered {
  bytes: Uint8Array;
  /** Inputs that carry data, with their symbolic shapes. */
  inputs: Node<'input'>[];
  /** i64 inputs that carry sizes: the runner evaluates `dims` under the bindings of the run. */
  shapeInputs: { name: string; dims: Dim[] }[];
  /** Scalar f32 inputs that carry one size each. */
  sizeInputs: { name: string; dim: Dim }[];
  outputs: { name: string; node: Node }[];
}

const direct =
  (op: string): LowerRule<Op> =>
  (e, _node, inputs) =>
    e.emit(op, inputs);
type Reduction = 'reduce_sum' | 'reduce_mean' | 'reduce_max';
const reduce =
  (op: string) =>
  (e: Emitter, _node: Node, [x]: string[], { axes, keep }: OpAttrs[Reduction]): string =>
    e.emit(op, [x, e.ints(axes)], { keepdims: keep ? 1 : 0 });

const column = (e: Emitter, x: string) => e.emit('Unsqueeze', [x, e.ints([1])]);

const isGemm = (node: Node): node is Node<'matmul'> => isOp(node, 'matmul') && node.shape.length === 2;

function gemm(e: Emitter, node: Node<'matmul'>, accumulate?: string): string {
  const { transA, transB, alpha } = node.attrs;
  const inputs = node.inputs.map((i) => e.name(i));
  if (accumulate) inputs.push(accumulate);
  const attributes: Attributes = {};
  if (transA) attributes.transA = 1;
  if (transB) attributes.transB = 1;
  if (alpha !== 1) attributes.alpha = { float: alpha };
  return e.emit('Gemm', inputs, attributes);
}

/**
 * The two small factors of LoRA: the kernel copies the accumulated operand on one thread first, which then takes longer
 * than the product and an addition in place.
 */
function isNarrow(product: Node): boolean {
  if (!isGemm(product)) return false;
  const inner = product.inputs[0].shape[product.attrs.transA ? 0 : 1];
  return typeof inner === 'number' && inner <= 64;
}

/** a + b as one Gemm where one side is a product that nobody else needs and the other broadcasts to it. */
export function gemmOfAdd(
  node: Node,
  usedOnce: (n: Node) => boolean,
): { product: Node<'matmul'>; other: Node } | null {
  if (node.op !== 'add' || node.shape.length !== 2) return null;
  const [a, b] = node.inputs;
  for (const [product, other] of [
    [b, a],
    [a, b],
  ] as const) {
    const fits = product.shape.every((d, i) => d === node.shape[i]);
    if (isNarrow(product)) continue;
    if (isGemm(product) && !product.keep && fits && usedOnce(product) && other.shape.length > 0)
      return { product, other };
  }
  return null;
}

const lowerRules: LowerRules = {
  input: (_e, _node, _inputs, { name }) => name,
  constant: (e, _node, _inputs, { value }) => e.scalar(value),
  add: (e, node, inputs) => {
    const fused = gemmOfAdd(node, (n) => e.usedOnce(n));
    return fused ? gemm(e, fused.product, e.name(fused.other)) : e.emit('Add', inputs);
  },
  sub: direct('Sub'),
  mul: direct('Mul'),
  div: direct('Div'),
  neg: direct('Neg'),
  exp: direct('Exp'),
  log: direct('Log'),
  sqrt: direct('Sqrt'),
  sigmoid: direct('Sigmoid'),
  silu: (e, node, [x]) =>
    e.hasSigmoid(node.inputs[0])
      ? e.emit('Mul', [x, e.emit('Sigmoid', [x])])
      : e.emit('QuickGelu', [x], { alpha: { float: 1 } }, MS),
  tanh: direct('Tanh'),
  gelu_tanh: (e, _node, inputs) => e.emit('FastGelu', inputs, {}, MS),
  cast: (e, _node, inputs, { to }) =>
    e.emit('Cast', inputs, { to: { f32: 1, u8: 2, i32: 6, i64: 7, f16: 10 }[to] }),

  matmul: (e, node, inputs, { transA, transB, alpha }) => {
    const rank = node.shape.length;
    if (isGemm(node)) return gemm(e, node);
    if (!transA && !transB && alpha === 1) return e.emit('MatMul', inputs);
    const scaled: Attributes = alpha === 1 ? {} : { alpha: { float: alpha } };
    // The kernel is slow where it must transpose the larger side, such as attention weights: (bᵀ a)ᵀ is the same product.
    if (transA && !transB) {
      const swapped = e.emit('FusedMatMul', [inputs[1], inputs[0]], { ...scaled, transA: 1 }, MS);
      return e.emit('Transpose', [swapped], { perm: [...Array(rank - 2).keys(), rank - 1, rank - 2] });
    }
    const attributes: Attributes = {};
    if (transA) attributes.transA = 1;
    if (transB) attributes.transB = 1;
    return e.emit('FusedMatMul', inputs, { ...attributes, ...scaled }, MS);
  },

  reshape: (e, _node, [x], { shape }) => e.emit('Reshape', [x, e.shape(shape, true)]),
  transpose: (e, _node, inputs, { perm }) => e.emit('Transpose', inputs, { perm }),
  expand: (e, _node, [x], { shape }) => e.emit('Expand', [x, e.shape(shape, false)]),
  concat: (e, _node, inputs, { axis }) => e.emit('Concat', inputs, { axis }),
  slice: (e, _node, [x], { axis, start, end }) =>
    e.emit('Slice', [x, e.ints([start]), e.ints([end]), e.ints([axis])]),
  gather_rows: (e, _node, inputs) => e.emit('Gather', inputs, { axis: 0 }),
  // ScatterND would take the index as it is, but its threads race on rows that occur twice; ScatterElements is serial.
  scatter_rows: (e, node, [dy, index]) => {
    const { shape } = node.inputs[0];
    const zeros = e.emit('Expand', [e.scalar(0), e.shape(node.shape, false)]);
    const axes = shape.slice(1).map((_, i) => i + 1);
    const tall = axes.length > 0 ? e.emit('Unsqueeze', [index, e.ints(axes)]) : index;
    const everywhere = e.emit('Expand', [tall, e.shape(shape, false)]);
    return e.emit('ScatterElements', [zeros, everywhere, dy], { axis: 0, reduction: 'add' });
  },
  pad: (e, _node, [x, slotOf, real], { clear }) => {
    const rows = e.emit('Gather', [x, slotOf], { axis: 0 });
    return clear ? e.emit('Mul', [rows, real]) : rows;
  },
  unpad: (e, _node, [x, , , place]) => e.emit('Gather', [x, place], { axis: 0 }),

  reduce_sum: reduce('ReduceSum'),
  reduce_mean: reduce('ReduceMean'),
  reduce_max: reduce('ReduceMax'),

  softmax: (e, _node, inputs) => e.emit('Softmax', inputs, { axis: LAST }),
  softmax_grad: (e, _node, [y, dy]) => {
    const total = e.emit('ReduceSum', [e.emit('Mul', [y, dy]), e.ints([LAST])], { keepdims: 1 });
    return e.emit('Mul', [y, e.emit('Sub', [dy, total])]);
  },
  rms_norm: (e, _node, inputs, { eps }) =>
    e.emit('SimplifiedLayerNormalization', inputs, { axis: LAST, epsilon: { float: eps } }),
  // The kernel takes [batch, rows, heads * d] and, with one position id, row i of the tables for row i.
  rope: (e, node, [x, cos, sin], { inverse, interleaved }) => {
    const [, heads, d] = node.shape as [Dim, number, number];
    const half = node.inputs[1].shape[2] as number;
    const flat = e.emit('Reshape', [x, e.ints([1, -1, heads * d])]);
    const table = (t: string) => e.emit('Reshape', [t, e.ints([-1, half])]);
    const sine = table(sin);
    const attributes: Attributes = { num_heads: heads, interleaved: interleaved ? 1 : 0 };
    if (2 * half < d) attributes.rotary_embedding_dim = 2 * half;
    const turned = e.emit(
      'RotaryEmbedding',
      [flat, e.ints([0]), table(cos), inverse ? e.emit('Neg', [sine]) : sine],
      attributes,
      MS,
    );
    return e.emit('Reshape', [turned, e.ints([-1, heads, d])]);
  },
  // log(sum(exp(l))) = max(l) - log(max(softmax(l))): one fused pass and two reductions, and no overflow.
  nll: (e, _node, [logits, labels]) => {
    const p = e.emit('Softmax', [logits], { axis: LAST });
    const last = e.ints([LAST]);
    const top = e.emit('ReduceMax', [logits, last], { keepdims: 1 });
    const lse = e.emit('Sub', [top, e.emit('Log', [e.emit('ReduceMax', [p, last], { keepdims: 1 })])]);
    const picked = e.emit('GatherElements', [logits, column(e, labels)], { axis: 1 });
    return e.emit('Reshape', [e.emit('Sub', [lse, picked]), last]);
  },
  nll_grad: (e, _node, [logits, labels, dy]) => {
    const p = e.emit('Softmax', [logits], { axis: LAST });
    const weight = column(e, dy);
    const weighted = e.emit('Mul', [p, weight]);
    return e.emit('ScatterElements', [weighted, column(e, labels), e.emit('Neg', [weight])], {
      axis: 1,
      reduction: 'add',
    });
  },
  argmax: (e, _node, [x]) => e.emit('Cast', [e.emit('ArgMax', [x], { axis: LAST, keepdims: 0 })], { to: 6 }),
};

type AnyRule = (e: Emitter, node: Node, inputs: string[], attrs: unknown) => string;

/** Where kernels cannot read f16, such inputs come as f32 and need no cast; a cast to f16 has no meaning there. */
function wideCast(graph: Graph, node: Node<'cast'>, input: string): string | null {
  if (node.attrs.to === 'f16')
    throw new EngineError({
      code: 'ENGINE_COMPILE_FAILED',
      message: `graph ${graph.name} casts to f16, and this device has no 16-bit floats`,
      remedy: 'Use the cpu backend, or a device whose driver offers 16-bit floats.',
    });
  return node.inputs[0].dtype === 'f16' && node.attrs.to === 'f32' ? input : null;
}

/** Not a kernel of its own that a chain could take: the caller's memory, or a sum that is made in its product. */
const isPartOf = (e: Emitter, node: Node) =>
  e.isOutput(node) || gemmOfAdd(node, (n) => e.usedOnce(n)) !== null;

/** The emitted kernels with each chain in one Scan. */
function inBlocks(e: Emitter, chainOf: ReadonlyMap<OnnxNode, Chain>): OnnxNode[] {
  const users = new Map<string, Set<Chain | undefined>>();
  const kernels = new Map<Chain, OnnxNode[]>();
  for (const node of e.nodes) {
    const chain = chainOf.get(node);
    for (const value of node.inputs) users.set(value, (users.get(value) ?? new Set()).add(chain));
    if (chain) kernels.set(chain, [...(kernels.get(chain) ?? []), node]);
  }
  const constants = new Set([...e.constants.values()].map((c) => c.name));
  const scans = [...kernels].flatMap(([chain, members], i) =>
    scanOf(members, {
      prefix: `chain${i}`,
      parts: e.ints([BLOCKS, -1]),
      whole: e.ints([-1, chain.members[0].shape[1] as number]),
      isConstant: (value) => constants.has(value),
      leaves: (value) => [...(users.get(value) ?? [])].some((user) => user !== chain),
    }),
  );
  return sortKernels([...e.nodes.filter((node) => !chainOf.has(node)), ...scans]);
}

export function lower(graph: Graph, target: Target = CPU): Lowered {
  const order = topological(graph.outputs.values());
  const e = new Emitter(order, [...graph.outputs.values()]);
  const folded = new Set<number>();
  for (const node of order) {
    const fused = gemmOfAdd(node, (n) => e.usedOnce(n));
    if (fused) folded.add(fused.product.id);
  }
  const chains = target.provider === 'cpu' ? chainsOf(order, (n) => isPartOf(e, n)) : new Map<Node, Chain>();
  const chainOfKernel = new Map<OnnxNode, Chain>();
  for (const node of order) {
    if (folded.has(node.id)) continue;
    const before = e.nodes.length;
    const inputs = node.inputs.map((i) => (folded.has(i.id) ? '' : e.name(i)));
    const wide = !target.halfFloats && isOp(node, 'cast') ? wideCast(graph, node, inputs[0]) : null;
    const other = target.provider === 'webgpu' && !isGemm(node) ? webgpuRules[node.op] : undefined;
    const rule = (other ?? lowerRules[node.op]) as AnyRule;
    e.assign(node, wide ?? rule(e, node, inputs, node.attrs));
    const chain = chains.get(node);
    if (chain) for (const kernel of e.nodes.slice(before)) chainOfKernel.set(kernel, chain);
  }
  const nodes = chains.size === 0 ? e.nodes : inBlocks(e, chainOfKernel);

  // Outputs are renamed at their producer, because an Identity would copy. A value that is an input, or that leaves
  // under two names, needs the copy.
  const taken = new Map<string, string>();
  const outputs: Lowered['outputs'] = [];
  for (const [name, node] of graph.outputs) {
    const value = e.name(node);
    const producer = nodes.find((n) => n.outputs[0] === value);
    if (!producer || taken.has(value)) {
      nodes.push({
        op: 'Identity',
        domain: '',
        inputs: [taken.get(value) ?? value],
        outputs: [name],
        attributes: {},
      });
    } else {
      taken.set(value, name);
      producer.outputs[0] = name;
      for (const n of nodes) n.inputs = n.inputs.map((i) => (i === value ? name : i));
    }
    outputs.push({ name, node });
  }

  const shapeInputs = [...e.shapeInputs.values()];
  const sizeInputs = [...e.sizeInputs.values()];
  const value = (name: string, node: Node): OnnxValue => ({
    name,
    type: node.dtype === 'f16' && !target.halfFloats ? 'f32' : node.dtype,
    dims: node.shape.map((d) =>
      typeof d === 'string' ? d.replaceAll('*', '_').replaceAll('+', '_plus_') : d,
    ),
  });
  if (target.halts)
    nodes.push({
      op: 'SequenceConstruct',
      domain: '',
      inputs: [e.scalar(0)],
      outputs: [HALT],
      attributes: {},
    });
  const bytes = encodeModel({
    name: graph.name,
    nodes,
    inputs: [
      ...graph.inputs.map((n) => value(n.attrs.name, n)),
      ...shapeInputs.map((s): OnnxValue => ({ name: s.name, type: 'i64', dims: [s.dims.length] })),
      ...sizeInputs.map((s): OnnxValue => ({ name: s.name, type: 'f32', dims: [] })),
    ],
    outputs: [
      ...(target.halts ? [{ name: HALT, type: 'f32' as const, isSequence: true }] : []),
      ...outputs.map((o) => value(o.name, o.node)),
    ],
    constants: [...e.constants.values()],
  });
  return { bytes, inputs: [...graph.inputs], shapeInputs, sizeInputs, outputs };
}
