// In: model, adapter and template arguments. Out: a generator of answers, or a scorer of given labels.
import { FactoryError } from '#factory/errors.ts';
import { generateTokens } from '#factory/model/generate.ts';
import { planTrees, scoreTrees } from '#factory/model/token-tree.ts';
import type { Message } from '#factory/records/message.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { streamDecoder } from '#factory/tokens/stream-decoder.ts';
import { checkVocabulary } from './check-vocabulary.ts';
import { templateOf } from './choose-template.ts';
import { openBase } from './open-base.ts';
import { openDecoder } from './open-decoder.ts';

export interface ChatTurn {
  role: 'user' | 'assistant' | 'system';
  content: string;
}

export interface AnswerOptions {
  maxNewTokens: number;
  doSample: boolean;
  temperature: number;
  topP: number;
  topK: number;
  repetitionPenalty: number;
  /** Texts that end the answer; they are not part of it. */
  stop: string[];
  seed: number;
  onText(delta: string): void;
  signal: AbortSignal;
}

export interface Answer {
  text: string;
  finish: 'stop' | 'length' | 'cancelled';
  promptTokens: number;
  newTokens: number;
}

export interface Generator {
  generate(messages: ChatTurn[], options: AnswerOptions): Promise<Answer>;
  /** Continues text as it is, without a template. */
  generateRaw(prompt: string, options: AnswerOptions): Promise<Answer>;
  close(): Promise<void>;
}

type Env = Readonly<Record<string, string | undefined>>;

async function openForInference(args: TrainArgs, env: Env) {
  const notes: string[] = [];
  const note = (text: string) => notes.push(text);
  const base = await openBase(args, 'infer', { env, note });
  const { decoder } = await openDecoder(args, base, 'infer', note);
  if (!decoder.readsBase) await base.weights.close();
  const close = async () => {
    await decoder.backend.dispose();
    await base.weights.close();
  };
  return { base, decoder, close };
}

export async function openGenerator(args: TrainArgs, env: Env): Promise<Generator> {
  const { base, decoder, close } = await openForInference(args, env);
  const { tokenizer } = base;
  const answer = async (prompt: number[], stopIds: number[], options: AnswerOptions): Promise<Answer> => {
    checkVocabulary(prompt, tokenizer, base.config.vocabSize);
    const stream = streamDecoder(tokenizer, {
      stopWords: options.stop,
      skipSpecialTokens: args.skip_special_tokens,
    });
    const random = seededRandom(options.seed);
    let text = '';
    const tell = (delta: string) => {
      text += delta;
      if (delta) options.onText(delta);
    };
    const [{ ids, finish }] = await generateTokens(decoder, [prompt], {
      ...options,
      stopIds,
      random: () => random.next(),
      onToken: (_row, id) => {
        const { text: delta, stop } = stream.push(id);
        tell(delta);
        return stop === null;
      },
    });
    tell(stream.end().text);
    return { text, finish, promptTokens: prompt.length, newTokens: ids.length };
  };
  return {
    generate(messages, options) {
      const template = templateOf(args, base);
      return answer(promptOf(messages, template), template.stopIds, options);
    },
    generateRaw(prompt, options) {
      const ids = tokenizer.encode(prompt);
      const start = tokenizer.addsBos && tokenizer.bosId !== null ? [tokenizer.bosId, ...ids] : ids;
      return answer(start, tokenizer.eosId === null ? [] : [tokenizer.eosId], options);
    },
    close,
  };
}

export interface Scorer {
  /** Per row, the log-probability of each label as the whole answer, in nats. */
  scoreLabels(
    rows: { messages: ChatTurn[] }[],
    labels: string[],
    onProgress?: (done: number, total: number) => void,
  ): Promise<Float64Array[]>;
  close(): Promise<void>;
}

export async function openScorer(args: TrainArgs, env: Env): Promise<Scorer> {
  const { base, decoder, close } = await openForInference(args, env);
  const template = templateOf(args, base);
  return {
    async scoreLabels(rows, labels, onProgress) {
      const questions = rows.map(({ messages }) => ({
        prompt: promptOf(messages, template),
        continuations: labels.map((label) => answerIds(label, template)),
      }));
      const scores: Float64Array[] = [];
      let done = 0;
      for (const batch of planTrees(questions)) {
        for (const [row, parts] of await scoreTrees(decoder, questions, batch))
          scores[row] = Float64Array.from(parts, (logProbs) => logProbs.reduce((sum, one) => sum + one, 0));
        done += batch.flat().length;
        onProgress?.(done, rows.length);
      }
      return scores;
    },
    close,
  };
}

/** An assistant's turn as the template ends it. */
function answerIds(text: string, template: ReturnType<typeof templateOf>): number[] {
  const turns: Message[] = [
    { role: 'user', content: '' },
    { role: 'assistant', content: text },
  ];
  return template.encodeOneTurn(turns, '', '').answer;
}

function promptOf(messages: readonly ChatTurn[], template: ReturnType<typeof templateOf>): number[] {
  const system = messages[0]?.role === 'system' ? messages[0].content : '';
  const turns = messages.filter((m, i) => !(i === 0 && m.role === 'system'));
  const alternates = turns.every((m, i) => m.role === (i % 2 === 0 ? 'user' : 'assistant'));
  if (!alternates || turns.length % 2 === 0)
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `a conversation of roles ${messages.map((m) => m.role).join(', ')}: expected user and assistant in turn, ending with user`,
      remedy: 'Begin with an optional system message, alternate user and assistant, and end with user.',
    });
  const asked: Message[] = turns.map((m) => ({
    role: m.role === 'assistant' ? 'assistant' : 'user',
    content: m.content,
  }));
  return template.encodeOneTurn([...asked, { role: 'assistant', content: '' }], system, '').prompt;
}
