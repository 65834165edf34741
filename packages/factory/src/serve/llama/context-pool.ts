// In: questions, each for the base or an adapter. Out: a context with a free slot for each, in the order of asking. An adapter is set
// for a whole context, so each has its own, over the same weights; the longest idle goes where there is no room for another.
import { FactoryError } from '#factory/errors.ts';
import type { LlamaBinding, NativeContext, OpenContext } from './binding.ts';
import type { KeyedAdapter } from './messages.ts';
import { openSlots, type Slots } from './slots.ts';

export interface PooledContext {
  readonly adapter: string | null;
  readonly contextSize: number;
  readonly native: NativeContext;
  readonly slots: Slots;
}

export interface ContextPool {
  know(adapter: KeyedAdapter): void;
  /** Opens the context of an adapter, so that a file that cannot be used is known now. */
  add(adapter: KeyedAdapter): Promise<void>;
  /** Only once no question of it is under way. */
  remove(key: string): Promise<void>;
  /** `start` is called, now or later, with a context that has a free slot; it takes one before it returns. */
  admit(
    id: number,
    adapter: string | null,
    start: (context: PooledContext) => void,
    refuse: (error: unknown) => void,
  ): void;
  /** True where the question was still waiting. */
  withdraw(id: number): boolean;
  /** To be called when a slot has become free. */
  settle(): void;
}

interface Entry extends PooledContext {
  close(): Promise<void>;
  lastUse: number;
}

interface Waiting {
  id: number;
  adapter: string | null;
  start(context: PooledContext): void;
  refuse(error: unknown): void;
}

interface PoolOptions {
  contextSize: number;
  slots: number;
  /** Contexts that may be open together. */
  most: number;
}

export async function openContextPool(binding: LlamaBinding, options: PoolOptions): Promise<ContextPool> {
  const entries = new Map<string | null, Entry>();
  const adapters = new Map<string, KeyedAdapter>();
  const waiting: Waiting[] = [];
  let uses = 0;
  let opening = false;

  const open = async (key: string | null): Promise<Entry> => {
    const adapter = key === null ? null : (adapters.get(key) ?? null);
    let opened: OpenContext;
    try {
      opened = await binding.openContext(options.contextSize, adapter);
    } catch (cause) {
      if (adapter === null) throw cause;
      throw unusable(adapter, cause);
    }
    const { native, contextSize, close } = opened;
    const slots = openSlots(native, options.slots, binding.canCut);
    const entry: Entry = { adapter: key, contextSize, native, slots, close, lastUse: ++uses };
    entries.set(key, entry);
    return entry;
  };
  const longestIdle = (): Entry | null => {
    let found: Entry | null = null;
    for (const entry of entries.values())
      if (entry.slots.idle && (found === null || entry.lastUse < found.lastUse)) found = entry;
    return found;
  };
  /** Room for one context more; false while all are busy. */
  const makeRoom = async (): Promise<boolean> => {
    if (entries.size < options.most) return true;
    const idle = longestIdle();
    if (idle === null) return false;
    entries.delete(idle.adapter);
    await idle.close();
    return true;
  };
  // Strictly in order: whoever comes for an open context waits behind who needs another one opened, so that none waits forever.
  const settle = async (): Promise<void> => {
    if (opening) return;
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      const entry = entries.get(first.adapter);
      if (entry !== undefined) {
        if (entry.slots.free === 0) return;
        waiting.shift();
        entry.lastUse = ++uses;
        first.start(entry);
        continue;
      }
      opening = true;
      try {
        if (!(await makeRoom())) return;
        await open(first.adapter);
      } catch (error) {
        if (waiting[0] === first) waiting.shift();
        first.refuse(error);
      } finally {
        opening = false;
      }
    }
  };
  await open(null);
  return {
    know: (adapter) => void adapters.set(adapter.key, adapter),
    async add(adapter) {
      adapters.set(adapter.key, adapter);
      try {
        await new Promise<void>((resolve, reject) => {
          waiting.push({ id: -1, adapter: adapter.key, start: () => resolve(), refuse: reject });
          void settle();
        });
      } catch (error) {
        adapters.delete(adapter.key);
        throw error;
      }
    },
    async remove(key) {
      adapters.delete(key);
      const entry = entries.get(key);
      entries.delete(key);
      await entry?.close();
    },
    admit(id, adapter, start, refuse) {
      waiting.push({ id, adapter, start, refuse });
      void settle();
    },
    withdraw(id) {
      const at = waiting.findIndex((one) => one.id === id);
      if (at >= 0) waiting.splice(at, 1);
      return at >= 0;
    },
    settle: () => void settle(),
  };
}

function unusable(adapter: KeyedAdapter, cause: unknown): FactoryError {
  return new FactoryError({
    code: 'SERVE_MODEL',
    message: `llama.cpp cannot use ${adapter.path} as an adapter of this model: ${cause instanceof Error ? cause.message : cause}`,
    remedy: 'Load an adapter in GGUF format that was trained on this base.',
    cause,
  });
}
