// In: the model that an export was made from, opened, and the GGUF file that came out. Out: how alike our engine and llama.cpp
// answer, on the same token ids: distributions after every token, and tokens that each takes by itself. It judges nothing.
import { stat } from 'node:fs/promises';
import { availableParallelism, totalmem } from 'node:os';
import type { Decoder } from '#factory/model/decoder.ts';
import { generateTokens } from '#factory/model/generate.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import { GREEDY } from '#factory/records/served-model.ts';
import type { TokenAsk } from '#factory/records/token-engine.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { openLlamaEngine } from '#factory/serve/llama-engine.ts';
import type { ResolvedTemplate } from '#factory/tokens/template.ts';
import { divergenceMeter, type ExportParity, PROBES } from './export-parity.ts';
import type { Base } from './open-base.ts';
import { openDecoder } from './open-decoder.ts';

export interface ServingParity extends ExportParity {
  engine: 'llama.cpp';
  /** Texts that were compared. */
  rows: number;
  /** Both continue every text by themselves, always taking the likeliest token. */
  greedy: { prompts: number; equalPrompts: number; tokens: number; equalTokens: number };
  /** The text on which the distributions are furthest apart. */
  worst: { text: string; meanKl: number };
}

interface ParityRow {
  text: string;
  ids: readonly number[];
}

/** New tokens of each text. */
const GREEDY_TOKENS = 16;
const ROOM = 8;
/** Threads wait for each other by spinning, which costs a small model more than they bring where others use the processor. */
const LARGE_BYTES = 1e9;
const QUESTIONS = ['What is the capital of France?', '请用一句话介绍你自己。'];

/** Texts as they are, and questions as the template writes them. */
export function parityRows(
  { tokenizer, config }: Pick<Base, 'tokenizer' | 'config'>,
  template: ResolvedTemplate | null,
): ParityRow[] {
  const start = tokenizer.addsBos && tokenizer.bosId !== null ? [tokenizer.bosId] : [];
  const plain = PROBES.map((text) => ({ text, ids: [...start, ...tokenizer.encode(text)] }));
  const asked = (template ? QUESTIONS : []).map((text) => {
    const turns = [
      { role: 'user' as const, content: text },
      { role: 'assistant' as const, content: '' },
    ];
    return { text, ids: (template as ResolvedTemplate).encodeOneTurn(turns, '', '').prompt };
  });
  const longest = Math.max(2, config.maxPositions - GREEDY_TOKENS - ROOM);
  return [...plain, ...asked]
    .map(({ text, ids }) => ({ text, ids: ids.slice(0, longest) }))
    .filter(({ ids }) => ids.length > 1);
}

/** `args` and `base` are those of the model before the export. */
export async function servingParity(
  args: TrainArgs,
  base: Base,
  rows: readonly ParityRow[],
  ggufPath: string,
  note: (text: string) => void,
): Promise<ServingParity> {
  const { decoder } = await openDecoder(args, base, 'infer', note);
  try {
    const engine = await openLlamaEngine({
      modelPath: ggufPath,
      contextSize: Math.max(...rows.map(({ ids }) => ids.length)) + GREEDY_TOKENS + ROOM,
      slots: 1,
      batchSize: 512,
      threads: (await stat(ggufPath)).size < LARGE_BYTES ? 1 : availableParallelism(),
      gpu: false,
      gpuLayers: 0,
      mmap: null,
      mlock: false,
      contexts: 1,
      memoryLimit: totalmem(),
      queue: 1,
    });
    try {
      const signal = new AbortController().signal;
      const all = divergenceMeter();
      const greedy = { prompts: rows.length, equalPrompts: 0, tokens: 0, equalTokens: 0 };
      let worst = { text: '', meanKl: -1 };
      const continuations = await continued(decoder, rows);
      for (const [r, { text, ids }] of rows.entries()) {
        const own = await logitsOf(decoder, ids);
        const served = await engine.scoreAll(ids, null, signal);
        let kl = 0;
        const { vocabSize } = decoder.config;
        // The last token predicts what the text does not have.
        for (let i = 0; i < ids.length - 1; i++) {
          const row = own.subarray(i * vocabSize, (i + 1) * vocabSize);
          kl += all.add(row, served[i].subarray(0, vocabSize), ids[i + 1]);
        }
        const meanKl = Math.max(0, kl / (ids.length - 1));
        if (meanKl > worst.meanKl) worst = { text: text.slice(0, 200), meanKl };
        const expected = continuations[r];
        const found: number[] = [];
        for await (const event of engine.generate(greedyAsk(ids, expected.length), signal))
          if (event.kind === 'token') found.push(event.id);
        const differing = expected.findIndex((id, i) => id !== found[i]);
        greedy.tokens += expected.length;
        greedy.equalTokens += differing < 0 ? expected.length : differing;
        if (differing < 0) greedy.equalPrompts++;
      }
      return { engine: 'llama.cpp', rows: rows.length, ...all.result(), greedy, worst };
    } finally {
      await engine.close();
    }
  } finally {
    await decoder.backend.dispose();
  }
}

async function logitsOf(decoder: Decoder, ids: readonly number[]): Promise<Float32Array> {
  const inputIds = Int32Array.from(ids);
  const batch = packBatch([{ inputIds, labels: inputIds }]);
  return await decoder.head.logits(await decoder.forward(batch), batch.targets.length);
}

async function continued(decoder: Decoder, rows: readonly ParityRow[]): Promise<number[][]> {
  const prompts = rows.map(({ ids }) => ids);
  const answers = await generateTokens(decoder, prompts, {
    maxNewTokens: GREEDY_TOKENS,
    doSample: false,
    temperature: 1,
    topK: 0,
    topP: 1,
    repetitionPenalty: 1,
    stopIds: [],
    random: () => 0,
  });
  return answers.map(({ ids }) => ids);
}

function greedyAsk(prompt: readonly number[], maxTokens: number): TokenAsk {
  return {
    prompt,
    adapter: null,
    stopIds: [],
    format: { kind: 'text' },
    sampling: { ...GREEDY, maxTokens, seed: 0 },
  };
}
