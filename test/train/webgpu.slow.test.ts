// The whole program on a WebGPU device: the same loss curve, adapter and answers as on the CPU.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasWebGpu, withDriver } from '../webgpu-driver.ts';
import { type Ended, eventsOf, type Flags, makeWorld, tunesmith, type World } from './tiny-world.ts';

interface StepEvent {
  kind: string;
  step: number;
  loss: number;
  gradNorm: number;
}

const lossesOf = (run: Ended): StepEvent[] =>
  (eventsOf(run) as unknown as StepEvent[]).filter((event) => event.kind === 'step');

describe.skipIf(!hasWebGpu)(withDriver('webgpu'), () => {
  let world: World;
  beforeAll(() => {
    world = makeWorld();
  });
  afterAll(() => world?.dispose());

  test.each<[string, Flags]>([
    ['lora', { lora_dropout: 0.1, max_steps: 8 }],
    ['lora over 16-bit weights', { bf16: true, max_steps: 5 }],
    ['full', { finetuning_type: 'full', max_steps: 5 }],
  ])('%s follows the loss curve of the CPU', async (name, flags) => {
    const runs = [];
    for (const backend of ['cpu', 'webgpu']) {
      const folder = `${name}-${backend}`.replaceAll(' ', '-');
      const run = await tunesmith(['train', ...world.flags(folder, { ...flags, backend }), '--json']);
      expect([run.status, run.status === 0 ? '' : run.err]).toEqual([0, '']);
      runs.push(lossesOf(run));
    }
    const [cpu, webgpu] = runs;
    expect(webgpu.length).toBe(cpu.length);
    expect(cpu.length).toBeGreaterThan(3);
    cpu.forEach(({ step, loss, gradNorm }, i) => {
      expect(Math.abs(webgpu[i].loss - loss), `loss of step ${step}`).toBeLessThan(1e-3);
      expect(Math.abs(webgpu[i].gradNorm / gradNorm - 1), `gradient norm of step ${step}`).toBeLessThan(1e-2);
    });
  });
});
