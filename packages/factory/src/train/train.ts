// In: a decoder, a task and its rows in a planned order, settings, and ports for saving and telling. Out: trained
// parameters, in place, and the state of the run. Arguments, files, templates and terminals are unknown here.
import { clipCoefficient, globalNorm, type Optimizer } from '@tunesmith/engine';
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import type { LogEntry, TrainEvent } from '#factory/records/train-events.ts';
import { DivergenceGuard } from './divergence.ts';
import { type Interval, isDue, isEpochEnd } from './intervals.ts';
import { addMetrics, meansOf } from './objective.ts';
import type { RunState } from './run-state.ts';
import type { TrainTask } from './task.ts';

export interface TrainSettings {
  totalSteps: number;
  stepsPerEpoch: number;
  totalEpochs: number;
  learningRate(step: number): number;
  maxGradNorm: number;
  seed: number;
  residualBytes: number;
  /** NEFTune; 0 for no noise. */
  noiseAlpha: number;
  balanceWeight: number;
  log: Interval;
  logFirstStep: boolean;
  /** Log entries carry the tokens seen so far. */
  logTokens: boolean;
  save: Interval;
  /** Regular checkpoints hold no state to go on from. */
  savesModelOnly: boolean;
  evaluate: Interval;
  evaluateFirst: boolean;
  evalBatchSize: number;
  wantAccuracy: boolean;
  /** Key of an evaluation entry that ranks checkpoints, such as `eval_loss`. */
  bestMetric: string;
  greaterIsBetter: boolean;
  /** Stop after this many evaluations without a better metric, or null. */
  patience: number | null;
  /** Freed buffers are kept up to this size for the next step. */
  keepBufferBytes: number;
}

type EpochPlan = readonly (readonly (readonly number[])[])[];

export interface TrainDeps<Row> {
  decoder: Decoder;
  task: TrainTask<Row>;
  /** Steps of an epoch, each a list of micro batches of row numbers. */
  planEpoch(epoch: number): EpochPlan;
  rows: readonly Row[];
  evaluation: readonly { name: string; rows: readonly Row[] }[];
  state: RunState;
  optimizer: Optimizer;
  settings: TrainSettings;
  /** Milliseconds, monotonic. */
  clock(): number;
  rssBytes(): number;
  emit(event: TrainEvent): void;
  /** Stores a checkpoint of the present parameters and returns its path. One to go on from holds the whole state. */
  save(isToGoOnFrom: boolean): Promise<string>;
  /** More metrics of an evaluation, under Hugging Face's names. */
  measure?(step: number): Promise<Record<string, number>>;
  /** Answers sample prompts with the present parameters. */
  sample?(step: number): Promise<void>;
  signal: AbortSignal;
}

export type Stopped = 'finished' | 'interrupted' | 'early';

/**
 * Runs from `state.step` to the end; a run that is over already does nothing. On abort it saves after the step in
 * progress and returns `interrupted`.
 */
export async function train<Row>(deps: TrainDeps<Row>): Promise<Stopped> {
  const { decoder, state, settings, signal } = deps;
  const guard = new DivergenceGuard(decoder.config.vocabSize, state.recentLosses);
  let savedAt = state.step;
  let epoch = -1;
  let plan: EpochPlan = [];
  const save = async (isToGoOnFrom = false) => {
    const path = await deps.save(isToGoOnFrom);
    savedAt = state.step;
    deps.emit({ kind: 'checkpoint', step: state.step, path });
  };

  if (state.stoppedEarly) return 'early';
  if (state.step === 0 && settings.evaluateFirst) await evaluate(deps);
  while (state.step < settings.totalSteps) {
    if (signal.aborted) {
      if (savedAt !== state.step || (settings.savesModelOnly && state.step > 0)) await save(true);
      return 'interrupted';
    }
    const now = Math.floor(state.step / settings.stepsPerEpoch);
    if (now !== epoch) {
      epoch = now;
      plan = deps.planEpoch(epoch);
    }
    const microBatches = plan[state.step % settings.stepsPerEpoch].map((rows) =>
      rows.map((r) => deps.rows[r]),
    );
    let applied: AppliedStep;
    try {
      applied = await oneStep(deps, microBatches, guard, savedAt);
    } catch (error) {
      // A step that was cut short has changed nothing.
      if (signal.aborted && error === signal.reason) continue;
      const isRewards = error instanceof FactoryError && error.code === 'TRAIN_REWARD_FAILED';
      if (isRewards && state.step > 0 && savedAt !== state.step) await save(true);
      throw error;
    }

    const isLast = state.step === settings.totalSteps;
    if (isDue(settings.log, state.step, settings) || (state.step === 1 && settings.logFirstStep))
      log(deps, applied);
    const evaluateNow = isDue(settings.evaluate, state.step, settings);
    const isStale = evaluateNow ? await evaluate(deps) : false;
    state.stoppedEarly = isStale && !isLast;
    if (isDue(settings.save, state.step, settings) || (isLast && settings.save.every !== 'never'))
      await save();
    if (state.stoppedEarly) {
      if (savedAt !== state.step && settings.save.every !== 'never') await save();
      return 'early';
    }
    if (isEpochEnd(state.step, settings)) decoder.backend.trim(0);
  }
  return 'finished';
}

