// In: things that are put in when they come. Out: the same, to be read one after the other by one reader, up to the end or a failure.

export interface Mailbox<T> {
  put(one: T): void;
  end(): void;
  /** The reader gets what was put in before, then the error. The first of `end` and `fail` counts. */
  fail(error: unknown): void;
  read(): AsyncGenerator<T>;
}

export function openMailbox<T>(): Mailbox<T> {
  let items: T[] = [];
  let ended = false;
  let failure: { error: unknown } | null = null;
  let wake: (() => void) | null = null;
  const ring = () => {
    wake?.();
    wake = null;
  };
  return {
    put(one) {
      items.push(one);
      ring();
    },
    end() {
      ended = true;
      ring();
    },
    fail(error) {
      if (!ended) failure ??= { error };
      ring();
    },
    async *read() {
      for (;;) {
        const some = items;
        items = [];
        yield* some;
        if (items.length > 0) continue;
        if (ended) return;
        if (failure !== null) await Promise.reject(failure.error);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
