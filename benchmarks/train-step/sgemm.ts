// In: a number of rows. Out: the rate at which the runtime multiplies matrices of the model's own sizes, and nothing else.
import { openBackend, sgemmGraph } from '@tunesmith/engine';

const HIDDEN = 896;
const INTERMEDIATE = 4864;
/** As a step is timed: all work over all time, and not the best of a few, which a shared machine's bursts would decide. */
const SECONDS = 1;

let opened: Promise<{ run(rows: number): Promise<number> }> | undefined;

/** GFLOP/s of [rows, 896] x [4864, 896]ᵀ over about a second. */
export async function measureSgemm(rows: number): Promise<number> {
  opened ??= open();
  const { run } = await opened;
  await run(rows);
  let seconds = 0;
  let products = 0;
  for (; seconds < SECONDS; products++) seconds += await run(rows);
  return (2 * rows * HIDDEN * INTERMEDIATE * products) / seconds / 1e9;
}

async function open() {
  const backend = await openBackend('cpu');
  const executable = await backend.compile(sgemmGraph());
  const weights = Float32Array.from({ length: HIDDEN * INTERMEDIATE }, (_, i) => Math.sin(i));
  const w = backend.tensor('f32', [INTERMEDIATE, HIDDEN], weights);
  return {
    async run(rows: number): Promise<number> {
      const x = backend.tensor(
        'f32',
        [rows, HIDDEN],
        Float32Array.from({ length: rows * HIDDEN }, (_, i) => Math.cos(i)),
      );
      const begun = performance.now();
      const { y } = await executable.run({ x, w });
      const seconds = (performance.now() - begun) / 1000;
      y.dispose();
      return seconds;
    },
  };
}
