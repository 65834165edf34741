// In: a model config, what of it is trained, and the size of a batch. Out: what passes without gradients hold: reading
// sequences (references, reward models) and writing answers with a cache of keys and values. Counted, as in step-facts.ts.
import {
  type Graph,
  graphMemory,
  headLogits,
  headSum,
  type LayerSpec,
  layerCached,
  layerForward,
  roundedSize,
} from '@tunesmith/engine';
import type { BatchSize, PassFacts } from '#factory/records/memory-facts.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import { withoutDropout } from './layer-spec-of.ts';
import { MAX_ROWS, sliceRanges } from './output-head.ts';
import { headDtype, specsOf, type TrainingChoice } from './step-facts.ts';

type Sizes = ReadonlyMap<string, number>;

/** The distinct layers of a model as they compute outside training. */
function plainSpecs(config: ModelConfig, choice: TrainingChoice, adapter: 'on' | 'off'): LayerSpec[] {
  const specs = specsOf(config, choice).map((spec) => ({
    ...spec,
    projections: withoutDropout(spec.projections, adapter),
  }));
  return [...new Map(specs.map((spec) => [JSON.stringify(spec), spec])).values()];
}

const outputBytes = (outputs: ReadonlyMap<string, number>) =>
  [...outputs.values()].reduce((n, bytes) => n + roundedSize(bytes), 0);

/** Log-probabilities of the labels, or with `scores` the value head's numbers, which need no output head. */
export function readingFacts(
  config: ModelConfig,
  choice: TrainingChoice,
  batch: BatchSize,
  { adapters, scores }: { adapters: readonly ('on' | 'off')[]; scores: boolean },
): PassFacts {
  const sizes = new Map([
    ['N', batch.tokens],
    ['B', batch.rows],
    ['T', batch.width],
  ]);
  const graphs = new Map<string, number>();
  let layerOutput = 0;
  for (const adapter of adapters)
    for (const spec of plainSpecs(config, choice, adapter)) {
      const { scratch, outputs } = graphMemory(layerForward(spec, 'shared'), sizes);
      graphs.set(JSON.stringify(spec), scratch);
      layerOutput = Math.max(layerOutput, outputBytes(outputs));
    }
  if (!scores) for (const [key, bytes] of headGraphs(config, choice, batch.labels)) graphs.set(key, bytes);
  const { hiddenSize } = config;
  // What goes into a layer, what comes out and the binding's copy of it; label rows and their copy; masks and rope tables.
  const shared = batch.width ** 2 + batch.tokens * config.rotaryDim + 3 * batch.rows * batch.width;
  const held = 4 * batch.tokens * hiddenSize + 2 * layerOutput + 8 * batch.labels * hiddenSize + 4 * shared;
  return { scratchBytes: [...graphs.values()], heldBytes: held };
}

/** The first slice of the vocabulary and the others have graphs of their own. */
function headGraphs(config: ModelConfig, choice: TrainingChoice, rows: number): [string, number][] {
  const { hiddenSize, vocabSize, logitCap } = config;
  const slices = sliceRanges(vocabSize, hiddenSize);
  const [from, to] = slices[0];
  const sizes = new Map([
    ['M', Math.min(rows, MAX_ROWS)],
    ['V', to - from],
  ]);
  const dtype = headDtype(config, choice);
  const all: [string, Graph][] = (slices.length > 1 ? [true, false] : [true]).map((isFirst) => [
    `head ${isFirst}`,
    headSum(hiddenSize, dtype, logitCap, isFirst),
  ]);
  return all.map(([key, graph]) => [key, graphMemory(graph, sizes).scratch]);
}

/** `rows` answers of `fresh` tokens to prompts of `prompt` tokens, written at the same time. */
export function writingFacts(
  config: ModelConfig,
  choice: TrainingChoice,
  { rows, prompt, fresh }: { rows: number; prompt: number; fresh: number },
): PassFacts {
  const slots = prompt + fresh;
  const { hiddenSize, vocabSize, kvHeads, headDim, layers, heads, logitCap } = config;
  // The prompts at once, and the last token over all that is kept.
  const stages: Sizes[] = [
    [prompt, 0],
    [1, slots - 1],
  ].map(
    ([t, p]) =>
      new Map([
        ['B', rows],
        ['T', t],
        ['P', p],
      ]),
  );
  const graphs: number[] = [];
  let outputs = 0;
  for (const spec of plainSpecs(config, choice, 'on')) {
    const each = stages.map((sizes) => graphMemory(layerCached(spec), sizes));
    graphs.push(Math.max(...each.map(({ scratch }) => scratch)));
    outputs = Math.max(outputs, ...each.map((one) => outputBytes(one.outputs)));
  }
  const [from, to] = sliceRanges(vocabSize, hiddenSize)[0];
  const head = graphMemory(
    headLogits(hiddenSize, headDtype(config, choice), logitCap),
    new Map([
      ['M', rows],
      ['V', to - from],
    ]),
  );
  graphs.push(head.scratch);
  const pair = 4 * 2 * rows * kvHeads * headDim;
  const cache = layers * pair * slots;
  const logits = 4 * rows * vocabSize + 2 * outputBytes(head.outputs);
  const mask = 4 * rows * (heads / kvHeads) * Math.max(prompt * prompt, slots);
  const hidden = 4 * rows * prompt * (hiddenSize + config.rotaryDim) + 2 * outputs;
  // Outputs of the prompt and the first logits stand at other times than the whole cache.
  return {
    scratchBytes: graphs,
    heldBytes: Math.max(cache + logits + mask, layers * pair * prompt + hidden + mask),
  };
}
