// In: by messages, a model and rounds of prompts. Out: how long node-llama-cpp, called directly as its documentation shows, takes:
// one sequence for each stream, in a process of its own.
import { getLlama, type LlamaContextSequence, type Token } from 'node-llama-cpp';

export interface Round {
  prompts: number[][];
  /** To be made for each prompt. */
  tokens: number;
}

export interface RoundTimes {
  ms: number;
  /** Milliseconds to the first token, by stream. */
  firsts: number[];
}

export interface LibrarySetup {
  modelPath: string;
  streams: number;
  contextSize: number;
  threads: number;
}

const sequences: LlamaContextSequence[] = [];

process.on('message', async (message: { setup: LibrarySetup } | { round: Round }) => {
  if ('setup' in message) {
    const { modelPath, streams, contextSize, threads } = message.setup;
    const llama = await getLlama({ build: 'never', gpu: false, maxThreads: threads, progressLogs: false });
    const model = await llama.loadModel({ modelPath });
    const context = await model.createContext({ contextSize, sequences: streams, batchSize: 512, threads });
    for (let i = 0; i < streams; i++) sequences.push(context.getSequence());
    process.send?.('ready');
    return;
  }
  const { prompts, tokens } = message.round;
  await Promise.all(sequences.map((sequence) => sequence.clearHistory()));
  const began = performance.now();
  const firsts = await Promise.all(
    prompts.map(async (prompt, i) => {
      let first = 0;
      let told = 0;
      for await (const _ of sequences[i].evaluate(prompt as Token[], {
        temperature: 0,
        yieldEogToken: true,
      })) {
        if (told++ === 0) first = performance.now() - began;
        if (told === tokens) break;
      }
      return first;
    }),
  );
  process.send?.({ ms: performance.now() - began, firsts } satisfies RoundTimes);
});
process.on('disconnect', () => process.exit(0));
