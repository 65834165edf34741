// In: a number of rows. Out: the rate at which the runtime multiplies matrices of the model's own sizes, and nothing else.
import { openBackend, sgemmGraph } from '@tunesmith/engine';

const HIDDEN = 896;
const INTERMEDIATE = 4864;
const REPEATS = 3;

let opened: Promise<{ run(rows: number): Promise<number> }> | undefined;

/** GFLOP/s of [rows, 896] x [4864, 896]ᵀ, the best of a few. */
export async function measureSgemm(rows: number): Promise<number> {
  opened ??= open();
  const { run } = await opened;
  let best = 0;
  for (let i = 0; i < REPEATS; i++) best = Math.max(best, await run(rows));
  return best;
}

async function open() {
  const backend = await openBackend('cpu');
  const executable = await backend.compile(sgemmGraph());
  const weights = new Float32Array(HIDDEN * INTERMEDIATE).fill(0.01);
  const w = backend.tensor('f32', [INTERMEDIATE, HIDDEN], weights);
  return {
    async run(rows: number): Promise<number> {
      const x = backend.tensor('f32', [rows, HIDDEN], new Float32Array(rows * HIDDEN).fill(0.01));
      const begun = performance.now();
      const { y } = await executable.run({ x, w });
      const seconds = (performance.now() - begun) / 1000;
      y.dispose();
      return (2 * rows * HIDDEN * INTERMEDIATE) / seconds / 1e9;
    },
  };
}
