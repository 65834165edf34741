// In: a graph and the sizes of one run. Out: the bytes of scratch that ONNX Runtime's arena takes for it: values between
// operations, casted weights included; inputs and outputs are the caller's memory. It counts, and allocates nothing.
// It follows the runtime's order of execution (graph_viewer.cc) and its reuse of buffers of equal size
// (allocation_planner.cc). Kernels are taken to write nothing in place, as measured.
import { type Bindings, evaluate } from '../graph/dim.ts';
import { type Graph, isOp, type Node, topological } from '../graph/node.ts';
import type { DType, OpAttrs } from '../graph/op.ts';
import { Arena } from './arena.ts';
import { BLOCKS, type Chain, chainsOf } from './blocks.ts';
import { isKnownSize } from './known-size.ts';
import { gemmOfAdd } from './lower.ts';
import { simplify } from './simplify.ts';

const WIDTH: Record<DType, number> = { f32: 4, f16: 2, i32: 4, i64: 8, u8: 1 };

/** One kernel: a value that needs a buffer of its own, unless it is a view or the caller's. */
interface Step {
  value: string;
  bytes: number;
  /** Values that it reads and the arena holds. */
  reads: string[];
  /** The value that it looks at under another shape. */
  viewOf: string | null;
  isOutput: boolean;
  /** Equal for buffers that the planner may exchange; null where it does not know the size. */
  size: string | null;
}

interface Buffer {
  bytes: number;
  first: number;
  last: number;
}

export interface GraphMemory {
  /** What the runtime's arena takes, and keeps until the graph is released. */
  scratch: number;
  /** Bytes of each output. */
  outputs: Map<string, number>;
}

/** `sizes` binds every symbolic size of the graph. */
export function graphMemory(graph: Graph, sizes: Bindings): GraphMemory {
  const outputs = new Map([...graph.outputs].map(([name, node]) => [name, bytesOf(node, sizes)]));
  return { scratch: scratchBytes(graph, sizes), outputs };
}

function bytesOf(node: Node, sizes: Bindings): number {
  return node.shape.reduce((n: number, d) => n * evaluate(d, sizes), WIDTH[node.dtype]);
}

function scratchBytes(graph: Graph, sizes: Bindings): number {
  const steps = stepsOf(simplify(graph).outputs, sizes);
  const buffers = assignBuffers(steps);
  const arena = new Arena();
  const held = new Map<Buffer, number>();
  // The first run leaves free chunks behind, which later runs take in another order and touch where they are still fresh.
  for (let run = 0; run < 3; run++)
    for (let at = 0; at < steps.length; at++) {
      for (const buffer of buffers) if (buffer.first === at) held.set(buffer, arena.allocate(buffer.bytes));
      for (const buffer of buffers) if (buffer.last === at) arena.free(held.get(buffer) as number);
    }
  return arena.touchedBytes;
}

function assignBuffers(steps: readonly Step[]): Buffer[] {
  const reads = new Map<string, number>();
  for (const step of steps) for (const value of step.reads) reads.set(value, (reads.get(value) ?? 0) + 1);
  const buffers: Buffer[] = [];
  const place = new Map<string, Buffer>();
  const left = new Map<Buffer, number>();
  const unused: { buffer: Buffer; size: string }[] = [];
  steps.forEach(({ value, bytes, viewOf, isOutput, size, reads: operands }, at) => {
    let buffer: Buffer | undefined;
    if (viewOf !== null) buffer = place.get(viewOf);
    else if (!isOutput) {
      const found = unused.findIndex((u) => u.size === size);
      if (found >= 0) buffer = unused.splice(found, 1)[0].buffer;
      else {
        buffer = { bytes, first: at, last: at };
        buffers.push(buffer);
      }
    }
    if (buffer) {
      place.set(value, buffer);
      left.set(buffer, (left.get(buffer) ?? 0) + (reads.get(value) ?? 0));
      buffer.last = at;
    }
    for (const operand of operands) {
      const read = place.get(operand);
      if (!read) continue;
      read.last = at;
      const rest = (left.get(read) as number) - 1;
      left.set(read, rest);
      const free = steps.find((s) => s.value === operand)?.size ?? null;
      if (rest === 0 && free !== null) unused.unshift({ buffer: read, size: free });
    }
  });
  return buffers;
}

