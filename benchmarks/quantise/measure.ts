// In: a GGUF file and token ids. Out: what llama.cpp answers on them: the log-probability of every next token and the likeliest
// one, and how much processor time a token of an answer takes on one thread.
import { getLlama, type Llama, LlamaLogLevel, type LlamaModel, type Token } from 'node-llama-cpp';

export interface Scored {
  /** Natural logarithms, of every token but the first of each window. */
  logprobs: Float64Array;
  likeliest: Int32Array;
}

/** Tokens of a prompt, and of the answer to it that is timed. */
const PROMPT = 16;
const ANSWER = 48;

export class Runner {
  readonly #llama: Llama;

  private constructor(llama: Llama) {
    this.#llama = llama;
  }

  static async open(): Promise<Runner> {
    return new Runner(await getLlama({ build: 'never', gpu: false, logLevel: LlamaLogLevel.error }));
  }

  load(path: string): Promise<LlamaModel> {
    return this.#llama.loadModel({ modelPath: path });
  }

  dispose(): Promise<void> {
    return this.#llama.dispose();
  }
}

/** Every window begins with an empty context. */
export async function score(model: LlamaModel, windows: readonly Token[][]): Promise<Scored> {
  const length = Math.max(...windows.map((window) => window.length));
  // On a busy machine, threads that wait for each other take more time than they save.
  const context = await model.createContext({ contextSize: length + 1, batchSize: length, threads: 1 });
  const sequence = context.getSequence();
  const total = windows.reduce((n, window) => n + window.length - 1, 0);
  const scored: Scored = { logprobs: new Float64Array(total), likeliest: new Int32Array(total) };
  let at = 0;
  for (const window of windows) {
    await sequence.clearHistory();
    const outputs = await sequence.controlledEvaluate(
      window.map((token, i) =>
        i === window.length - 1
          ? token
          : [
              token,
              {
                generateNext: {
                  // `includeMax` of node-llama-cpp 3.22 leaves the highest out where it is not asked for by name.
                  logits: { filter: { tokens: [window[i + 1]], includeTop: 1 } },
                  totalLogitWeight: true,
                  options: { temperature: 1, topK: 0, topP: 1, minP: 0 },
                },
              },
            ],
      ),
    );
    for (let i = 0; i + 1 < window.length; i++, at++) {
      const next = outputs[i]?.next;
      const own = next?.logits?.get(window[i + 1]);
      if (!next?.logits || own === undefined || next.totalLogitWeight === undefined)
        throw new Error(`no logits after token ${i} of a window`);
      const [[likeliest, highest]] = next.logits;
      scored.likeliest[at] = likeliest;
      scored.logprobs[at] = own - highest - Math.log(next.totalLogitWeight);
    }
  }
  await context.dispose();
  return scored;
}

/** Tokens of a greedy answer by second of processor time, on one thread, so that a busy machine matters little. */
export async function speed(model: LlamaModel, prompt: readonly Token[]): Promise<number> {
  const context = await model.createContext({ contextSize: 128, threads: 1 });
  const sequence = context.getSequence();
  let tokens = 0;
  let begun = process.cpuUsage();
  for await (const _ of sequence.evaluate(prompt.slice(0, PROMPT), { temperature: 0, yieldEogToken: true })) {
    // The first comes with the prompt.
    if (tokens === 0) begun = process.cpuUsage();
    if (tokens++ === ANSWER) break;
  }
  const { user, system } = process.cpuUsage(begun);
  await context.dispose();
  return (tokens - 1) / ((user + system) / 1e6);
}
