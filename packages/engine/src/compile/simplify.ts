// In: a graph. Out: an equal graph with common subexpressions merged and arithmetic on constants and neutral elements
// removed. Nothing that changes rounding is done here.
import { concat, constant, expand } from '../graph/build.ts';
import { type Dim, sameShape } from '../graph/dim.ts';
import { type Graph, isOp, makeGraph, type Node, topological } from '../graph/node.ts';

const isConstant = (node: Node, value: number) => isOp(node, 'constant') && node.attrs.value === value;

const isZeros = (node: Node) => isOp(node, 'expand') && isConstant(node.inputs[0], 0);

/**
 * The sum of two arrays that are each zero where the other is not, as one array. Gradients of slices come as such sums:
 * one per slice, of the whole width.
 */
function joinParts(a: Node, b: Node): Node | null {
  if (!isOp(a, 'concat') || !isOp(b, 'concat') || a.keep || b.keep || a.attrs.axis !== b.attrs.axis)
    return null;
  const { axis } = a.attrs;
  const places: { start: number; end: number; part: Node }[] = [];
  for (const { inputs } of [a, b]) {
    let end = 0;
    for (const part of inputs) {
      const size: Dim = part.shape[axis];
      if (typeof size !== 'number') return null;
      end += size;
      if (!isZeros(part)) places.push({ start: end - size, end, part });
    }
  }
  places.sort((p, q) => p.start - q.start);
  const parts: Node[] = [];
  let at = 0;
  const zerosTo = (start: number) => {
    if (start > at) {
      const shape = a.shape.map((d, i) => (i === axis ? start - at : d));
      parts.push(expand(constant(0), shape));
    }
  };
  for (const { start, end, part } of places) {
    if (start < at) return null;
    zerosTo(start);
    parts.push(part);
    at = end;
  }
  zerosTo(a.shape[axis] as number);
  return concat(parts, axis);
}

function fold(node: Node): Node {
  const [a, b] = node.inputs;
  const same = (x: Node) => sameShape(x.shape, node.shape);
  switch (node.op) {
    case 'add':
      if (isConstant(a, 0) && same(b)) return b;
      if (isConstant(b, 0) && same(a)) return a;
      return joinParts(a, b) ?? node;
    case 'mul':
      if (isConstant(a, 1) && same(b)) return b;
      if (isConstant(b, 1) && same(a)) return a;
      break;
    case 'neg':
      if (isOp(a, 'neg')) return a.inputs[0];
      if (isOp(a, 'constant')) return constant(-a.attrs.value);
      break;
    case 'reshape':
      if (same(a)) return a;
      if (isOp(a, 'reshape') && !a.keep) return fold({ ...node, inputs: a.inputs });
      break;
    case 'expand':
      if (same(a)) return a;
      break;
    case 'transpose': {
      const { perm } = node.attrs as { perm: number[] };
      if (perm.every((p, i) => p === i)) return a;
      if (isOp(a, 'transpose') && !a.keep) {
        const inner = a.attrs.perm;
        const joined = perm.map((p) => inner[p]);
        return fold({ ...node, attrs: { perm: joined }, inputs: a.inputs });
      }
      break;
    }
  }
  return node;
}

/** JSON has no infinities, no NaN and no -0; two constants that differ must have different keys. */
const exactNumber = (_key: string, value: unknown) =>
  typeof value === 'number' ? (Object.is(value, -0) ? '-0' : String(value)) : value;

export function simplify(graph: Graph): Graph {
  const replaced = new Map<number, Node>();
  const known = new Map<string, Node>();
  for (const node of topological(graph.outputs.values())) {
    const inputs = node.inputs.map((i) => replaced.get(i.id) as Node);
    let next = inputs.every((n, i) => n === node.inputs[i]) ? node : { ...node, inputs };
    next = fold(next);
    const key = `${next.op}|${JSON.stringify(next.attrs, exactNumber)}|${next.inputs.map((i) => i.id).join(',')}`;
    const twin = known.get(key);
    if (twin) next = twin;
    else known.set(key, next);
    replaced.set(node.id, next);
  }
  const outputs = new Map([...graph.outputs].map(([name, node]) => [name, replaced.get(node.id) as Node]));
  return makeGraph(graph.name, outputs);
}
