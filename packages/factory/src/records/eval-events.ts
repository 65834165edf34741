// In: nothing. Out: what an evaluation tells its listeners while it runs.

export type EvalEvent =
  | { kind: 'note'; text: string }
  /** `detectable`: what a comparison on these rows could see, in words. */
  | { kind: 'start'; name: string; rows: number; answered: number; detectable: string }
  /** `secondsLeft` is null until a row has been answered. */
  | { kind: 'progress'; done: number; total: number; failed: number; secondsLeft: number | null };
