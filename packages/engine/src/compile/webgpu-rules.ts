// In: operations that ONNX Runtime's WebGPU provider has no kernel for as they are lowered for the CPU. Out: the same
// results from kernels that it has, so that no value leaves the device in the middle of a graph.
import { type Emitter, LAST, type LowerRules } from './emitter.ts';

/** Swaps the last two axes. */
function transposed(e: Emitter, x: string, rank: number): string {
  const perm = Array.from({ length: rank }, (_, i) => i);
  return e.emit('Transpose', [x], { perm: [...perm.slice(0, -2), rank - 1, rank - 2] });
}

export const webgpuRules: Partial<LowerRules> = {
  // There is no FusedMatMul. The factor goes to the left operand, which is the smaller one in attention scores.
  matmul: (e, node, [a, b], { transA, transB, alpha }) => {
    const rank = node.shape.length;
    const left = transA ? transposed(e, a, rank) : a;
    const scaled = alpha === 1 ? left : e.emit('Mul', [left, e.scalar(alpha)]);
    return e.emit('MatMul', [scaled, transB ? transposed(e, b, rank) : b]);
  },
  // ArgMax gives i64, which Cast does not take: the index picks itself from a list of floats (exact below 2^24).
  argmax: (e, node, [x]) => {
    const [input] = node.inputs;
    const size = input.shape[input.shape.length - 1];
    const best = e.emit('ArgMax', [x], { axis: LAST, keepdims: 0 });
    const numbers = e.emit('Range', [e.scalar(0), e.size(size), e.scalar(1)]);
    return e.emit('Cast', [e.emit('Gather', [numbers, best], { axis: 0 })], { to: 6 });
  },
};
