// In: nothing. Out: everything besides the parameters' values that a run needs to go on as if it had never stopped. All
// randomness is derived from the seed and the step, so no generator state is kept.
import type { LogEntry } from '#factory/records/train-events.ts';
import type { Experience } from './experience.ts';
import type { Memory, Metrics } from './objective.ts';

export interface RunState {
  /** Optimiser steps done. */
  step: number;
  /** Sum of step losses, and steps, since the last log entry. */
  pendingLoss: number;
  pendingSteps: number;
  /** The objective's metrics since the last log entry. */
  pendingMetrics: Metrics;
  /** What the objective carries from step to step. */
  memory: Memory;
  /** Answers of the model that more steps will learn from. */
  experience: Experience[];
  /** Sum of step losses of the whole run, for `train_loss`. */
  totalLoss: number;
  tokensSeen: number;
  labelTokensSeen: number;
  /** Seconds spent training, over all sittings. */
  seconds: number;
  logHistory: LogEntry[];
  best: { metric: number; step: number } | null;
  /** Evaluations in a row that did not improve the best. */
  evaluationsWithoutGain: number;
  /** Losses of the last steps, for the guard against divergence. */
  recentLosses: number[];
  /** Patience ran out at this step: the run is over before its last step. */
  stoppedEarly: boolean;
}

export function freshState(): RunState {
  return {
    step: 0,
    pendingLoss: 0,
    pendingSteps: 0,
    pendingMetrics: {},
    memory: {},
    experience: [],
    totalLoss: 0,
    tokensSeen: 0,
    labelTokensSeen: 0,
    seconds: 0,
    logHistory: [],
    best: null,
    evaluationsWithoutGain: 0,
    recentLosses: [],
    stoppedEarly: false,
  };
}
