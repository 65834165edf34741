// In: a decoder, tokenizer and template, and the questions. Out: answered rows: the likeliest choice by log-probability, a
// generated text, or the log-probabilities of the reference. Some rows are answered alone, so that their times are those
// of one request; the others run together.
import { FactoryError } from '#factory/errors.ts';
import type { Decoder } from '#factory/model/decoder.ts';
import { generateTokens } from '#factory/model/generate.ts';
import { planTrees, type Question, scoreTrees } from '#factory/model/token-tree.ts';
import type { EvalArgs, LengthNormalization } from '#factory/records/eval-args.ts';
import type { EvalQuestion } from '#factory/records/eval-question.ts';
import type { StoredPrediction } from '#factory/records/evaluation.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { streamDecoder } from '#factory/tokens/stream-decoder.ts';
import type { ResolvedTemplate } from '#factory/tokens/template.ts';
import { checkVocabulary } from '../check-vocabulary.ts';
import { type Answerer, unanswered } from './answerer.ts';

export interface LocalDeps {
  args: TrainArgs;
  evalArgs: EvalArgs;
  predict: 'logprob' | 'generate' | 'reference';
  needsReferenceLogprobs: boolean;
  decoder: Decoder;
  tokenizer: TextTokenizer;
  /** Null where all prompts are plain text. */
  template: ResolvedTemplate | null;
  signal: AbortSignal;
  close(): Promise<void>;
}

/** A question in tokens, or why the model cannot take it. */
type Asked =
  | { prompt: number[]; continuations: number[][]; reference: number[] | null }
  | { failure: string };

export function answerLocally(deps: LocalDeps): Answerer {
  const { evalArgs, args, predict, signal } = deps;
  return {
    async answer(questions, isOpen, take) {
      const asked = questions.map((question) => encode(question, deps));
      const numbers = [...questions.keys()];
      const fit = numbers.filter((q) => !('failure' in asked[q]));
      take(
        numbers
          .filter((q) => isOpen(q) && 'failure' in asked[q])
          .map((q) => ({
            ...unanswered(questions[q]),
            failure: (asked[q] as { failure: string }).failure,
            promptTokens: 0,
            newTokens: 0,
          })),
      );
      if (fit.length === 0) return;
      const run = predict === 'generate' ? generateRows : scoreRows;
      // Drawn, since files are often sorted. The first run of a graph is slower: it is made again, and counts once.
      const alone = seededRandom(`${args.seed}/latency-rows`).shuffle(fit).slice(0, evalArgs.latency_rows);
      const openAlone = alone.filter(isOpen);
      if (openAlone.length > 0) await run([openAlone[0]], questions, asked, deps, true);
      for (const q of openAlone) {
        if (signal.aborted) return;
        take(await run([q], questions, asked, deps, true));
      }
      const rest = fit.filter((q) => !alone.includes(q));
      const groups =
        predict === 'generate' ? groupsToGenerate(rest, asked, args) : groupsToScore(rest, asked);
      for (const group of groups) {
        if (signal.aborted) return;
        if (!group.some(isOpen)) continue;
        const rows = await run(group, questions, asked, deps, false);
        take(rows.filter((_, i) => isOpen(group[i])));
      }
    },
    close: deps.close,
  };
}

type Fit = Exclude<Asked, { failure: string }>;

/** Neighbours of like length share a batch. */
function groupsToGenerate(rest: readonly number[], asked: readonly Asked[], args: TrainArgs): number[][] {
  const length = (q: number) => (asked[q] as Fit).prompt.length;
  const order = [...rest].sort((a, b) => length(b) - length(a) || a - b);
  const size = args.per_device_eval_batch_size;
  return Array.from({ length: Math.ceil(order.length / size) }, (_, i) =>
    order.slice(i * size, (i + 1) * size),
  );
}

