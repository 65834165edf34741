// In: a graph and values for its inputs. Out: the values of its outputs, computed one node at a time in float64.
// Slow and plain on purpose: the oracle for tests and for the `reference` backend. Nothing is simplified or lowered.
import { EngineError } from '../errors.ts';
import { evaluate } from '../graph/dim.ts';
import { type Graph, isOp, type Node, topological } from '../graph/node.ts';
import type { Op } from '../graph/op.ts';
import { bindFeeds } from './feeds.ts';
import { elementCount } from './host-tensor.ts';
import { type HostValue, referenceRules } from './reference-rules.ts';

export type { HostValue } from './reference-rules.ts';

type AnyRule = (attrs: unknown, inputs: HostValue[], result: { dims: number[] }) => Float64Array;

/** Values by output name. `feeds` holds one value per input name; symbols take their sizes from it. */
export function evaluateReference(
  graph: Graph,
  feeds: ReadonlyMap<string, HostValue>,
): Map<string, HostValue> {
  const bindings = bindSymbols(graph, feeds);
  const values = new Map<number, HostValue>();
  for (const node of topological(graph.outputs.values())) {
    const dims = node.shape.map((d) => evaluate(d, bindings));
    const inputs = isOp(node, 'input')
      ? [feeds.get(node.attrs.name) as HostValue]
      : node.inputs.map((i) => values.get(i.id) as HostValue);
    const rule = referenceRules[node.op] as AnyRule;
    const data = rule(node.attrs, inputs, { dims });
    if (data.length !== elementCount(dims)) throw wrongSize(node, dims, inputs);
    values.set(node.id, { dims, dtype: node.dtype, data });
  }
  return new Map([...graph.outputs].map(([name, node]) => [name, values.get(node.id) as HostValue]));
}

/** Checks the feeds and reads the sizes of the symbols off them. */
export function bindSymbols(graph: Graph, feeds: ReadonlyMap<string, HostValue>): Map<string, number> {
  const bindings = bindFeeds(graph.name, graph.inputs, Object.fromEntries(feeds));
  for (const { attrs } of graph.inputs) {
    const { dims, data } = feeds.get(attrs.name) as HostValue;
    if (data.length !== elementCount(dims))
      throw new EngineError({
        code: 'ENGINE_BAD_SHAPE',
        message: `input ${attrs.name}: expected ${elementCount(dims)} elements for [${dims.join(', ')}], found ${data.length}`,
        remedy: `Feed ${attrs.name} with as many elements as its sizes say.`,
      });
  }
  return bindings;
}

function wrongSize(node: Node<Op>, dims: number[], inputs: HostValue[]): EngineError {
  const found = inputs.map((i) => `[${i.dims.join(', ')}]`).join(' and ');
  return new EngineError({
    code: 'ENGINE_BAD_SHAPE',
    message: `${node.op}: expected operands that give [${dims.join(', ')}], found ${found}`,
    remedy: `Feed sizes that suit the operands of ${node.op}.`,
  });
}
