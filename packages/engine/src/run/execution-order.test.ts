// The runtime must run the kernels that were counted: what it fuses it also moves to another place.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { makeInput, matmul, slice } from '../graph/build.ts';
import { makeGraph } from '../graph/node.ts';
import { openBackend } from './open-backend.ts';

test('parts of a joint product stay slices of their own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'order-'));
  try {
    const cpu = await openBackend('cpu', { threads: 1, profilePrefix: join(folder, 'p') });
    const joint = matmul(makeInput('x', ['N', 3]), makeInput('w', [3, 4]));
    const graph = makeGraph('parts', { a: slice(joint, 1, 0, 2), b: slice(joint, 1, 2, 4) });
    const executable = await cpu.compile(graph);
    const { a, b } = await executable.run({
      x: cpu.tensor('f32', [1, 3], Float32Array.of(1, 2, 3)),
      w: cpu.tensor(
        'f32',
        [3, 4],
        Float32Array.from({ length: 12 }, (_, i) => i),
      ),
    });
    expect([...((await a.read()) as Float32Array), ...((await b.read()) as Float32Array)]).toEqual([
      32, 38, 44, 50,
    ]);
    await cpu.dispose();
    const [profile] = readdirSync(folder);
    const events = JSON.parse(readFileSync(join(folder, profile), 'utf8')) as {
      args?: { op_name?: string };
    }[];
    const kernels = events.flatMap(({ args }) => args?.op_name ?? []);
    expect(kernels.filter((name) => name === 'Slice')).toHaveLength(2);
    expect(kernels).not.toContain('Split');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
