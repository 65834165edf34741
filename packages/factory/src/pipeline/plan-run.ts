// In: resolved arguments, a model config and row lengths. Out: the plan of one run: what it takes, whether that fits the
// budget, and the room for residuals. The arithmetic is plan/; counting is model/step-facts.ts.
import type { Backend } from '@tunesmith/engine';
import { codedBits } from '#factory/model/bitsandbytes/stored-codes.ts';
import { stepFacts, type TrainingChoice } from '#factory/model/step-facts.ts';
import { selectTrainable } from '#factory/model/trainable.ts';
import { residualRoom } from '#factory/plan/advise.ts';
import { type HostFacts, type MemoryPlan, planMemory } from '#factory/plan/memory.ts';
import type { BatchSize, BesideFacts, StepFacts } from '#factory/records/memory-facts.ts';
import type { ModelConfig } from '#factory/records/model-config.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { optimizerBytes } from '#factory/train/optimizer.ts';

export interface RunFacts {
  /** By the largest micro batches of the run. */
  steps: StepFacts[];
  host: HostFacts;
  beside: BesideFacts | null;
}

/** `backend` is what rules of optimisers are made with; nothing runs on it. */
export function runFacts(
  args: TrainArgs,
  config: ModelConfig,
  batches: readonly BatchSize[],
  host: HostFacts,
  backend: Backend,
  beside: BesideFacts | null,
): RunFacts {
  const choice = trainingChoice(args, config, backend);
  return { steps: batches.map((batch) => stepFacts(config, choice, batch)), host, beside };
}

/** The plan at this room for residuals; the worst of the largest batches. */
export function planRun(facts: RunFacts, residualBytes: number, spills = false): MemoryPlan {
  const plans = facts.steps.map((step) =>
    planMemory(step, {
      residualBytes,
      spills,
      beside: facts.beside,
      ...facts.host,
    }),
  );
  return plans.reduce((a, b) => (b.peakBytes > a.peakBytes ? b : a));
}

/** The room for residuals that `residual_policy` and the budget leave. */
export function roomFor(args: TrainArgs, facts: RunFacts, budgetBytes: number): number {
  if (args.residual_policy === 'recompute' || args.residual_policy === 'spill') return 0;
  if (args.residual_policy === 'save' || args.disable_gradient_checkpointing) return Number.POSITIVE_INFINITY;
  return residualRoom(budgetBytes, (room) => planRun(facts, room));
}

export function trainingChoice(args: TrainArgs, config: ModelConfig, backend: Backend): TrainingChoice {
  const { tensors, loraModules } = selectTrainable(config, args);
  return {
    tensors,
    loraModules,
    rank: args.lora_rank,
    dropout: args.lora_dropout,
    dora: args.use_dora,
    bits: codedBits(config) ?? (args.quantization_bit as 4 | 8 | null),
    stream: args.stream_base,
    packedBytes: config.packedBytes ?? null,
    scores: args.stage === 'rm',
    // What is not kept packed of a packed file is read as float16.
    halfStorage: args.fp16 || args.bf16 || config.packedBytes !== undefined,
    optimizerBytes: (parameters) => optimizerBytes({ parameters, config, backend }, args),
  };
}

/**
 * Of all micro batches those that may have the peak: the one with the most tokens, the one with the most scores, and the
 * largest of those that let all graphs keep their scratch, which have at most `small` tokens.
 */
export function largestBatches(
  batches: Iterable<readonly number[]>,
  lengths: readonly number[],
  labels: (row: number) => number,
  small: number,
): BatchSize[] {
  const largest: (BatchSize & { score: number })[] = [];
  const scores = [
    (b: BatchSize) => b.tokens,
    (b: BatchSize) => b.rows * b.width * b.width,
    (b: BatchSize) => (b.tokens > small ? 0 : b.tokens),
  ];
  for (const rows of batches) {
    const size: BatchSize = {
      rows: rows.length,
      width: rows.reduce((n, r) => Math.max(n, lengths[r]), 0),
      tokens: rows.reduce((n, r) => n + lengths[r], 0),
      labels: rows.reduce((n, r) => n + labels(r), 0),
    };
    scores.forEach((score, i) => {
      if (score(size) > (largest[i]?.score ?? 0)) largest[i] = { ...size, score: score(size) };
    });
  }
  const sizes = largest.filter(Boolean).map(({ score: _, ...size }) => size);
  return sizes.filter((size, i) => sizes.findIndex((s) => JSON.stringify(s) === JSON.stringify(size)) === i);
}
