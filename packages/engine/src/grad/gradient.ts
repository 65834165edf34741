// In: outputs with their cotangents, and the nodes to differentiate by. Out: one gradient node for each of those.
// Reverse mode at the level of operations. Nothing is evaluated here.
import * as b from '../graph/build.ts';
import { type Node, topological } from '../graph/node.ts';
import { vjpRules } from './vjp.ts';

type AnyRule = (node: Node, dy: Node, attrs: unknown) => (Node | null)[];

/**
 * Gradients of sum(output * cotangent) by each node of `wrt`, in its order; null where no path leads there.
 * Work is done only on paths between `wrt` and the outputs.
 */
export function gradient(outputs: { node: Node; cotangent: Node }[], wrt: readonly Node[]): (Node | null)[] {
  const order = topological(outputs.map((o) => o.node));
  const wanted = new Set(wrt.map((n) => n.id));
  const onPath = new Set<number>();
  for (const node of order) {
    if (wanted.has(node.id) || node.inputs.some((i) => onPath.has(i.id))) onPath.add(node.id);
  }

  const cotangents = new Map<number, Node>();
  const accumulate = (node: Node, dy: Node) => {
    const before = cotangents.get(node.id);
    cotangents.set(node.id, before ? b.add(before, dy) : dy);
  };
  for (const { node, cotangent } of outputs) if (onPath.has(node.id)) accumulate(node, cotangent);

  for (const node of order.reverse()) {
    const dy = cotangents.get(node.id);
    if (!dy || node.inputs.length === 0 || !node.inputs.some((i) => onPath.has(i.id))) continue;
    const parts = (vjpRules[node.op] as AnyRule)(node, dy, node.attrs);
    node.inputs.forEach((input, i) => {
      const part = parts[i];
      if (part && onPath.has(input.id)) accumulate(input, part);
    });
  }
  return wrt.map((n) => cotangents.get(n.id) ?? null);
}
