// In: nothing. Out: what a cleaning run is given besides its data, and what it tells while it runs.
export interface CleanDeps {
  env: Readonly<Record<string, string | undefined>>;
  fetch: typeof fetch;
  signal: AbortSignal;
  /** Milliseconds since 1970. */
  now(): number;
  /** Worker threads for row steps. */
  threads: number;
  onEvent(event: CleanEvent): void;
}

export type CleanEvent =
  | { kind: 'start'; files: number; bytes: number; resumedFrom: number }
  /** `total` is an estimate while files are read, or null where there is none. */
  | { kind: 'progress'; step: string; done: number; total: number | null }
  | { kind: 'deciding' };
