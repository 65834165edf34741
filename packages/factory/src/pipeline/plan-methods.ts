// In: resolved arguments, a model's config, row lengths where there are any, a budget and a probe of the machine. Out: one
// planned method per way of training that is offered. Which is advised, and how it is shown, are others' business.
import type { Backend } from '@tunesmith/engine';
import { smallestChange } from '#factory/plan/advise.ts';
import { gpuMemory } from '#factory/plan/gpu-formula.ts';
import type { planMemory } from '#factory/plan/memory.ts';
import { type Keys, type Method, reductions } from '#factory/plan/methods.ts';
import { secondsPerBatch } from '#factory/plan/time.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { PlannedMethod, ProbeResult } from '#factory/records/plan.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { isGguf } from './open-base.ts';
import { besideFacts } from './plan-beside.ts';
import { batchesOf, type DataFacts, fullBatch } from './plan-data.ts';
import { planRun, type RunFacts, roomFor, runFacts } from './plan-run.ts';

export interface MethodsInput {
  args: TrainArgs;
  config: ModelConfig;
  data: DataFacts | null;
  /** Of models that the arguments name beside the base. */
  otherConfigs: ReadonlyMap<string, ModelConfig>;
  budgetBytes: number;
  /** Judge by the formula for a GPU, where it has the method. */
  isGpu: boolean;
  probe: ProbeResult | null;
  /** Nothing runs on it. */
  backend: Backend;
}

/** Reading a streamed base: what a plain solid-state disk gives. */
const DISK_BYTES_PER_SECOND = 1e9;

export function planMethods(input: MethodsInput, methods: readonly Method[]): PlannedMethod[] {
  return methods.map((method) => planMethod(input, method));
}

export function planMethod(input: MethodsInput, method: Method): PlannedMethod {
  const { config, budgetBytes } = input;
  const args = withKeys(input.args, method.keys);
  const { facts, batches } = factsOf(input, args);
  const residualBytes = roomFor(args, facts, budgetBytes);
  const plan = planRun(facts, residualBytes, args.residual_policy === 'spill');
  const { weights, batch } = facts.steps[0];
  const gpuBytes =
    method.gpu === null
      ? null
      : gpuMemory(config, method.gpu, { ...weights, trained: weights.trainedParameters }, batch);
  const seconds = input.probe ? stepSeconds(input.probe, args, facts, plan, input.data, batches) : null;
  return {
    id: method.id,
    title: method.title,
    keys: method.keys,
    terms: plan.terms,
    peakBytes: plan.peakBytes,
    phase: plan.phase,
    savedLayers: plan.savedLayers,
    trainedLayers: plan.trainedLayers,
    residualBytes,
    trainedParameters: weights.trainedParameters,
    diskBytes: weights.diskBytes + checkpointBytes(facts),
    fits: (input.isGpu && gpuBytes !== null ? gpuBytes : plan.peakBytes) <= budgetBytes,
    gpuBytes,
    secondsPerStep: seconds,
    secondsPerEpoch:
      seconds === null || batches === null
        ? null
        : (seconds * batches.length) / args.gradient_accumulation_steps,
  };
}

/** The least harmful change of these arguments that fits the budget, or null. */
export function changeThatFits(input: MethodsInput) {
  const { args, budgetBytes } = input;
  const list = reductions({
    batch: args.per_device_train_batch_size,
    accumulation: args.gradient_accumulation_steps,
    cutoff: args.cutoff_len,
    policy: args.residual_policy,
    isLora: args.finetuning_type === 'lora',
    bits: args.quantization_bit,
    stream: args.stream_base,
    isPacked: isGguf(args.model_name_or_path),
  });
  return smallestChange(list, budgetBytes, (keys) => {
    const changed = withKeys(args, keys);
    const { facts } = factsOf(input, changed);
    return planRun(facts, roomFor(changed, facts, budgetBytes), changed.residual_policy === 'spill');
  });
}

export const withKeys = (args: TrainArgs, keys: Keys): TrainArgs => ({
  ...args,
  ...keys,
  ...('lora_target' in keys ? { lora_target: String(keys.lora_target).split(',') } : {}),
});

function factsOf({ config, data, otherConfigs, backend }: MethodsInput, args: TrainArgs) {
  const host = { dataTokens: data?.tokens ?? 0, vocabulary: config.vocabSize };
  const lengths = {
    width: Math.min(args.cutoff_len, largestOf(data?.lengths ?? [args.cutoff_len])),
    count: data && data.lengths.length * data.sequencesPerRow,
  };
  const beside = besideFacts(args, config, otherConfigs, lengths, backend);
  if (!data)
    return { facts: runFacts(args, config, [fullBatch(args, config)], host, backend, beside), batches: null };
  // A shorter cutoff shortens the rows that are there.
  const cut = { ...data, lengths: data.lengths.map((n) => Math.min(n, args.cutoff_len)) };
  const { batches, largest } = batchesOf(args, config, cut);
  return { facts: runFacts(args, config, largest, host, backend, beside), batches };
}

const largestOf = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 1);

/** Adapters or weights, the optimiser's state and exact values of what is trained. */
function checkpointBytes({ steps: [{ weights }] }: RunFacts): number {
  return weights.savedBytes + weights.optimizerBytes + 4 * weights.trainedParameters;
}

/** Of the mean micro batch, or of a full one; times the accumulated ones. */
function stepSeconds(
  probe: ProbeResult,
  args: TrainArgs,
  facts: RunFacts,
  plan: ReturnType<typeof planMemory>,
  data: DataFacts | null,
  batches: readonly (readonly number[])[] | null,
): number {
  const [step] = facts.steps;
  const mean = (values: readonly number[]) =>
    values.reduce((a, b) => a + b, 0) / Math.max(1, batches?.length ?? 1);
  const batch = data
    ? { tokens: mean(data.lengths) * data.sequencesPerRow, labels: mean(data.labels) }
    : step.batch;
  return (
    args.gradient_accumulation_steps *
    secondsPerBatch(step, batch, probe, {
      savedLayers: plan.savedLayers,
      trainedLayers: plan.trainedLayers,
      bits: args.quantization_bit,
      stream: args.stream_base,
      trainsWeights: args.finetuning_type !== 'lora',
      trainsHead: args.finetuning_type === 'full',
      readBytesPerSecond: DISK_BYTES_PER_SECOND,
    })
  );
}
