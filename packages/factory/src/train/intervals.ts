// In: an interval and a step. Out: whether something is due after that step.

export type Interval = { every: 'steps'; steps: number } | { every: 'epoch' } | { every: 'never' };

interface Position {
  stepsPerEpoch: number;
  totalSteps: number;
}

export function isEpochEnd(step: number, { stepsPerEpoch, totalSteps }: Position): boolean {
  return step > 0 && (step % stepsPerEpoch === 0 || step === totalSteps);
}

export function isDue(interval: Interval, step: number, position: Position): boolean {
  if (interval.every === 'never') return false;
  if (interval.every === 'epoch') return isEpochEnd(step, position);
  return step % interval.steps === 0;
}
