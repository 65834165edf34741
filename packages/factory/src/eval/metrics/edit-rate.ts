// In: the words of an answer and of a reference. Out: the edits that turn one into the other, a shift of a block of words
// being one edit: Tercom's greedy search (Snover et al. 2006) with sacrebleu's limits and preferences.

const MAX_SHIFT_SIZE = 10;
const MAX_SHIFT_DISTANCE = 50;
const MAX_CANDIDATES = 1000;
const BEAM = 25;
const FAR = 1e9;

const KEEP = 0;
const REPLACE = 1;
const DELETE = 2;
const INSERT = 3;

interface Edits {
  distance: number;
  /** From the first word to the last. */
  trace: number[];
}

export function translationEdits(answer: readonly string[], reference: readonly string[]): number {
  if (reference.length === 0) return answer.length;
  const edits = editDistance(reference);
  let words = answer;
  let [shifts, checked] = [0, 0];
  for (;;) {
    const shifted = bestShift(words, reference, edits, checked);
    checked = shifted.checked;
    if (checked >= MAX_CANDIDATES || shifted.gain <= 0) break;
    shifts++;
    words = shifted.words;
  }
  return shifts + edits(words).distance;
}

interface Shift {
  gain: number;
  length: number;
  start: number;
  target: number;
  words: readonly string[];
}

function bestShift(
  words: readonly string[],
  reference: readonly string[],
  edits: (words: readonly string[]) => Edits,
  checkedBefore: number,
): { gain: number; words: readonly string[]; checked: number } {
  const { distance, trace } = edits(words);
  const { answerOf, referenceWrong, answerWrong } = alignment(trace);
  let best: Shift | null = null;
  let checked = checkedBefore;
  for (const [start, at, length] of commonBlocks(words, reference)) {
    if (!answerWrong.slice(start, start + length).includes(true)) continue;
    if (!referenceWrong.slice(at, at + length).includes(true)) continue;
    if (start <= answerOf[at] && answerOf[at] < start + length) continue;
    let previous = -1;
    for (let offset = -1; offset < length; offset++) {
      const place = at + offset;
      if (place >= answerOf.length) break;
      const target = place === -1 ? 0 : answerOf[place] + 1;
      if (target === previous) continue;
      previous = target;
      const shifted = moveBlock(words, start, length, target);
      const candidate = { gain: distance - edits(shifted).distance, length, start, target, words: shifted };
      checked++;
      if (!best || isBetter(candidate, best)) best = candidate;
    }
    if (checked >= MAX_CANDIDATES) break;
  }
  return { gain: best?.gain ?? 0, words: best?.words ?? words, checked };
}

/** The highest gain, then the longest block, then the earliest start, then the earliest target. */
function isBetter(a: Shift, b: Shift): boolean {
  if (a.gain !== b.gain) return a.gain > b.gain;
  if (a.length !== b.length) return a.length > b.length;
  if (a.start !== b.start) return a.start < b.start;
  return a.target < b.target;
}

function moveBlock(words: readonly string[], start: number, length: number, target: number): string[] {
  const block = words.slice(start, start + length);
  const rest = [...words.slice(0, start), ...words.slice(start + length)];
  // A target inside the block counts from the block's start in what is left.
  const at = target < start ? target : target > start + length ? target - length : target;
  return [...rest.slice(0, at), ...block, ...rest.slice(at)];
}

/** Blocks of equal words: [start in the answer, start in the reference, length], every length from 1 up. */
function* commonBlocks(
  words: readonly string[],
  reference: readonly string[],
): Generator<[number, number, number]> {
  for (let start = 0; start < words.length; start++) {
    for (let at = 0; at < reference.length; at++) {
      if (Math.abs(at - start) > MAX_SHIFT_DISTANCE) continue;
      for (let length = 1; length <= MAX_SHIFT_SIZE; length++) {
        const [last, lastAt] = [start + length - 1, at + length - 1];
        if (last >= words.length || lastAt >= reference.length || words[last] !== reference[lastAt]) break;
        yield [start, at, length];
      }
    }
  }
}

/** `answerOf[r]`: the answer's word that stands for reference word r, or stood last before it. */
function alignment(trace: readonly number[]): {
  answerOf: number[];
  referenceWrong: boolean[];
  answerWrong: boolean[];
} {
  const answerOf: number[] = [];
  const referenceWrong: boolean[] = [];
  const answerWrong: boolean[] = [];
  for (const edit of trace) {
    const wrong = edit !== KEEP;
    // An inserted word is in the reference only, a deleted one in the answer only.
    if (edit !== INSERT) answerWrong.push(wrong);
    if (edit === DELETE) continue;
    answerOf.push(answerWrong.length - 1);
    referenceWrong.push(wrong);
  }
  return { answerOf, referenceWrong, answerWrong };
}

/**
 * Distances to one reference. Only cells near the diagonal are visited; all answers have the same length, so rows of a
 * common beginning with the answer before stay valid.
 */
function editDistance(reference: readonly string[]): (words: readonly string[]) => Edits {
  const width = reference.length + 1;
  let [known, costs, moves]: [readonly string[], Int32Array, Uint8Array] = [
    [],
    new Int32Array(),
    new Uint8Array(),
  ];
  return (words) => {
    let row = 0;
    if (costs.length !== (words.length + 1) * width) {
      costs = new Int32Array((words.length + 1) * width);
      moves = new Uint8Array(costs.length).fill(INSERT, 0, width);
      for (let j = 0; j < width; j++) costs[j] = j;
    } else while (row < words.length && words[row] === known[row]) row++;
    known = words;
    const ratio = words.length > 0 ? reference.length / words.length : 1;
    const beam = BEAM < ratio / 2 ? Math.ceil(ratio / 2 + BEAM) : BEAM;
    for (let i = row + 1; i <= words.length; i++) {
      const diagonal = Math.floor(i * ratio);
      const end = i === words.length ? width : Math.min(width, diagonal + beam);
      const here = i * width;
      costs.fill(FAR, here, here + width);
      for (let j = Math.max(0, diagonal - beam); j < end; j++) {
        let [cost, move] = [FAR, KEEP];
        if (j > 0) {
          const equal = words[i - 1] === reference[j - 1];
          cost = costs[here - width + j - 1] + (equal ? 0 : 1);
          move = equal ? KEEP : REPLACE;
        }
        if (cost > costs[here - width + j] + 1) [cost, move] = [costs[here - width + j] + 1, DELETE];
        if (j > 0 && cost > costs[here + j - 1] + 1) [cost, move] = [costs[here + j - 1] + 1, INSERT];
        costs[here + j] = cost;
        moves[here + j] = move;
      }
    }
    const trace: number[] = [];
    for (let [i, j] = [words.length, reference.length]; i > 0 || j > 0; ) {
      const move = moves[i * width + j];
      trace.push(move);
      if (move !== INSERT) i--;
      if (move !== DELETE) j--;
    }
    return { distance: costs[words.length * width + reference.length], trace: trace.reverse() };
  };
}
