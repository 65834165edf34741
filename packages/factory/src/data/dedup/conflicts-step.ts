// In: all rows. Out: prompts that have several different answers: a queue for people, as no rule knows which one is right.
// Prompts and answers are compared without case, width and spacing. Nothing goes unless the recipe says so.
import type { RowSet, SetContext, SetDecision, SetFindings, SetStep } from '../clean-step.ts';
import { exactFirsts } from './exact-groups.ts';
import { exactKey } from './exact-key.ts';
import { rowSides, sidesKey } from './row-sides.ts';

const EVERY = 4096;

export const conflictsStep: SetStep = {
  kind: 'set',
  name: 'conflicts',
  version: 1,
  title: { en: 'Conflicting answers', zh: '答案冲突' },
  options: {
    drop: {
      type: 'choice',
      choices: ['none', 'minority', 'all'],
      default: 'none',
      role: 'decide',
      text: {
        en: 'which rows of a conflict go: none, those whose answer is not the clear majority, or all',
        zh: '冲突的行如何处理：none 全部保留，minority 去除非多数答案的行，all 全部去除',
      },
    },
    majority: {
      type: 'number',
      default: 0.5,
      min: 0,
      max: 1,
      role: 'decide',
      text: {
        en: 'the share that the most frequent answer must exceed to be the clear majority',
        zh: '最多的答案须超过此比例才算明确多数',
      },
    },
  },
  scores: {
    prompt: { en: 'number of the prompt among those that occur twice', zh: '重复出现的提示的编号' },
    answer: { en: 'number of the answer among those of this prompt', zh: '该提示下答案的编号' },
  },
  reasons: {
    answer_conflict: {
      verdict: 'keep',
      text: { en: 'the same prompt has another answer elsewhere', zh: '同一提示在别处有不同答案' },
    },
    answer_minority: {
      verdict: 'drop',
      text: { en: 'most rows with this prompt have another answer', zh: '该提示的多数行是另一答案' },
    },
    answer_disputed: {
      verdict: 'drop',
      text: { en: 'rows with this prompt do not agree', zh: '该提示的各行答案不一致' },
    },
  },
  run: findConflicts,
  *decide({ scores }, options, alive) {
    const { prompt, answer } = scores as { prompt: Float64Array; answer: Float64Array };
    const byPrompt = new Map<number, number[]>();
    for (let row = 0; row < alive.length; row++) {
      if (!alive[row] || Number.isNaN(prompt[row])) continue;
      const rows = byPrompt.get(prompt[row]!);
      if (rows) rows.push(row);
      else byPrompt.set(prompt[row]!, [row]);
    }
    for (const rows of byPrompt.values())
      yield* decidePrompt(rows, answer, options.drop as string, options.majority as number);
  },
};

/** `score` is the share of the row's own answer among the rows of the prompt. */
function* decidePrompt(
  rows: readonly number[],
  answer: Float64Array,
  drop: string,
  majority: number,
): Generator<SetDecision> {
  const counts = new Map<number, number>();
  for (const row of rows) counts.set(answer[row]!, (counts.get(answer[row]!) ?? 0) + 1);
  if (counts.size < 2) return;
  const most = Math.max(...counts.values()) / rows.length;
  for (const row of rows) {
    const share = counts.get(answer[row]!)! / rows.length;
    const isMinority = drop === 'minority' && most > majority && share < most;
    const reason = drop === 'all' ? 'answer_disputed' : isMinority ? 'answer_minority' : 'answer_conflict';
    yield { row, reason, score: share, threshold: majority, survivor: null };
  }
}

async function findConflicts(rows: RowSet, _options: unknown, context: SetContext): Promise<SetFindings> {
  const { count } = rows;
  const sides = (row: number) => rowSides(rows.row(row));
  const firsts = exactFirsts(count, (row) => sidesKey({ ...sides(row), answer: null }));
  const prompt = new Float64Array(count).fill(Number.NaN);
  const answer = new Float64Array(count).fill(Number.NaN);
  const answers = new Map<number, Map<string, number>>();
  const number = (row: number, first: number) => {
    let known = answers.get(first);
    if (!known) {
      known = new Map();
      answers.set(first, known);
    }
    const key = exactKey(sides(row).answer ?? '');
    if (!known.has(key)) known.set(key, known.size);
    prompt[row] = first;
    answer[row] = known.get(key)!;
  };
  for (let row = 0; row < count; row++) {
    const first = firsts[row]!;
    if (first !== row) {
      if (Number.isNaN(answer[first])) number(first, first);
      number(row, first);
    }
    if (row % EVERY === 0) await context.progress(row, count);
  }
  return {
    scores: { prompt, answer },
    pairs: { a: new Uint32Array(0), b: new Uint32Array(0), value: new Float64Array(0) },
  };
}
