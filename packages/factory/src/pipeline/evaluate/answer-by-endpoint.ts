// In: an endpoint and the questions. Out: answered rows, several at a time. A row that fails after all tries is kept with its
// reason; when the first ones all fail, the endpoint is taken to be down and the run stops.
import { setTimeout as wait } from 'node:timers/promises';
import { FactoryError } from '#factory/errors.ts';
import { askEndpoint, type EndpointDeps } from '#factory/eval/endpoint.ts';
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { EvalQuestion } from '#factory/records/eval-question.ts';
import type { StoredPrediction } from '#factory/records/evaluation.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type Answerer, unanswered } from './answerer.ts';

export function answerByEndpoint(
  args: TrainArgs,
  evalArgs: EvalArgs,
  { key, signal }: { key: string | undefined; signal: AbortSignal },
): Answerer {
  const deps: EndpointDeps = {
    args: evalArgs,
    key,
    clock: () => performance.now(),
    signal,
    fetch: globalThis.fetch,
    sleep: async (ms, stop) => {
      await wait(ms, undefined, { signal: stop });
    },
  };
  return {
    async answer(questions, isOpen, take) {
      const left = [...questions.keys()].filter(isOpen);
      let [answered, failed] = [0, 0];
      let next = 0;
      let down: FactoryError | null = null;
      const work = async (): Promise<void> => {
        while (next < left.length && !signal.aborted && !down) {
          const question = questions[left[next++]];
          try {
            take([await ask(question, args, evalArgs, deps)]);
            answered++;
          } catch (error) {
            if (signal.aborted) return;
            if (!(error instanceof FactoryError)) throw error;
            failed++;
            if (answered === 0 && failed >= Math.min(left.length, Math.max(3, evalArgs.concurrency)))
              down = error;
            else take([{ ...unanswered(question), failure: error.message, promptTokens: 0, newTokens: 0 }]);
          }
        }
      };
      await Promise.all(Array.from({ length: evalArgs.concurrency }, work));
      if (down) throw down;
    },
    close: async () => {},
  };
}

async function ask(
  question: EvalQuestion,
  args: TrainArgs,
  { stop }: EvalArgs,
  deps: EndpointDeps,
): Promise<StoredPrediction> {
  const { messages, system, text } = question;
  const answer = await askEndpoint(
    {
      messages: [
        ...(system === '' ? [] : [{ role: 'system', content: system }]),
        ...messages.map(({ role, content }) => ({
          role: role === 'observation' ? 'user' : role === 'function' ? 'assistant' : role,
          content,
        })),
      ],
      text,
      maxTokens: args.max_new_tokens,
      temperature: args.do_sample ? args.temperature : 0,
      topP: args.do_sample ? args.top_p : 1,
      stop,
      seed: args.seed,
    },
    deps,
  );
  return {
    ...unanswered(question),
    prediction: answer.text,
    promptTokens: answer.promptTokens,
    newTokens: answer.newTokens,
    timings: {
      firstTokenMs: answer.firstTokenMs,
      lastTokenMs: answer.lastTokenMs,
      outputTokens: Math.max(1, answer.newTokens),
    },
  };
}
