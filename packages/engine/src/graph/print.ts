// In: a graph. Out: text with one line per node, stable from run to run, for reading and for snapshots.
import { type Graph, topological } from './node.ts';

export function printGraph(graph: Graph): string {
  const nodes = topological(graph.outputs.values());
  const names = new Map<number, string>();
  let temporaries = 0;
  const lines = [`graph ${graph.name}`];
  for (const node of nodes) {
    const type = `${node.dtype}[${node.shape.join(', ')}]`;
    if (node.op === 'input') {
      names.set(node.id, (node.attrs as { name: string }).name);
      lines.push(`  ${names.get(node.id)}: ${type}`);
      continue;
    }
    const name = `%${temporaries++}`;
    names.set(node.id, name);
    const attrs = Object.entries(node.attrs)
      .filter(([, v]) => v !== false)
      .map(([k, v]) => `${k}=${Array.isArray(v) ? `[${v.join(', ')}]` : v}`);
    const operands = [...node.inputs.map((i) => names.get(i.id)), ...attrs].join(', ');
    lines.push(`  ${name}${node.keep ? ' keep' : ''}: ${type} = ${node.op}(${operands})`);
  }
  for (const [name, node] of graph.outputs) lines.push(`  return ${name} = ${names.get(node.id)}`);
  return `${lines.join('\n')}\n`;
}
