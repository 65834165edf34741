// In: a node. Out: which of its sizes ONNX's shape inference knows before a run. A size that a reshape works out at run
// time is open, and so is what is computed from it; the runtime's planner treats such values apart.
import { isOp, type Node } from '../graph/node.ts';

const isNumber = (d: unknown): boolean => typeof d === 'number';

/** One flag per axis. `known` keeps what was found before. */
export function isKnownSize(node: Node, known: Map<Node, boolean[]>): boolean[] {
  const found = known.get(node) ?? find(node, (n) => isKnownSize(n, known));
  known.set(node, found);
  return found;
}

function find(node: Node, of: (n: Node) => boolean[]): boolean[] {
  const { inputs, shape } = node;
  if (isOp(node, 'input') || isOp(node, 'constant')) return shape.map(() => true);
  // With one open size the target is a constant that holds -1; with more it is computed at run time.
  if (isOp(node, 'reshape')) {
    const isConstant = shape.filter((d) => !isNumber(d)).length <= 1;
    return shape.map((d) => isConstant && isNumber(d));
  }
  if (isOp(node, 'transpose')) return node.attrs.perm.map((p) => of(inputs[0])[p]);
  if (isOp(node, 'expand') || isOp(node, 'scatter_rows')) return shape.map(() => shape.every(isNumber));
  if (isOp(node, 'gather_rows')) return [of(inputs[1])[0], ...of(inputs[0]).slice(1)];
  if (isOp(node, 'pad')) return [of(inputs[1])[0], of(inputs[0])[1]];
  if (isOp(node, 'unpad')) return [of(inputs[3])[0], of(inputs[0])[1]];
  if (isOp(node, 'rope')) return [false, true, true];
  if (isOp(node, 'matmul')) {
    const [a, b] = [of(inputs[0]), of(inputs[1])];
    const { transA, transB } = node.attrs;
    const lead = a.slice(0, -2).map((k, i) => k && b[i]);
    return [...lead, a.at(transA ? -1 : -2) === true, b.at(transB ? -2 : -1) === true];
  }
  if (shape.length < (inputs[0]?.shape.length ?? 0)) return shape.map(() => of(inputs[0]).every(Boolean));
  // Axis by axis, aligned at the end; a number that one operand knows decides.
  return shape.map((d, i) => {
    if (d === 1) return true;
    const seen = inputs.flatMap((n) => {
      const j = i - shape.length + n.shape.length;
      return j < 0 || n.shape[j] === 1 ? [] : [of(n)[j] === true];
    });
    return isNumber(d) ? seen.some(Boolean) : seen.every(Boolean);
  });
}
