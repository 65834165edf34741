// The pinned runtime must write outputs where we want them, and its failures must still be seen.
import { expect, test } from 'vitest';
import { makeInput, mul } from '../graph/build.ts';
import { makeGraph } from '../graph/node.ts';
import { openBackend } from './open-backend.ts';
import { loadRuntime } from './ort-runtime.ts';
import { canRunInPlace, runInPlace } from './outputs-in-place.ts';

test('the installed runtime writes outputs in place', async () => {
  // If this fails after an upgrade, runs still work, by copies: measure the train-step benchmark before accepting that.
  expect(await canRunInPlace(await loadRuntime('cpu'))).toBe(true);
});

test('every output is written, and a run that fails says why', async () => {
  const cpu = await openBackend('cpu', { threads: 1 });
  const x = makeInput('x', ['N']);
  const executable = await cpu.compile(makeGraph('two', { double: mul(x, 2), square: mul(x, x) }));
  const { double, square } = await executable.run({ x: cpu.tensor('f32', [3], Float32Array.of(1, 2, 3)) });
  expect([...((await double.read()) as Float32Array)]).toEqual([2, 4, 6]);
  expect([...((await square.read()) as Float32Array)]).toEqual([1, 4, 9]);
  await cpu.dispose();

  const session = { run: () => Promise.reject(new Error('Non-zero status code returned')) };
  await expect(runInPlace(session as never, {}, {})).rejects.toThrow('Non-zero status code');
});
