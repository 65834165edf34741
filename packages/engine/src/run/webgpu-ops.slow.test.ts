// Every operation and its gradient on a WebGPU device against the reference, each graph on the device as a whole.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasWebGpu, withDriver } from '../../../../test/webgpu-driver.ts';
import { gradient } from '../grad/gradient.ts';
import * as b from '../graph/build.ts';
import { type Graph, makeGraph } from '../graph/node.ts';
import type { Backend } from './backend.ts';
import { relativeError, runBackend } from './compare.ts';
import { backwardOf, cases, describeNode, feed, graphOf, type OpCase } from './op-cases.ts';
import { openBackend } from './open-backend.ts';
import { evaluateReference, type HostValue } from './reference.ts';

let backend: Backend;

async function expectAgreement(graph: Graph, feeds: Map<string, HostValue>): Promise<void> {
  const expected = evaluateReference(graph, feeds);
  const actual = await runBackend(backend, graph, feeds);
  // exp and the like may be off by a few units in the last place of their argument, as WebGPU allows.
  for (const [name, value] of expected)
    expect(relativeError(actual.get(name) as HostValue, value), `${name} of ${graph.name}`).toBeLessThan(
      2e-5,
    );
}

const refused = { code: 'ENGINE_COMPILE_FAILED' };
const isToHalf = (c: OpCase) => JSON.stringify(c.build().attrs) === '{"to":"f16"}';
/** No kernel reads i64 values, and none of our graphs asks for it. */
const isFromLong = (c: OpCase) => c.build().inputs[0]?.dtype === 'i64';

describe.skipIf(!hasWebGpu)(withDriver('webgpu'), () => {
  beforeAll(async () => {
    backend = await openBackend('webgpu');
  });
  afterAll(async () => {
    await backend?.dispose();
  });

  for (const [op, list] of Object.entries(cases)) {
    describe(op, () => {
      list.forEach((c, i) => {
        test(`${i}: ${describeNode(c.build())}`, async () => {
          const out = c.build();
          const forward = graphOf('forward', new Map([['out', out]]));
          const feeds = feed(forward, c.values);
          if (isFromLong(c) || (isToHalf(c) && !backend.hasHalfFloats)) {
            await expect(backend.compile(forward)).rejects.toMatchObject(refused);
            return;
          }
          await expectAgreement(forward, feeds);
          if (c.gradient === 'refused') return;
          const { backward, all } = backwardOf(gradient, c, out, forward, feeds);
          const needsHalf = out.dtype === 'f16' || out.inputs[0]?.dtype === 'f16';
          if (backward.outputs.size > 0 && !(needsHalf && !backend.hasHalfFloats))
            await expectAgreement(backward, all);
          expect(backend.traffic.residentTensors).toBe(0);
        });
      });
    });
  }

  test('scatter_rows adds rows that occur many times', async () => {
    const out = b.scatterRows(b.makeInput('x', ['R', 64]), b.makeInput('index', ['R'], 'i32'), 8);
    const rows = 4096;
    const feeds = new Map<string, HostValue>([
      ['x', { dims: [rows, 64], dtype: 'f32', data: new Float64Array(rows * 64).fill(1) }],
      ['index', { dims: [rows], dtype: 'i32', data: Float64Array.from({ length: rows }, (_, i) => i % 8) }],
    ]);
    await expectAgreement(makeGraph('scatter', { out }), feeds);
  });
});
