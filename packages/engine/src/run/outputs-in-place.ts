// In: a session, its feeds and the buffers for its outputs. Out: the outputs in those buffers, and nowhere else.
// The runtime writes into the given buffers, but its Node binding then copies every output into a new array (on one thread,
// with memory that must be cleared first), which took a seventh of a layer's forward pass. The binding makes these copies in
// the order of the outputs and refuses values that are not tensors, so a graph whose first output is a sequence has all its
// outputs written and none copied. Whether the installed binding behaves like this is tried once per process.
import { encodeModel } from '../compile/proto.ts';
import { HALT } from '../compile/target.ts';
import { type OrtTensor, openSession, type Runtime, type Session } from './ort-runtime.ts';

const REFUSAL = 'Non tensor type is temporarily not supported.';

/** Runs a session whose first output is HALT; `outputs` are tensors over the buffers to write to. */
export async function runInPlace(
  session: Session,
  feeds: Record<string, OrtTensor>,
  outputs: Record<string, OrtTensor>,
): Promise<void> {
  try {
    await session.run(feeds, { [HALT]: null, ...outputs });
  } catch (refusal) {
    if ((refusal as Error).message === REFUSAL) return;
    throw refusal;
  }
}

let known: Promise<boolean> | undefined;

/** Whether outputs can be had without copies. */
export function canRunInPlace(runtime: Runtime): Promise<boolean> {
  known ??= probe(runtime);
  return known;
}

/** y = x + x, where the binding must refuse the first output and y must be written all the same. */
async function probe(runtime: Runtime): Promise<boolean> {
  const bytes = encodeModel({
    name: 'probe',
    nodes: [
      { op: 'SequenceConstruct', domain: '', inputs: ['x'], outputs: [HALT], attributes: {} },
      { op: 'Add', domain: '', inputs: ['x', 'x'], outputs: ['y'], attributes: {} },
    ],
    inputs: [{ name: 'x', type: 'f32', dims: [1] }],
    outputs: [
      { name: HALT, type: 'f32', isSequence: true },
      { name: 'y', type: 'f32', dims: [1] },
    ],
    constants: [],
  });
  const session = await openSession(runtime, 'probe', bytes, { intraOpNumThreads: 1 });
  const y = new Float32Array(1);
  const tensor = (data: Float32Array) => new runtime.Tensor('float32', data, [1]);
  try {
    await session.run({ x: tensor(Float32Array.of(21)) }, { [HALT]: null, y: tensor(y) });
    return false;
  } catch (refusal) {
    return (refusal as Error).message === REFUSAL && y[0] === 42;
  } finally {
    await session.release();
  }
}
