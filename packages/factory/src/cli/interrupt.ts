// In: Ctrl-C and SIGTERM. Out: an AbortSignal after the first, the end of the process after the second.

/** A terminal and a parent process may both deliver one key press; what comes within this time is the same wish. */
const SAME_PRESS_MS = 300;

export interface Interrupt {
  signal: AbortSignal;
  dispose(): void;
}

/** The second signal ends the process with 130 at once, since a blocked run may never look at `signal`. */
export function stopOnSignals(
  onFirst: () => void,
  names: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM'],
): Interrupt {
  const controller = new AbortController();
  let firstAt = 0;
  const heard = () => {
    const now = performance.now();
    if (!controller.signal.aborted) {
      firstAt = now;
      controller.abort();
      onFirst();
    } else if (now - firstAt > SAME_PRESS_MS) {
      process.exit(130);
    }
  };
  for (const name of names) process.on(name, heard);
  return {
    signal: controller.signal,
    dispose() {
      for (const name of names) process.off(name, heard);
    },
  };
}
