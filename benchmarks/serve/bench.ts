// In: options of the command line. Out: tokens per second and times to the first token of our engine and of the library under it, by
// turns on the same file, at 1, 4 and 16 streams.
import { type ChildProcess, fork } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../../packages/factory/src/records/seeded-random.ts';
import { GREEDY } from '../../packages/factory/src/records/served-model.ts';
import { type LlamaEngine, openLlamaEngine } from '../../packages/factory/src/serve/llama-engine.ts';
import { llamaSettings } from '../../packages/factory/src/serve/llama-settings.ts';
import { machineFacts, median } from '../machine.ts';
import type { LibrarySetup, Round, RoundTimes } from './library.ts';
import { makeServedGguf } from './make-gguf.ts';

const STREAMS = [1, 4, 16];

export async function bench(words: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args: words,
    options: {
      model: { type: 'string' },
      rounds: { type: 'string', default: '7' },
      prompt: { type: 'string', default: '64' },
      tokens: { type: 'string', default: '64' },
      threads: { type: 'string', default: String(availableParallelism()) },
      out: { type: 'string' },
    },
  });
  const modelPath = values.model ?? makeServedGguf(join(tmpdir(), 'tunesmith-served-135m.gguf'));
  const [rounds, promptLength, tokens, threads] = [
    values.rounds,
    values.prompt,
    values.tokens,
    values.threads,
  ].map(Number);
  const contextSize = promptLength + tokens + 2;
  const results: Record<string, unknown>[] = [];
  for (const streams of STREAMS) {
    const library = await openLibrary({ modelPath, streams, contextSize, threads });
    const wish = { modelPath, slots: streams, contextSize, threads, contexts: 1 };
    const engine = await openLlamaEngine(
      llamaSettings(wish, { processors: threads, memory: process.availableMemory() }),
    );
    const random = seededRandom(`serve/${streams}`);
    const sides = { ours: (round: Round) => askEngine(engine, round), library: library.run };
    const times: Record<keyof typeof sides, RoundTimes[]> = { ours: [], library: [] };
    for (let turn = 0; turn <= rounds; turn++) {
      const prompts = Array.from({ length: streams }, () =>
        Array.from({ length: promptLength }, () => 3 + random.int(engine.vocabSize - 3)),
      );
      const order = turn % 2 === 0 ? (['ours', 'library'] as const) : (['library', 'ours'] as const);
      for (const side of order) {
        const found = await sides[side]({ prompts, tokens });
        // The first turn warms both up.
        if (turn > 0) times[side].push(found);
      }
    }
    await engine.close();
    library.close();
    const rate = ({ ms }: RoundTimes) => (streams * tokens * 1000) / ms;
    const first = ({ firsts }: RoundTimes) => median(firsts);
    const result = {
      streams,
      tokens_per_second: {
        ours: round(median(times.ours.map(rate))),
        library: round(median(times.library.map(rate))),
      },
      first_token_ms: {
        ours: round(median(times.ours.map(first))),
        library: round(median(times.library.map(first))),
      },
      speed_ratio: round(median(times.ours.map((one, i) => rate(one) / rate(times.library[i]))), 3),
      first_token_ratio: round(median(times.ours.map((one, i) => first(one) / first(times.library[i]))), 3),
    };
    process.stderr.write(`${JSON.stringify(result)}\n`);
    results.push(result);
  }
  const report = {
    benchmark: 'serve',
    model: basename(modelPath),
    prompt_tokens: promptLength,
    new_tokens: tokens,
    rounds,
    threads,
    results,
    ...machineFacts(),
  };
  if (values.out) writeFileSync(values.out, `${JSON.stringify(report, null, 2)}\n`);
  return report;
}

async function askEngine(engine: LlamaEngine, { prompts, tokens }: Round): Promise<RoundTimes> {
  const signal = new AbortController().signal;
  const began = performance.now();
  const firsts = await Promise.all(
    prompts.map(async (prompt) => {
      let first = 0;
      const sampling = { ...GREEDY, maxTokens: tokens, seed: 1 };
      const ask = { prompt, adapter: null, stopIds: [], format: { kind: 'text' as const }, sampling };
      for await (const event of engine.generate(ask, signal))
        if (event.kind === 'token' && first === 0) first = performance.now() - began;
      return first;
    }),
  );
  return { ms: performance.now() - began, firsts };
}

async function openLibrary(setup: LibrarySetup) {
  const child: ChildProcess = fork(new URL('./library.ts', import.meta.url), {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const answer = <T>() =>
    new Promise<T>((resolve, reject) => {
      child.once('message', (message) => resolve(message as T));
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`the library's process ended with ${code}`)));
    });
  const ready = answer<string>();
  child.send({ setup });
  await ready;
  return {
    run(round: Round): Promise<RoundTimes> {
      const times = answer<RoundTimes>();
      child.send({ round });
      return times;
    },
    close: () => child.disconnect(),
  };
}

const round = (value: number, digits = 1) => Number(value.toFixed(digits));
