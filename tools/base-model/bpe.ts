// In: texts. Out: the merges of a byte-level BPE, and the tokenizer.json around them (GPT-2 bytes, Qwen2 splitting).
// Pure: no files, no clock. Equal input gives equal output on every machine.

/**
 * Qwen2's pre-tokenizer: contractions, words with one leading sign, single digits, punctuation runs, white space.
 * Written without inline flags so that every regular-expression engine reads it alike.
 */
export const SPLIT_PATTERN =
  "'(?:[sS]|[tT]|[rR][eE]|[vV][eE]|[mM]|[lL][lL]|[dD])|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

export const END_OF_TEXT = '<|endoftext|>';
export const TURN_START = '<|im_start|>';
export const TURN_END = '<|im_end|>';
export const SPECIAL_TOKENS = [END_OF_TEXT, TURN_START, TURN_END];

export type Merge = [string, string];

/** Byte → printable character, GPT-2's table: printable Latin-1 stays, the rest moves to U+0100 and up. */
export const BYTE_CHARS: string[] = (() => {
  const kept = (b: number): boolean => (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  let next = 256;
  return Array.from({ length: 256 }, (_, b) => String.fromCharCode(kept(b) ? b : next++));
})();

/** The order of single-byte tokens in GPT-2's vocabulary: printable bytes first, then the moved ones. */
const BYTE_ORDER = [...BYTE_CHARS].sort((x, y) => (x < y ? -1 : 1));

/** How often each pre-token occurs, as a string of UTF-8 bytes in GPT-2's characters. Special tokens are cut out. */
export function countWords(texts: Iterable<string>): Map<string, number> {
  const split = new RegExp(SPLIT_PATTERN, 'gu');
  const special = /<\|(?:endoftext|im_start|im_end)\|>/;
  const raw = new Map<string, number>();
  for (const text of texts) {
    for (const piece of text.split(special)) {
      for (const word of piece.match(split) ?? []) raw.set(word, (raw.get(word) ?? 0) + 1);
    }
  }
  const words = new Map<string, number>();
  for (const [word, count] of raw) {
    const bytes = Array.from(Buffer.from(word, 'utf8'), (b) => BYTE_CHARS[b]!).join('');
    // Lone surrogates of two words may become the same bytes.
    words.set(bytes, (words.get(bytes) ?? 0) + count);
  }
  return words;
}

/**
 * Merges the most frequent adjacent pair until `mergeCount` merges are made or no pair occurs twice. Ties go to the
 * pair whose parts were known first. Each merge touches only the words that hold the pair.
 */
export function trainMerges(words: ReadonlyMap<string, number>, mergeCount: number): Merge[] {
  const tokens = [...BYTE_ORDER];
  const byteId = new Map(tokens.map((token, id) => [token, id]));
  // Sorting makes the result independent of the order of the texts.
  const entries = [...words].sort(([x], [y]) => (x < y ? -1 : 1));
  const symbols = entries.map(([word]) => Array.from(word, (c) => byteId.get(c)!));
  const counts = entries.map(([, count]) => count);

  const pairCount = new Map<number, number>();
  const pairWords = new Map<number, number[]>();
  const queue = new PairQueue();
  const note = (pair: number, word: number, delta: number): void => {
    pairCount.set(pair, (pairCount.get(pair) ?? 0) + delta);
    if (delta <= 0) return;
    const list = pairWords.get(pair);
    if (!list) pairWords.set(pair, [word]);
    else if (list[list.length - 1] !== word) list.push(word);
  };
  symbols.forEach((ids, word) => {
    for (let i = 0; i + 1 < ids.length; i++) note(pairKey(ids[i]!, ids[i + 1]!), word, counts[word]!);
  });
  for (const [pair, count] of pairCount) queue.push(pair, count);

  const merges: Merge[] = [];
  const known = new Set(tokens);
  while (merges.length < mergeCount) {
    const best = queue.pop(pairCount);
    if (best === null || pairCount.get(best)! < 2) break;
    const [left, right] = pairParts(best);
    const text = tokens[left]! + tokens[right]!;
    const merged = tokens.length;
    // Two different pairs can spell one token; the vocabulary holds it once.
    const isNew = !known.has(text);
    if (isNew) {
      merges.push([tokens[left]!, tokens[right]!]);
      tokens.push(text);
      known.add(text);
    }
    const id = isNew ? merged : tokens.indexOf(text);
    const touched = new Set<number>();
    for (const word of new Set(pairWords.get(best))) {
      const ids = symbols[word]!;
      const count = counts[word]!;
      const next: number[] = [];
      let changed = false;
      for (let i = 0; i < ids.length; i++) {
        if (ids[i] === left && ids[i + 1] === right) {
          next.push(id);
          i++;
          changed = true;
        } else next.push(ids[i]!);
      }
      if (!changed) continue;
      for (let i = 0; i + 1 < ids.length; i++) {
        const pair = pairKey(ids[i]!, ids[i + 1]!);
        note(pair, word, -count);
        touched.add(pair);
      }
      for (let i = 0; i + 1 < next.length; i++) {
        const pair = pairKey(next[i]!, next[i + 1]!);
        note(pair, word, count);
        touched.add(pair);
      }
      symbols[word] = next;
    }
    pairCount.delete(best);
    pairWords.delete(best);
    for (const pair of touched) {
      const count = pairCount.get(pair);
      if (count !== undefined && count > 0) queue.push(pair, count);
    }
  }
  return merges;
}

const PAIR_BASE = 1 << 20;

function pairKey(left: number, right: number): number {
  return left * PAIR_BASE + right;
}

function pairParts(pair: number): [number, number] {
  return [Math.floor(pair / PAIR_BASE), pair % PAIR_BASE];
}

/** A binary heap by count, then by the smaller pair. Entries are not updated: a stale one is dropped when popped. */
class PairQueue {
  readonly #heap: { pair: number; count: number }[] = [];

  push(pair: number, count: number): void {
    const heap = this.#heap;
    heap.push({ pair, count });
    let i = heap.length - 1;
    while (i > 0) {
      const up = (i - 1) >> 1;
      if (!before(heap[i]!, heap[up]!)) break;
      [heap[i], heap[up]] = [heap[up]!, heap[i]!];
      i = up;
    }
  }

  /** The most frequent pair by `current`, or null. */
  pop(current: ReadonlyMap<number, number>): number | null {
    const heap = this.#heap;
    while (heap.length > 0) {
      const top = heap[0]!;
      const last = heap.pop()!;
      if (heap.length > 0) {
        heap[0] = last;
        this.#sink();
      }
      if (current.get(top.pair) === top.count) return top.pair;
    }
    return null;
  }

  #sink(): void {
    const heap = this.#heap;
    let i = 0;
    for (;;) {
      let first = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && before(heap[child]!, heap[first]!)) first = child;
      }
      if (first === i) return;
      [heap[i], heap[first]] = [heap[first]!, heap[i]!];
      i = first;
    }
  }
}

