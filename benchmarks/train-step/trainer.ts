// In: a model folder. Out: one whole optimiser step at a time by the trainer's own functions, timed.
import { adamwRule, clipCoefficient, globalNorm, Optimizer, openBackend } from '@tunesmith/engine';
import { buildDecoder } from '../../packages/factory/src/model/build-decoder.ts';
import { expectedTensors } from '../../packages/factory/src/model/expected-tensors.ts';
import { initialLora } from '../../packages/factory/src/model/initial-lora.ts';
import { openModel } from '../../packages/factory/src/model/open-model.ts';
import type { EncodedExample } from '../../packages/factory/src/records/encoded.ts';
import { trainStep } from '../../packages/factory/src/train/train-step.ts';

const RANK = 8;
/**
 * Room for activations, whatever the machine has: with it 1,024 tokens need no recomputing. A run of the command takes its
 * room from the plan instead.
 */
const RESIDUAL_BYTES = 1.85e9;
const KEEP_BYTES = 256 * 2 ** 20;

export interface OwnStep {
  tokens: number;
  seconds: number;
  /** Operations of the frozen linears, forward and backward by their input, on real tokens; the head on label rows. */
  usefulGflops: number;
}

export async function openTrainer(folder: string) {
  const model = await openModel(folder, { cacheDir: folder, offline: true });
  const { config } = model;
  const shapes = expectedTensors(config);
  const modules = [...shapes.keys()].flatMap((n) =>
    /_proj\.weight$/.test(n) ? [n.replace(/\.weight$/, '')] : [],
  );
  const size = (name: string) => (shapes.get(name) as number[]).reduce((a, b) => a * b, 1);
  const linear = modules.reduce((n, m) => n + size(`${m}.weight`), 0);
  const head = size('model.embed_tokens.weight');
  const backend = await openBackend('cpu');
  const decoder = await buildDecoder({
    backend,
    config,
    source: model.weights,
    trained: new Set(),
    halfStorage: false,
    lora: {
      rank: RANK,
      scale: 2,
      dropout: 0,
      modules: initialLora(modules, (m) => shapes.get(`${m}.weight`) as number[], RANK, 42),
    },
  });
  await model.weights.close();
  const rule = adamwRule({ beta1: 0.9, beta2: 0.999, eps: 1e-8 });
  const optimizer = new Optimizer(decoder.parameters, () => ({ rule, lrScale: 1, weightDecay: 0 }));
  let done = 0;
  return {
    async step(batch: EncodedExample[]): Promise<OwnStep> {
      const begun = performance.now();
      const { tokens, labelTokens } = await trainStep(decoder, [batch], {
        residualBytes: RESIDUAL_BYTES,
        dropoutKey: '',
      });
      const gradScale = clipCoefficient(globalNorm(decoder.parameters.map((p) => p.gradient)), 1);
      done++;
      await optimizer.step({ learningRate: 1e-4, step: done, gradScale });
      backend.trim(KEEP_BYTES);
      const seconds = (performance.now() - begun) / 1000;
      return { tokens, seconds, usefulGflops: (4 * linear * tokens + 4 * head * labelTokens) / 1e9 };
    },
    peakRssBytes: () => process.resourceUsage().maxRSS * 1024,
    close: () => backend.dispose(),
  };
}