/** The kernels in the order that they run in: depth first from the outputs, later nodes before earlier ones. */
function stepsOf(outputs: ReadonlyMap<string, Node>, sizes: Bindings): Step[] {
  const order = topological(outputs.values());
  const index = new Map(order.map((n, i) => [n, i]));
  const isOutput = new Set(outputs.values());
  const sums = sumsInProducts(order, isOutput);
  const folded = new Set(sums.values());
  const isCallers = (n: Node) => isOp(n, 'input') || isOp(n, 'constant');
  const sigmoids = new Map(order.flatMap((n) => (isOp(n, 'sigmoid') ? [[n.inputs[0], n] as const] : [])));
  const operandsOf = (node: Node): Node[] => {
    // SiLU is x times the sigmoid, where the graph needs that one anyway.
    const sigmoid = isOp(node, 'silu') ? sigmoids.get(node.inputs[0]) : undefined;
    const all = [...node.inputs, ...(sigmoid ? [sigmoid] : [])];
    return all.flatMap((n) => (folded.has(n) ? n.inputs : [n])).filter((n) => !isCallers(n));
  };
  const kernels = order.filter((n) => !isCallers(n) && !folded.has(n));
  const users = Map.groupBy(
    kernels.flatMap((user) => operandsOf(user).map((operand) => ({ user, operand }))),
    ({ operand }) => operand,
  );
  const chains = chainsOf(order, (n) => isOutput.has(n) || sums.has(n));
  /** What runs as one kernel. */
  const unitOf = (node: Node): Unit => chains.get(node) ?? { members: [node] };
  const readsOf = ({ members }: Unit): Node[] => {
    const own = new Set(members);
    return [...new Set(members.flatMap(operandsOf).filter((n) => !own.has(n)))];
  };
  const known = new Map<Node, boolean[]>();
  const stepsOfUnit = (unit: Unit): Step[] => {
    const reads = readsOf(unit).map((n) => String(n.id));
    const isChain = unit.members.length > 1;
    const made = unit.members.flatMap((node) => {
      const bytes = bytesOf(node, sizes);
      const columns = evaluate(node.shape.at(-1) ?? 1, sizes);
      const isKnown = isKnownSize(node, known).every(Boolean);
      const size = isKnown ? `${WIDTH[node.dtype]}:${node.shape.join(',')}` : null;
      if (!isChain) return expand(node, { bytes, size, reads, columns, isOutput: isOutput.has(node) });
      const leaves = users.get(node)?.some(({ user }) => !unit.members.includes(user));
      return leaves
        ? [{ value: String(node.id), bytes, reads, viewOf: null, isOutput: false, size: null }]
        : [];
    });
    if (!isChain) return made;
    // A block of every value, whatever else is made.
    const bytes = (unit.members.length * bytesOf(unit.members[0], sizes)) / BLOCKS;
    const block = {
      value: `block.${unit.members[0].id}`,
      bytes,
      reads,
      viewOf: null,
      isOutput: false,
      size: null,
    };
    return [block, ...made];
  };
  const steps: Step[] = [];
  const seen = new Set<Node>();
  const stack = kernels.filter((n) => !users.has(n)).map((node) => ({ node, isLeaving: false }));
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { node, isLeaving } = top;
    const unit = unitOf(node);
    if (isLeaving) {
      steps.push(...stepsOfUnit(unit));
      continue;
    }
    if (seen.has(node)) continue;
    for (const member of unit.members) seen.add(member);
    stack.push({ node, isLeaving: true });
    const next = readsOf(unit).sort((a, b) => (index.get(a) as number) - (index.get(b) as number));
    for (const operand of next) if (!seen.has(operand)) stack.push({ node: operand, isLeaving: false });
  }
  return steps;
}

/** A kernel, or the kernels of a chain that runs in blocks. */
type Unit = Chain;

/** Sums that are made in one of their operands, a product. */
function sumsInProducts(order: readonly Node[], isOutput: ReadonlySet<Node>): Map<Node, Node> {
  const users = new Map<Node, number>();
  for (const node of order) for (const i of node.inputs) users.set(i, (users.get(i) ?? 0) + 1);
  const fused = order.map((node) => gemmOfAdd(node, (n) => users.get(n) === 1 && !isOutput.has(n)));
  return new Map(fused.flatMap((f, i) => (f ? [[order[i], f.product] as const] : [])));
}

/** The kernels that one operation is lowered to, where there are several that need memory. */
function expand(
  node: Node,
  {
    bytes,
    size,
    reads,
    isOutput,
    columns,
  }: Pick<Step, 'bytes' | 'size' | 'reads' | 'isOutput'> & { columns: number },
): Step[] {
  const value = String(node.id);
  const inner = (name: string, from: string[], factor = 1): Step => ({
    value: `${value}.${name}`,
    bytes: factor * bytes,
    reads: from,
    viewOf: null,
    isOutput: false,
    size,
  });
  const last = (from: string[]): Step => ({ value, bytes, reads: from, viewOf: null, isOutput, size });
  const at = (name: string) => `${value}.${name}`;
  switch (node.op) {
    case 'reshape':
      return [{ ...last(reads), viewOf: isOutput ? null : (reads[0] ?? value) }];
    case 'matmul': {
      // A product with its first side transposed is made the other way round, and turned.
      const { transA, transB } = node.attrs as OpAttrs['matmul'];
      const isTurned = node.shape.length > 2 && transA && !transB;
      return isTurned ? [inner('swapped', reads), last([at('swapped')])] : [last(reads)];
    }
    case 'pad':
      return (node.attrs as OpAttrs['pad']).clear
        ? [inner('rows', reads), last([at('rows')])]
        : [last(reads)];
    case 'softmax_grad': {
      const [y, dy] = node.inputs.map((n) => String(n.id));
      return [
        inner('product', [y, dy]),
        { ...inner('sum', [at('product')]), bytes: bytes / columns, size: null },
        inner('centred', [dy, at('sum')]),
        last([y, at('centred')]),
      ];
    }
    case 'scatter_rows':
      return [inner('zeros', []), inner('index', [], 2), last([...reads, at('zeros'), at('index')])];
    default:
      return [last(reads)];
  }
}
