// In: questions, each a prompt with several continuations, as token ids. Out: the log-probability of every continuation's
// tokens, where each distinct beginning is computed once: token trees instead of rows. Text and labels are unknown here.
import { invariant } from '#factory/errors.ts';
import type { Decoder } from './decoder.ts';
import type { PackedBatch } from './packed-batch.ts';

export interface Question {
  /** At least one token. */
  prompt: readonly number[];
  continuations: readonly (readonly number[])[];
}

/** A batch of several trees holds at most this many slots. */
const MAX_SLOTS = 4096;
/** And at most this many pairs of slots, which attention works on. */
const MAX_PAIRS = 2 ** 21;
/** A question joins the tree before it where at least so many tokens, and so much of its prompt, are the same. */
const MIN_SHARED = 32;
const MIN_SHARED_PART = 0.5;

interface Tree {
  tokens: number[];
  /** Index of the token before it on the path, -1 for the first. */
  parents: number[];
  depths: number[];
}

/** What is asked of a batch: after `node` of tree `tree`, how likely is `target`? */
interface Ask {
  tree: number;
  node: number;
  target: number;
}

/** Question numbers of each tree of each batch. The plan follows from the ids alone, so that it can be made again. */
export function planTrees(questions: readonly Question[]): number[][][] {
  const order = [...questions.keys()].sort(
    (a, b) => compareIds(questions[a].prompt, questions[b].prompt) || a - b,
  );
  const trees: { members: number[]; size: number }[] = [];
  let before = -1;
  for (const q of order) {
    const { prompt } = questions[q];
    const last = trees.at(-1);
    const shared = before < 0 ? 0 : commonLength(questions[before].prompt, prompt);
    const own = sizeOf(questions[q]);
    const joined = (last?.size ?? 0) + own - shared;
    const mayJoin = shared >= MIN_SHARED && shared >= MIN_SHARED_PART * prompt.length;
    if (last && mayJoin && joined ** 2 <= MAX_PAIRS) {
      last.members.push(q);
      last.size = joined;
    } else {
      trees.push({ members: [q], size: own });
    }
    before = q;
  }
  // Trees of like size fill a grid; the largest come first, so that memory shows its peak at once.
  trees.sort((a, b) => b.size - a.size);
  const batches: number[][][] = [];
  let width = 0;
  for (const { members, size } of trees) {
    const batch = batches.at(-1);
    const rows = (batch?.length ?? 0) + 1;
    if (batch && rows * width <= MAX_SLOTS && rows * width ** 2 <= MAX_PAIRS) batch.push(members);
    else {
      batches.push([members]);
      width = size;
    }
  }
  return batches;
}

/** Of each question of the batch, by number: the log-probabilities (nats) of the tokens of each continuation. */
export async function scoreTrees(
  decoder: Decoder,
  questions: readonly Question[],
  batch: readonly (readonly number[])[],
): Promise<Map<number, Float64Array[]>> {
  const asks: Ask[] = [];
  const trees = batch.map((members, tree) =>
    growTree(
      members.map((q) => questions[q]),
      (node, target) => asks.push({ tree, node, target }),
    ),
  );
  const { packed, rowOf } = packTrees(trees, asks);
  const targets = Int32Array.from(asks, ({ target }) => target);
  const logProbs = await decoder.head.logProbs(await decoder.forward(packed), rowOf, targets);
  const scores = new Map<number, Float64Array[]>();
  let at = 0;
  for (const q of batch.flat()) {
    const parts = questions[q].continuations.map(({ length }) => {
      at += length;
      return logProbs.slice(at - length, at);
    });
    scores.set(q, parts);
  }
  return scores;
}

/** `ask` is called for every token of every continuation, in order. The last token of a path is asked for, not computed. */
function growTree(questions: readonly Question[], ask: (node: number, target: number) => void): Tree {
  const tree: Tree = { tokens: [], parents: [], depths: [] };
  const children = new Map<number, number>();
  const step = (node: number, token: number): number => {
    // Vocabularies are far below 2^24, and trees below 2^28.
    const key = (node + 1) * 2 ** 24 + token;
    const known = children.get(key);
    if (known !== undefined) return known;
    const fresh = tree.tokens.push(token) - 1;
    tree.parents.push(node);
    tree.depths.push(node < 0 ? 0 : tree.depths[node] + 1);
    children.set(key, fresh);
    return fresh;
  };
  for (const { prompt, continuations } of questions) {
    invariant(prompt.length > 0, 'a question begins with at least one token');
    const end = prompt.reduce(step, -1);
    for (const tokens of continuations) {
      let node = end;
      tokens.forEach((token, i) => {
        if (i > 0) node = step(node, tokens[i - 1]);
        ask(node, token);
      });
    }
  }
  return tree;
}

/** One tree per row of the grid. `rowOf`: which of the batch's labelled positions each ask reads. */
function packTrees(trees: readonly Tree[], asks: readonly Ask[]): { packed: PackedBatch; rowOf: Int32Array } {
  const rows = trees.length;
  const width = Math.max(...trees.map(({ tokens }) => tokens.length));
  const starts: number[] = [];
  const ids = Int32Array.from(trees.flatMap(({ tokens }) => tokens));
  const positions = Int32Array.from(trees.flatMap(({ depths }) => depths));
  const place = new Int32Array(ids.length);
  const slotOf = new Int32Array(rows * width);
  const real = new Float32Array(rows * width);
  const parent = new Int32Array(rows * width).fill(-1);
  let n = 0;
  trees.forEach(({ tokens, parents }, row) => {
    starts.push(n);
    slotOf.fill(n, row * width, (row + 1) * width);
    for (let t = 0; t < tokens.length; t++, n++) {
      const slot = row * width + t;
      place[n] = slot;
      slotOf[slot] = n;
      real[slot] = 1;
      parent[slot] = parents[t];
    }
  });
  const nodes = asks.map(({ tree, node }) => starts[tree] + node);
  const labelIndex = Int32Array.from([...new Set(nodes)].sort((a, b) => a - b));
  const rowOfNode = new Map(Array.from(labelIndex, (node, i) => [node, i]));
  const rowOf = Int32Array.from(nodes, (node) => rowOfNode.get(node) as number);
  const longest = positions.reduce((most, position) => Math.max(most, position + 1), 1);
  // Targets are asked for by `rowOf`; the batch itself has none.
  const none = { targets: new Int32Array(0), labelStart: new Int32Array(1) };
  return {
    packed: {
      rows,
      width,
      longest,
      ids,
      positions,
      slotOf,
      real,
      place,
      partStart: null,
      parent,
      labelIndex,
      ...none,
    },
    rowOf,
  };
}

/** Tokens of a question's own tree. */
function sizeOf({ prompt, continuations }: Question): number {
  const inner = new Set(
    continuations.flatMap((tokens) => tokens.slice(0, -1).map((_, i) => tokens.slice(0, i + 1).join(','))),
  );
  return prompt.length + inner.size;
}

function commonLength(a: readonly number[], b: readonly number[]): number {
  let n = 0;
  while (n < a.length && n < b.length && a[n] === b[n]) n++;
  return n;
}

function compareIds(a: readonly number[], b: readonly number[]): number {
  const n = commonLength(a, b);
  if (n < a.length && n < b.length) return a[n] - b[n];
  return a.length - b.length;
}
