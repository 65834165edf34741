// In: generated ids, one at a time. Out: text that will not change any more. Bytes of unfinished characters and text
// that may become a stop word are held back; the stop word itself is never given out.
import type { StreamChunk, StreamDecoder, StreamDecoderOptions } from '#factory/records/stream-decoder.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';

/** A character has at most four bytes, so an unfinished one older than this many ids will not be finished. */
const MAX_PENDING_IDS = 8;

const REPLACEMENT = '\uFFFD';

export function streamDecoder(tokenizer: TextTokenizer, options: StreamDecoderOptions = {}): StreamDecoder {
  const stopWords = (options.stopWords ?? []).filter((word) => word !== '');
  const decode = (ids: number[]) =>
    tokenizer.decode(ids, { skipSpecialTokens: options.skipSpecialTokens ?? false });
  // `context` has been given out already: it stays in front because decoders strip the space of a first token.
  let context: number[] = [];
  let pending: number[] = [];
  let held = '';
  let stopped: string | null = null;

  function takeText(isLast: boolean): string {
    const before = decode(context);
    const text = decode([...context, ...pending]).slice(before.length);
    const isUnfinished = text === '' || text.endsWith(REPLACEMENT);
    if (isUnfinished && !isLast && pending.length < MAX_PENDING_IDS) return '';
    if (pending.length > 0) context = pending;
    pending = [];
    return text;
  }

  function release(isLast: boolean): StreamChunk {
    let at = -1;
    for (const word of stopWords) {
      const found = held.indexOf(word);
      if (found >= 0 && (at < 0 || found < at)) {
        at = found;
        stopped = word;
      }
    }
    if (stopped !== null) {
      const text = held.slice(0, at);
      held = '';
      return { text, stop: stopped };
    }
    const keep = isLast ? 0 : longestStart(held, stopWords);
    const text = held.slice(0, held.length - keep);
    held = held.slice(held.length - keep);
    return { text, stop: null };
  }

  return {
    push(id) {
      if (stopped !== null) return { text: '', stop: stopped };
      const kept = options.keep?.get(id);
      if (kept === undefined) {
        pending.push(id);
        held += takeText(false);
      } else held += (pending.length > 0 ? takeText(true) : '') + kept;
      return release(false);
    },
    end() {
      if (stopped !== null) return { text: '', stop: stopped };
      if (pending.length > 0) held += takeText(true);
      return release(true);
    },
  };
}

/** Length of the longest end of `text` that is the start of a stop word. */
function longestStart(text: string, stopWords: readonly string[]): number {
  let longest = 0;
  for (const word of stopWords) {
    for (let length = Math.min(word.length - 1, text.length); length > longest; length--) {
      if (text.endsWith(word.slice(0, length))) longest = length;
    }
  }
  return longest;
}