function groupsToScore(rest: readonly number[], asked: readonly Asked[]): number[][] {
  return planTrees(rest.map((q) => treeOf(asked[q] as Fit))).map((batch) => batch.flat().map((i) => rest[i]));
}

/** The reference is one more continuation, where its log-probabilities are wanted. */
function treeOf({ prompt, continuations, reference }: Fit): Question {
  return { prompt, continuations: reference ? [...continuations, reference] : continuations };
}

async function scoreRows(
  group: readonly number[],
  questions: readonly EvalQuestion[],
  asked: readonly Asked[],
  { decoder, evalArgs, predict, signal }: LocalDeps,
  isAlone: boolean,
): Promise<StoredPrediction[]> {
  const begun = performance.now();
  const trees = group.map((q) => treeOf(asked[q] as Fit));
  const scores = new Map<number, Float64Array[]>();
  for (const batch of planTrees(trees)) {
    if (signal.aborted) return [];
    for (const [i, parts] of await scoreTrees(decoder, trees, batch)) scores.set(i, parts);
  }
  const ms = performance.now() - begun;
  return group.map((q, i): StoredPrediction => {
    const question = questions[q];
    const { prompt, continuations, reference } = asked[q] as Fit;
    const parts = scores.get(i) as Float64Array[];
    const row: StoredPrediction = { ...unanswered(question), promptTokens: prompt.length, newTokens: 0 };
    if (reference) row.logprobs = [...(parts.at(-1) as Float64Array)];
    if (predict === 'logprob') {
      const values = question.choices.map(
        ({ text }, c) =>
          sum(parts[c]) / lengthOf(text, continuations[c].length, evalArgs.length_normalization),
      );
      // The first of equals, as argmax.
      row.prediction = question.choices[values.indexOf(Math.max(...values))].label;
      row.labelLogprobs = Object.fromEntries(question.choices.map(({ label }, c) => [label, values[c]]));
    }
    if (isAlone) row.timings = { firstTokenMs: ms, lastTokenMs: ms, outputTokens: 1 };
    return row;
  });
}

const sum = (values: Float64Array) => values.reduce((total, value) => total + value, 0);

/** As lm-evaluation-harness: the choice without what stands before it. */
function lengthOf(text: string, tokens: number, normalization: LengthNormalization): number {
  switch (normalization) {
    case 'none':
      return 1;
    case 'tokens':
      return Math.max(1, tokens);
    case 'bytes':
      return Math.max(1, Buffer.byteLength(text, 'utf8'));
    case 'characters':
      return Math.max(1, [...text].length);
  }
}

async function generateRows(
  group: readonly number[],
  questions: readonly EvalQuestion[],
  asked: readonly Asked[],
  deps: LocalDeps,
  isAlone: boolean,
): Promise<StoredPrediction[]> {
  const { args, evalArgs, decoder, tokenizer, template, signal } = deps;
  const prompts = group.map((q) => (asked[q] as Fit).prompt);
  const begun = performance.now();
  const first: number[] = [];
  const streams = prompts.map(() =>
    streamDecoder(tokenizer, { stopWords: evalArgs.stop, skipSpecialTokens: args.skip_special_tokens }),
  );
  const texts = prompts.map(() => '');
  const random = seededRandom(`${args.seed}/answer/${questions[group[0]].id}`);
  const answers = await generateTokens(decoder, prompts, {
    maxNewTokens: args.max_new_tokens,
    doSample: args.do_sample,
    temperature: args.temperature,
    topK: args.top_k,
    topP: args.top_p,
    repetitionPenalty: args.repetition_penalty,
    stopIds: template?.stopIds ?? (tokenizer.eosId === null ? [] : [tokenizer.eosId]),
    random: () => random.next(),
    signal,
    onToken(row, id) {
      first[row] ??= performance.now() - begun;
      const { text, stop } = streams[row].push(id);
      texts[row] += text;
      return stop === null;
    },
  });
  if (signal.aborted) return [];
  const last = performance.now() - begun;
  const rows = group.map(
    (q, i): StoredPrediction => ({
      ...unanswered(questions[q]),
      prediction: texts[i] + streams[i].end().text,
      promptTokens: prompts[i].length,
      newTokens: answers[i].ids.length,
      ...(isAlone
        ? {
            timings: {
              firstTokenMs: first[i] ?? last,
              lastTokenMs: last,
              outputTokens: Math.max(1, answers[i].ids.length),
            },
          }
        : {}),
    }),
  );
  if (!deps.needsReferenceLogprobs) return rows;
  const trees = group.map((q) => ({
    prompt: (asked[q] as Fit).prompt,
    continuations: [(asked[q] as Fit).reference as number[]],
  }));
  for (const batch of planTrees(trees))
    for (const [i, [logProbs]] of await scoreTrees(decoder, trees, batch)) rows[i].logprobs = [...logProbs];
  return rows;
}

