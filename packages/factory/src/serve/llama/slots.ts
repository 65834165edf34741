// In: one context of llama.cpp with several sequences, and prompts. Out: the sequences as slots: which prompt continues in which,
// and how much of it is there already. Passes and sampling are the batcher's.
import { invariant } from '#factory/errors.ts';
import type { NativeContext } from './binding.ts';

export interface Slot {
  readonly sequence: number;
  /** Tokens whose keys and values the sequence holds. */
  tokens: number[];
  busy: boolean;
  /** Grows with every use; the least is the longest idle. */
  lastUse: number;
}

export interface Slots {
  readonly free: number;
  readonly idle: boolean;
  /** Takes the free slot that holds most of the prompt, and cuts it to what they share. At least one token is left to run. */
  take(prompt: Uint32Array): Slot;
  /** Forgets what the slot holds. */
  clear(slot: Slot): void;
  release(slot: Slot): void;
}

export function openSlots(context: NativeContext, count: number, canCut: boolean): Slots {
  const slots = Array.from(
    { length: count },
    (_, sequence): Slot => ({ sequence, tokens: [], busy: false, lastUse: 0 }),
  );
  let uses = 0;
  const clear = (slot: Slot) => {
    context.disposeSequence(slot.sequence);
    slot.tokens = [];
  };
  return {
    get free() {
      return slots.filter((slot) => !slot.busy).length;
    },
    get idle() {
      return slots.every((slot) => !slot.busy);
    },
    take(prompt) {
      let best: Slot | null = null;
      let shared = -1;
      for (const slot of slots) {
        if (slot.busy) continue;
        const here = usable(slot.tokens, prompt, canCut);
        // Of equals the longest idle: what was used last is likelier to be continued.
        if (best === null || here > shared || (here === shared && slot.lastUse < best.lastUse)) {
          best = slot;
          shared = here;
        }
      }
      invariant(best !== null, 'a slot is taken where none is free');
      cut(best, shared);
      best.busy = true;
      best.lastUse = ++uses;
      return best;
    },
    clear,
    release(slot) {
      slot.busy = false;
      slot.lastUse = ++uses;
    },
  };

  function cut(slot: Slot, length: number): void {
    if (length === slot.tokens.length) return;
    if (length === 0 || !context.removeTokenCellsFromSequence(slot.sequence, length, -1)) clear(slot);
    else slot.tokens.length = length;
  }
}

/** Tokens of the prompt that need no pass. */
function usable(held: readonly number[], prompt: Uint32Array, canCut: boolean): number {
  const most = Math.min(held.length, prompt.length - 1);
  let length = 0;
  while (length < most && held[length] === prompt[length]) length++;
  return canCut || length === held.length ? length : 0;
}
