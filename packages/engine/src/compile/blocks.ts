// In: a graph in order. Out: which chains of elementwise operations over one large shape run block by block, so that what
// one of them writes is still in the cache when the next one reads it; and such a chain as one ONNX Scan. Each element is
// computed by the same kernels in the same order: results are equal to the bit. Only for the CPU.
import type { Dim } from '../graph/dim.ts';
import type { Node } from '../graph/node.ts';
import type { Op } from '../graph/op.ts';
import type { OnnxNode } from './proto.ts';

/** Blocks of an array. At 1,024 rows of 4,864 floats a block has 0.3 MB; from 16 to 128 blocks no difference was seen. */
export const BLOCKS = 64;
/** Narrower arrays stay in the cache as they are. */
const MIN_COLUMNS = 2048;
/** For two operations the Scan costs what it saves. */
const MIN_OPERATIONS = 3;

const ELEMENTWISE: ReadonlySet<Op> = new Set([
  'add',
  'sub',
  'mul',
  'div',
  'neg',
  'exp',
  'sigmoid',
  'silu',
  'tanh',
  'gelu_tanh',
] as const);

/** Nodes of one shape, none of which depends on another through a node outside. */
export interface Chain {
  members: Node[];
}

/** `isFolded`: nodes that are not kernels of their own, or are part of a product. */
export function chainsOf(order: readonly Node[], isFolded: (node: Node) => boolean): Map<Node, Chain> {
  const chainOf = new Map<Node, Chain>();
  const open = new Map<string, Chain>();
  /** Chains that a node depends on through a node outside them. */
  const behind = new Map<Node, Set<Chain>>();
  for (const node of order) {
    const passed = new Set<Chain>();
    const reached = new Set<Chain>();
    for (const input of node.inputs) {
      for (const chain of behind.get(input) ?? []) passed.add(chain);
      const chain = chainOf.get(input);
      if (chain) reached.add(chain);
    }
    let own: Chain | undefined;
    if (isLarge(node.shape) && isElementwise(node) && !isFolded(node)) {
      const key = node.shape.join(',');
      own = open.get(key);
      if (!own || passed.has(own)) {
        own = { members: [] };
        open.set(key, own);
      }
      own.members.push(node);
      chainOf.set(node, own);
    }
    for (const chain of reached) if (chain !== own) passed.add(chain);
    behind.set(node, passed);
  }
  for (const [node, { members }] of chainOf) if (members.length < MIN_OPERATIONS) chainOf.delete(node);
  return chainOf;
}

const isLarge = (shape: readonly Dim[]) =>
  shape.length === 2 && typeof shape[1] === 'number' && shape[1] >= MIN_COLUMNS && shape[1] % BLOCKS === 0;

/** Every operand has the shape of the result or is a constant. */
const isElementwise = (node: Node) =>
  ELEMENTWISE.has(node.op) &&
  node.dtype === 'f32' &&
  node.inputs.every((input) => input.op === 'constant' || input.shape.join(',') === node.shape.join(','));

/**
 * The kernels of a chain as one Scan. `isConstant` tells scalars, which every block reads as they are; `leaves` tells which
 * values are read outside. Prefix and constants (shapes of the blocks and of the whole) must be the caller's own.
 */
export function scanOf(
  kernels: readonly OnnxNode[],
  {
    prefix,
    parts,
    whole,
    isConstant,
    leaves,
  }: {
    prefix: string;
    parts: string;
    whole: string;
    isConstant(value: string): boolean;
    leaves(value: string): boolean;
  },
): OnnxNode[] {
  const made = new Set(kernels.flatMap((node) => node.outputs));
  const read = new Set(kernels.flatMap((node) => node.inputs));
  const taken = [...read].filter((value) => !made.has(value) && !isConstant(value));
  const given = [...made].filter(leaves);
  const inner = (value: string) => (isConstant(value) ? value : `${prefix}_${value}`);
  const stacked = (value: string) => `${prefix}_all_${value}`;
  const reshape = (input: string, output: string, shape: string): OnnxNode => ({
    op: 'Reshape',
    domain: '',
    inputs: [input, shape],
    outputs: [output],
    attributes: {},
  });
  const block = (value: string) => ({ name: inner(value), type: 'f32' as const, dims: ['block'] });
  const body = {
    name: prefix,
    nodes: kernels.map((node) => ({
      ...node,
      inputs: node.inputs.map(inner),
      outputs: node.outputs.map(inner),
    })),
    inputs: taken.map(block),
    outputs: given.map(block),
    constants: [],
  };
  return [
    ...taken.map((value) => reshape(value, stacked(value), parts)),
    {
      op: 'Scan',
      domain: '',
      inputs: taken.map(stacked),
      outputs: given.map(stacked),
      attributes: { num_scan_inputs: taken.length, body: { graph: body } },
    },
    ...given.map((value) => reshape(stacked(value), value, whole)),
  ];
}

/** Producers before users, otherwise in the given order. */
export function sortKernels(nodes: readonly OnnxNode[]): OnnxNode[] {
  const producer = new Map(nodes.flatMap((node) => node.outputs.map((value) => [value, node] as const)));
  const placed = new Set<OnnxNode>();
  const result: OnnxNode[] = [];
  const place = (node: OnnxNode) => {
    if (placed.has(node)) return;
    placed.add(node);
    for (const input of node.inputs) {
      const from = producer.get(input);
      if (from) place(from);
    }
    result.push(node);
  };
  for (const node of nodes) place(node);
  return result;
}