function encode(question: EvalQuestion, deps: LocalDeps): Asked {
  const { tokenizer, decoder, predict, needsReferenceLogprobs, args } = deps;
  const { maxPositions, vocabSize } = decoder.config;
  try {
    const wantsReference = predict === 'reference' || needsReferenceLogprobs;
    const texts = [
      ...(predict === 'logprob' ? question.choices.map(({ text }) => text) : []),
      ...(wantsReference ? question.references.slice(0, 1) : []),
    ];
    const { prompt, answers } =
      question.text === null ? inTemplate(question, texts, deps) : asText(question, texts, tokenizer);
    const continuations = predict === 'logprob' ? answers.slice(0, question.choices.length) : [];
    const reference = wantsReference ? (answers.at(-1) as number[]) : null;
    const longest = Math.max(
      predict === 'generate' ? args.max_new_tokens : 0,
      ...answers.map(({ length }) => length),
    );
    if (prompt.length + longest > maxPositions)
      return {
        failure: `the prompt has ${prompt.length} tokens, which with ${longest} for the answer is more than the model's ${maxPositions}`,
      };
    for (const ids of [prompt, ...answers]) checkVocabulary(ids, tokenizer, vocabSize);
    return { prompt, continuations, reference };
  } catch (error) {
    if (error instanceof FactoryError) return { failure: error.message };
    throw error;
  }
}

function inTemplate(
  { messages, system, tools }: EvalQuestion,
  texts: readonly string[],
  { template }: LocalDeps,
): { prompt: number[]; answers: number[][] } {
  const one = (content: string) =>
    (template as ResolvedTemplate).encodeOneTurn(
      [...messages, { role: 'assistant', content }],
      system,
      tools,
    );
  return { prompt: one('').prompt, answers: texts.map((text) => one(text).answer) };
}

/**
 * As lm-evaluation-harness: spaces at the end of the prompt go to the answer, and both are tokenised as one text, whose
 * first tokens are taken for the prompt's.
 */
function asText(
  { text, delimiter }: EvalQuestion,
  texts: readonly string[],
  tokenizer: TextTokenizer,
): { prompt: number[]; answers: number[][] } {
  const whole = text as string;
  const start = tokenizer.addsBos && tokenizer.bosId !== null ? [tokenizer.bosId] : [];
  if (texts.length === 0) return { prompt: [...start, ...tokenizer.encode(whole)], answers: [] };
  const before = whole.trimEnd();
  const spaces = whole.slice(before.length);
  const prompt = [...start, ...tokenizer.encode(before)];
  const answers = texts.map((answer) =>
    [...start, ...tokenizer.encode(before + spaces + delimiter + answer)].slice(prompt.length),
  );
  // An empty text begins with the token that begins or ends documents.
  if (prompt.length > 0) return { prompt, answers };
  const first = tokenizer.bosId ?? tokenizer.eosId;
  return { prompt: first === null ? [] : [first], answers };
}
