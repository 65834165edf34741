// Every backend gives the same results and the same errors, and says what it does not know.
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { hasWebGpu, withDriver } from '../../../../test/webgpu-driver.ts';
import * as b from '../graph/build.ts';
import { makeGraph } from '../graph/node.ts';
import type { HostArray } from './backend.ts';
import { openBackend } from './open-backend.ts';

const graph = () => {
  const x = b.makeInput('x', ['N', 3]);
  return makeGraph('doubled', { y: b.add(x, x), sum: b.reduceSum(x, [1], true) });
};
const used = expect.objectContaining({ name: 'EngineError', code: 'ENGINE_USE_AFTER_DISPOSE' });

test.each(['', 'gpu', 'CPU', 'toString', '__proto__'])('an unknown backend %j is an error', async (name) => {
  await expect(openBackend(name)).rejects.toMatchObject({
    code: 'ENGINE_UNKNOWN_BACKEND',
    message: `backend ${name}: expected one of cpu, webgpu, cuda, reference`,
    remedy: expect.stringContaining('cpu'),
  });
});

describe.each(['cpu', 'reference', ...(hasWebGpu ? ['webgpu'] : [])])('%s', (name) => {
  test('runs one executable at several sizes', async () => {
    await using backend = await openBackend(name);
    expect(backend.name).toBe(name);
    const executable = await backend.compile(graph());
    expect([...executable.outputs].sort()).toEqual(['sum', 'y']);
    for (const n of [1, 4, 2]) {
      const data = Float32Array.from({ length: 3 * n }, (_, i) => i);
      using x = backend.tensor('f32', [n, 3], data);
      const { y, sum } = await executable.run({ x });
      expect(y.dims).toEqual([n, 3]);
      expect(sum.dims).toEqual([n, 1]);
      expect(await y.read()).toEqual(data.map((v) => 2 * v));
      expect(await sum.read()).toEqual(Float32Array.from({ length: n }, (_, i) => 9 * i + 3));
      y.dispose();
      sum.dispose();
    }
  });

  test('sees later writes to the memory of parameters once it is told', async () => {
    await using backend = await openBackend(name);
    const executable = await backend.compile(graph());
    const data = Float32Array.of(1, 2, 3);
    const group = backend.parameters([
      { dims: [2, 1], data: new Float32Array(2) },
      { dims: [1, 3], data },
    ]);
    const [, x] = group.tensors;
    await executable.run({ x });
    data[1] = 20;
    group.changed();
    const { y } = await executable.run({ x });
    expect(await y.read()).toEqual(Float32Array.of(2, 40, 6));
    group.dispose();
  });

  test('sums tensors of several runs, and adds the sums to host arrays', async () => {
    await using backend = await openBackend(name);
    const executable = await backend.compile(graph());
    const targets = [
      { dims: [2, 1], data: Float32Array.of(100, 200) },
      { dims: [2, 3], data: new Float32Array(6) },
    ];
    const sums = backend.accumulator(targets);
    const run = () => executable.run({ x: backend.tensor('f32', [2, 3], Float32Array.of(1, 2, 3, 4, 5, 6)) });
    for (let i = 0; i < 3; i++) {
      const { y, sum } = await run();
      await sums.add(0, sum);
      await sums.add(1, y);
      expect(() => y.byteLength).toThrow(used);
    }
    await sums.flush();
    expect(targets.map((t) => t.data)).toEqual([
      Float32Array.of(118, 245),
      Float32Array.of(6, 12, 18, 24, 30, 36),
    ]);
    await sums.flush();
    expect(targets[0].data).toEqual(Float32Array.of(118, 245));
  });

  test('reads several tensors of different types at once', async () => {
    await using backend = await openBackend(name);
    const x = b.makeInput('x', ['N', 3]);
    const executable = await backend.compile(
      makeGraph('several', { y: b.neg(x), best: b.argmax(x), sum: b.reduceSum(x, [0, 1]) }),
    );
    const { y, best, sum } = await executable.run({
      x: backend.tensor('f32', [2, 3], Float32Array.of(1, 9, 9, 4, 3, 2)),
    });
    expect(await backend.readAll([y, best, sum])).toEqual([
      Float32Array.of(-1, -9, -9, -4, -3, -2),
      Int32Array.of(1, 0),
      Float32Array.of(28),
    ]);
  });

  test('a disposed tensor cannot be read, measured or fed', async () => {
    await using backend = await openBackend(name);
    const executable = await backend.compile(graph());
    const x = backend.tensor('f32', [1, 3], Float32Array.of(1, 2, 3));
    const { y } = await executable.run({ x });
    y.dispose();
    y.dispose();
    x.dispose();
    for (const tensor of [x, y]) {
      await expect(async () => tensor.read()).rejects.toThrow(used);
      expect(() => tensor.byteLength).toThrow(used);
    }
    await expect(executable.run({ x })).rejects.toThrow(used);
  });

  test('a disposed executable cannot be run, and disposing a backend disposes its executables', async () => {
    const backend = await openBackend(name);
    const x = backend.tensor('f32', [1, 3], Float32Array.of(1, 2, 3));
    const [first, second] = [await backend.compile(graph()), await backend.compile(graph())];
    await first.dispose();
    await first.dispose();
    await expect(first.run({ x })).rejects.toThrow(used);
    await second.run({ x });
    await backend.dispose();
    await backend.dispose();
    await expect(second.run({ x })).rejects.toThrow(used);
  });

  test.each<[string, string, number[], HostArray, string]>([
    ['no tensor', 'z', [1, 3], new Float32Array(3), 'ENGINE_MISSING_INPUT'],
    ['another dtype', 'x', [1, 3], new Int32Array(3), 'ENGINE_BAD_DTYPE'],
    ['another size', 'x', [1, 4], new Float32Array(4), 'ENGINE_BAD_SHAPE'],
    ['another rank', 'x', [3], new Float32Array(3), 'ENGINE_BAD_SHAPE'],
  ])('feeding %s is an error that names the input', async (_, input, dims, data, code) => {
    await using backend = await openBackend(name);
    const executable = await backend.compile(graph());
    const tensor = backend.tensor(data instanceof Int32Array ? 'i32' : 'f32', dims, data);
    await expect(executable.run({ [input]: tensor })).rejects.toMatchObject({
      code,
      message: expect.stringContaining('input x'),
    });
  });

  test.each<[string, number[], HostArray]>([
    ['too few elements', [2, 3], new Float32Array(5)],
    ['another kind of array', [1, 3], new Int32Array(3)],
  ])('a tensor of %s is refused', async (_, dims, data) => {
    await using backend = await openBackend(name);
    expect(() => backend.tensor('f32', dims, data)).toThrow(
      expect.objectContaining({ code: 'ENGINE_BAD_SHAPE' }),
    );
  });
});