interface AppliedStep {
  gradNorm: number;
  learningRate: number;
}

async function oneStep<Row>(
  deps: TrainDeps<Row>,
  microBatches: Row[][],
  guard: DivergenceGuard,
  savedAt: number,
): Promise<AppliedStep> {
  const { decoder, task, optimizer, state, settings } = deps;
  const begun = deps.clock();
  const learningRate = settings.learningRate(state.step);
  const options = {
    residualBytes: settings.residualBytes,
    dropoutKey: `${settings.seed}/${state.step}`,
    noiseAlpha: settings.noiseAlpha,
    balanceWeight: settings.balanceWeight,
    run: state,
  };
  const result = await task.step(decoder, microBatches, options, state.memory);
  const norm = globalNorm(optimizer.gradients(state.step + 1));
  const reason = guard.check(result.loss, norm);
  if (reason) throw diverged(state.step + 1, reason, savedAt);
  const gradScale = settings.maxGradNorm > 0 ? clipCoefficient(norm, settings.maxGradNorm) : 1;
  await optimizer.step({ learningRate, step: state.step + 1, gradScale });
  decoder.parametersChanged();
  decoder.backend.trim(settings.keepBufferBytes);

  const seconds = (deps.clock() - begun) / 1000;
  state.step++;
  state.pendingLoss += result.loss;
  state.pendingSteps++;
  addMetrics(state.pendingMetrics, result.metrics ?? {});
  state.totalLoss += result.loss;
  state.tokensSeen += result.tokens;
  state.labelTokensSeen += result.labelTokens;
  state.seconds += seconds;
  deps.emit({
    kind: 'step',
    step: state.step,
    totalSteps: settings.totalSteps,
    epoch: state.step / settings.stepsPerEpoch,
    loss: result.loss,
    gradNorm: norm,
    learningRate,
    tokens: result.tokens,
    labelTokens: result.labelTokens,
    seconds,
    rssBytes: deps.rssBytes(),
  });
  return { gradNorm: norm, learningRate };
}

function entryAt<Row>({ state, settings }: TrainDeps<Row>, values: Record<string, number>): LogEntry {
  const tokens: Record<string, number> = settings.logTokens
    ? { num_input_tokens_seen: state.tokensSeen }
    : {};
  return { step: state.step, epoch: state.step / settings.stepsPerEpoch, ...values, ...tokens };
}

function log<Row>(deps: TrainDeps<Row>, { gradNorm, learningRate }: AppliedStep): void {
  const { state } = deps;
  const entry = entryAt(deps, {
    // Hugging Face's Trainer logs four decimals.
    loss: Number((state.pendingLoss / state.pendingSteps).toFixed(4)),
    grad_norm: gradNorm,
    learning_rate: learningRate,
    ...meansOf(state.pendingMetrics),
  });
  state.pendingLoss = 0;
  state.pendingSteps = 0;
  state.pendingMetrics = {};
  state.logHistory.push(entry);
  deps.emit({ kind: 'log', entry });
}

/** Evaluates, logs, updates the best metric, and returns whether patience has run out. */
async function evaluate<Row>(deps: TrainDeps<Row>): Promise<boolean> {
  const { decoder, task, state, settings } = deps;
  if (deps.evaluation.length === 0) return false;
  const values: Record<string, number> = {};
  // Graphs of evaluation are not those of training: their scratch never stands side by side.
  await decoder.shrink();
  for (const set of deps.evaluation) {
    const options = {
      batchSize: settings.evalBatchSize,
      wantAccuracy: settings.wantAccuracy,
      clock: deps.clock,
      onProgress: (done: number, total: number) =>
        deps.emit({ kind: 'evaluate', step: state.step, done, total }),
    };
    Object.assign(values, await task.evaluate(decoder, set, options, state.memory));
  }
  Object.assign(values, await deps.measure?.(state.step));
  await decoder.shrink();
  const entry = entryAt(deps, values);
  state.logHistory.push(entry);
  deps.emit({ kind: 'log', entry });
  const metric = values[settings.bestMetric];
  // Before the first step there is no checkpoint that could be the best.
  if (state.step > 0 && metric !== undefined && Number.isFinite(metric)) {
    const isBetter =
      !state.best || (settings.greaterIsBetter ? metric > state.best.metric : metric < state.best.metric);
    if (isBetter) state.best = { metric, step: state.step };
    state.evaluationsWithoutGain = isBetter ? 0 : state.evaluationsWithoutGain + 1;
  }
  await deps.sample?.(state.step);
  return settings.patience !== null && state.evaluationsWithoutGain >= settings.patience;
}

function diverged(step: number, reason: string, savedAt: number): FactoryError {
  return new FactoryError({
    code: 'TRAIN_DIVERGED',
    message: `step ${step}: ${reason}; the step was not applied`,
    remedy:
      savedAt > 0
        ? `Lower learning_rate or max_grad_norm and start again; the checkpoint of step ${savedAt} is kept.`
        : 'Lower learning_rate, raise warmup_steps, or check the data, and start again.',
    details: { step, savedAt },
  });
}
