// In: nothing. Out: what a node of a static single-assignment graph is, and a graph as what its outputs can reach.
// Nodes are immutable; build.ts makes them.
import type { Dim } from './dim.ts';
import type { DType, Op, OpAttrs } from './op.ts';

export interface Node<O extends Op = Op> {
  readonly id: number;
  readonly op: O;
  readonly attrs: OpAttrs[O];
  readonly inputs: readonly Node[];
  readonly shape: readonly Dim[];
  readonly dtype: DType;
  /** Dear to recompute: the `save` residual policy keeps it for the backward pass. */
  readonly keep: boolean;
}

/** Named outputs; the order of `inputs` is the order of first use. */
export interface Graph {
  readonly name: string;
  readonly inputs: readonly Node<'input'>[];
  readonly outputs: ReadonlyMap<string, Node>;
}

export function isOp<O extends Op>(node: Node, op: O): node is Node<O> {
  return node.op === op;
}

/** Every node that the roots depend on, inputs before users, in a stable order. */
export function topological(roots: Iterable<Node>): Node[] {
  const order: Node[] = [];
  const state = new Map<number, 'open' | 'done'>();
  const stack: { node: Node; next: number }[] = [];
  for (const root of roots) {
    if (state.has(root.id)) continue;
    stack.push({ node: root, next: 0 });
    state.set(root.id, 'open');
    while (stack.length > 0) {
      const top = stack[stack.length - 1];
      if (top.next < top.node.inputs.length) {
        const child = top.node.inputs[top.next++];
        if (!state.has(child.id)) {
          state.set(child.id, 'open');
          stack.push({ node: child, next: 0 });
        }
      } else {
        state.set(top.node.id, 'done');
        order.push(top.node);
        stack.pop();
      }
    }
  }
  return order;
}

export function makeGraph(name: string, outputs: Record<string, Node> | ReadonlyMap<string, Node>): Graph {
  const map = outputs instanceof Map ? outputs : new Map(Object.entries(outputs as Record<string, Node>));
  const inputs = topological(map.values()).filter((n): n is Node<'input'> => isOp(n, 'input'));
  return { name, inputs, outputs: map };
}
