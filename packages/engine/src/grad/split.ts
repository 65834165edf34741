// In: a layer as a graph of nodes, and what to differentiate by. Out: a forward graph (outputs and residuals) and a
// backward graph (residuals, forward inputs and cotangents -> gradients).
// Residual policy: `save` returns the nodes marked `keep` that the backward pass needs and recomputes the cheap rest
// from them; `recompute` keeps the layer's inputs only and computes the layer again.
import { invariant } from '../errors.ts';
import { makeInput } from '../graph/build.ts';
import { type Graph, makeGraph, type Node, topological } from '../graph/node.ts';
import { gradient } from './gradient.ts';

export type ResidualPolicy = 'save' | 'recompute';

export interface SplitGraphs {
  /** The layer's outputs, then the residuals under the names of `residuals`. */
  forward: Graph;
  /** Inputs: forward inputs that are needed, residuals, cotangents `d_<output>`. Outputs: `d_<wrt name>`. */
  backward: Graph;
  residuals: string[];
}

export function splitForwardBackward(
  name: string,
  outputs: Record<string, Node>,
  wrt: Record<string, Node>,
  policy: ResidualPolicy,
): SplitGraphs {
  const forwardIds = new Set(topological(Object.values(outputs)).map((n) => n.id));
  const seeds = Object.entries(outputs).map(([key, node]) => ({
    node,
    cotangent: makeInput(`d_${key}`, node.shape, node.dtype),
  }));
  const gradients = gradient(seeds, Object.values(wrt));

  const residuals = new Map<string, Node>();
  const copies = new Map<number, Node>();
  const recall = (root: Node): Node => {
    for (const node of topologicalUntil(root, (n) => copies.has(n.id) || isResidual(n))) {
      if (copies.has(node.id)) continue;
      if (node.op === 'input') copies.set(node.id, node);
      else if (isResidual(node)) {
        const key = `residual_${residuals.size}`;
        residuals.set(key, node);
        copies.set(node.id, makeInput(key, node.shape, node.dtype));
      } else {
        const inputs = node.inputs.map((i) => copies.get(i.id) ?? i);
        copies.set(
          node.id,
          inputs.every((n, i) => n === node.inputs[i]) ? node : { ...node, inputs, keep: false },
        );
      }
    }
    return copies.get(root.id) as Node;
  };
  const isResidual = (node: Node) => policy === 'save' && node.keep && forwardIds.has(node.id);

  const grads: Record<string, Node> = {};
  Object.keys(wrt).forEach((key, i) => {
    const node = gradients[i];
    invariant(node, `no path from ${key} to the outputs of ${name}`);
    grads[`d_${key}`] = recall(node);
  });
  return {
    forward: makeGraph(`${name}_forward`, new Map([...Object.entries(outputs), ...residuals])),
    backward: makeGraph(`${name}_backward`, grads),
    residuals: [...residuals.keys()],
  };
}

/** Like `topological` of one root, without looking behind nodes at which `stop` holds. */
function topologicalUntil(root: Node, stop: (node: Node) => boolean): Node[] {
  const order: Node[] = [];
  const seen = new Set<number>();
  const visit = (node: Node) => {
    if (seen.has(node.id)) return;
    seen.add(node.id);
    if (!stop(node)) for (const input of node.inputs) visit(input);
    order.push(node);
  };
  visit(root);
  return order;
}