test.skipIf(!hasWebGpu)(withDriver('webgpu is among the backends above'), async () => {
  await using backend = await openBackend('webgpu');
  expect(backend.traffic).toMatchObject({ uploads: 0, downloads: 0, residentTensors: 0 });
});

test('without a driver, webgpu is an error that says what to install', async () => {
  const program = `import(${JSON.stringify(new URL('./open-backend.ts', import.meta.url).href)})
    .then(({ openBackend }) => openBackend('webgpu'))
    .catch(({ code, message, remedy }) => process.stdout.write(JSON.stringify({ code, message, remedy })));`;
  const env = { ...process.env, VK_DRIVER_FILES: '/nonexistent.json' };
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', program], { env });
  expect(JSON.parse(stdout)).toMatchObject({
    code: 'ENGINE_BACKEND_UNAVAILABLE',
    message: expect.stringContaining('webgpu'),
    remedy: expect.stringContaining('cpu'),
  });
});

test('cuda without its libraries is an error that names the command', async () => {
  await expect(openBackend('cuda')).rejects.toMatchObject({
    code: 'ENGINE_BACKEND_UNAVAILABLE',
    message: expect.stringContaining('not installed'),
    remedy: expect.stringMatching(/tunesmith setup cuda|webgpu/),
  });
});

test('a CPU backend sees later writes to the memory of a tensor', async () => {
  await using backend = await openBackend('cpu');
  const executable = await backend.compile(graph());
  const data = Float32Array.of(1, 2, 3);
  const x = backend.tensor('f32', [1, 3], data);
  await executable.run({ x });
  data[1] = 20;
  const { y } = await executable.run({ x });
  expect(await y.read()).toEqual(Float32Array.of(2, 40, 6));
});

describe('cpu', () => {
  test('results go into the buffers that were given back', async () => {
    await using backend = await openBackend('cpu');
    const executable = await backend.compile(graph());
    const buffers = new Set<ArrayBufferLike>();
    for (let i = 0; i < 200; i++) {
      // Up to 4 KiB: all of these share a size.
      const n = 1 + ((i * 7) % 300);
      const { y, sum } = await executable.run({ x: backend.tensor('f32', [n, 3], new Float32Array(3 * n)) });
      for (const t of [y, sum]) {
        buffers.add((await t.read()).buffer);
        t.dispose();
      }
    }
    expect(buffers.size).toBe(2);
    // A trimmed pool begins with new ones.
    backend.trim(0);
    const { y } = await executable.run({ x: backend.tensor('f32', [1, 3], new Float32Array(3)) });
    expect(buffers.has((await y.read()).buffer)).toBe(false);
  });

  test('a tensor disposed twice gives its buffer back once', async () => {
    await using backend = await openBackend('cpu');
    const executable = await backend.compile(graph());
    const x = backend.tensor('f32', [1, 3], Float32Array.of(1, 2, 3));
    const first = await executable.run({ x });
    first.y.dispose();
    first.y.dispose();
    const { y, sum } = await executable.run({ x });
    expect((await y.read()).buffer).not.toBe((await sum.read()).buffer);
    expect(await y.read()).toEqual(Float32Array.of(2, 4, 6));
  });
});
