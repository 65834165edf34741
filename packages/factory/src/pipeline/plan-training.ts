// In: the arguments of a run, its model's config and its encoded rows. Out: the run's plan: its peak, its room for
// residuals; or PLAN_DOES_NOT_FIT with the smallest change that would fit; null without a whole batch. Before any weight
// is read.
import os from 'node:os';
import { openBackend } from '@tunesmith/engine';
import { FactoryError } from '#factory/errors.ts';
import { machineMemory } from '#factory/plan/budget.ts';
import type { MemoryPlan } from '#factory/plan/memory.ts';
import type { EncodedDataset } from '#factory/records/encoded.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import { gigabytes, parseBytes } from '#factory/records/quantities.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { BaseDeps } from './open-base.ts';
import { besideFacts, otherConfigs } from './plan-beside.ts';
import { batchesOf, dataFacts } from './plan-data.ts';
import { changeThatFits, type MethodsInput } from './plan-methods.ts';
import { planRun, roomFor, runFacts } from './plan-run.ts';

export interface TrainingPlan {
  memory: MemoryPlan;
  /** Room for the residuals of a micro batch and the scratch of a layer. */
  residualBytes: number;
  /** Whether activations go to the disk, because the run fits in no other way or was told to. */
  spills: boolean;
}

/** Backends whose arrays are in the process; those of a device are not counted here. */
const COUNTED: readonly string[] = ['cpu', 'reference'];
/** Without `memory`, activations leave this share of what is free to others. */
const SHARE_OF_FREE = 0.8;

export async function planTraining(
  args: TrainArgs,
  config: ModelConfig,
  { dataset, vocabulary }: { dataset: EncodedDataset; vocabulary: number },
  deps: BaseDeps,
): Promise<TrainingPlan | null> {
  const data = dataFacts(dataset);
  const { largest } = batchesOf(args, config, data);
  if (largest.length === 0) return null;
  const free = machineMemory({
    total: os.totalmem(),
    constrained: process.constrainedMemory(),
    available: process.availableMemory(),
    rss: process.memoryUsage.rss(),
  }).availableBytes;
  const given = args.memory === null ? null : parseBytes(args.memory);
  const budgetBytes = given ?? free;
  await using backend = await openBackend('reference');
  const others = await otherConfigs(args, deps);
  const lengths = {
    width: data.lengths.reduce((a, b) => Math.max(a, b), 1),
    count: data.lengths.length * data.sequencesPerRow,
  };
  const beside = besideFacts(args, config, others, lengths, backend);
  const host = { dataTokens: data.tokens, vocabulary };
  const facts = runFacts(args, config, largest, host, backend, beside);
  const residualBytes = roomFor(args, facts, given ?? SHARE_OF_FREE * free);
  let spills = args.residual_policy === 'spill';
  let memory = planRun(facts, residualBytes, spills);
  if (memory.peakBytes > budgetBytes && args.residual_policy === 'auto') {
    const onDisk = planRun(facts, residualBytes, true);
    spills = onDisk.peakBytes <= budgetBytes;
    if (spills) memory = onDisk;
  }
  if (memory.peakBytes > budgetBytes && !args.ignore_plan && COUNTED.includes(args.backend)) {
    const input: MethodsInput = {
      args,
      config,
      data,
      otherConfigs: others,
      budgetBytes,
      isGpu: false,
      probe: null,
      backend,
    };
    throw doesNotFit(input, memory, given === null ? 'free on this machine' : 'given by memory');
  }
  const { savedLayers, trainedLayers, peakBytes } = memory;
  const kept = savedLayers === trainedLayers ? 'all' : savedLayers === 0 ? 'none' : `${savedLayers}`;
  deps.note(
    `planned peak ${gigabytes(peakBytes)} of ${gigabytes(budgetBytes)}; activations of ${kept} of ${trainedLayers} layers are kept${spills ? ', the others go to the disk' : ''}`,
  );
  return { memory, residualBytes, spills };
}

function doesNotFit(input: MethodsInput, { peakBytes }: MemoryPlan, from: string): FactoryError {
  const { budgetBytes } = input;
  const change = changeThatFits(input);
  const flags = change
    ? Object.entries(change.keys)
        .map(([key, value]) => `--${key} ${value}`)
        .join(' ')
    : null;
  return new FactoryError({
    code: 'PLAN_DOES_NOT_FIT',
    message: `this run would take ${gigabytes(peakBytes)} at its largest batch, and ${gigabytes(budgetBytes)} are ${from}`,
    remedy:
      change && flags
        ? `Add ${flags} (${change.title}: ${gigabytes(change.peakBytes)}), or --ignore_plan true to try anyway.`
        : 'Choose a smaller model, free memory, or add --ignore_plan true to try anyway.',
    details: { peakBytes, budgetBytes, change },
  });
}