function before(x: { pair: number; count: number }, y: { pair: number; count: number }): boolean {
  return x.count > y.count || (x.count === y.count && x.pair < y.pair);
}

/** tokenizer.json as Hugging Face's libraries read it: bytes, merges, then the special tokens. */
export function tokenizerJson(merges: readonly Merge[]): Record<string, unknown> {
  const plain = [...BYTE_ORDER, ...merges.map(([a, b]) => a + b)];
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false, use_regex: false };
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: SPECIAL_TOKENS.map((content, i) => ({
      id: plain.length + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        { type: 'Split', pattern: { Regex: SPLIT_PATTERN }, behavior: 'Isolated', invert: false },
        byteLevel,
      ],
    },
    post_processor: byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: false,
      vocab: Object.fromEntries(plain.map((token, id) => [token, id])),
      merges: merges.map(([a, b]) => `${a} ${b}`),
    },
  };
}

/** ChatML without a default system text: what the template `chatml` encodes. A turn's end also ends a document. */
export function tokenizerConfig(contextLength: number, firstSpecialId: number): Record<string, unknown> {
  const added = SPECIAL_TOKENS.map((content, i) => [
    String(firstSpecialId + i),
    { content, lstrip: false, normalized: false, rstrip: false, single_word: false, special: true },
  ]);
  return {
    add_bos_token: false,
    add_prefix_space: false,
    added_tokens_decoder: Object.fromEntries(added),
    additional_special_tokens: [TURN_START, TURN_END],
    bos_token: null,
    chat_template:
      "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}",
    clean_up_tokenization_spaces: false,
    eos_token: TURN_END,
    errors: 'replace',
    model_max_length: contextLength,
    pad_token: END_OF_TEXT,
    split_special_tokens: false,
    tokenizer_class: 'PreTrainedTokenizerFast',
    unk_token: null,
  };
}
