// In: Ctrl-C and SIGTERM. Out: an AbortSignal after the first, the end of the process after the second.

/** A terminal and a parent process may both deliver one key press; what comes within this time is the same wish. */
const SAME_PRESS_MS = 300;

export interface Interrupt {
  signal: AbortSignal;
  /** The work is done: a first signal that comes now is too late and changes nothing; a second ends the process. */
  dispose(): void;
}

/**
 * The second signal ends the process with 130 at once, since a blocked run may never look at `signal`. The listeners stay
 * until the process ends: without them, a signal between the last write and the exit would kill a run that is whole.
 */
export function stopOnSignals(
  onFirst: () => void,
  names: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'],
): Interrupt {
  const controller = new AbortController();
  let firstAt = 0;
  let done = false;
  const heard = () => {
    const now = performance.now();
    if (!controller.signal.aborted) {
      firstAt = now;
      controller.abort();
      if (!done) onFirst();
    } else if (now - firstAt > SAME_PRESS_MS) {
      process.exit(130);
    }
  };
  for (const name of names) process.on(name, heard);
  return {
    signal: controller.signal,
    dispose() {
      done = true;
    },
  };
}
