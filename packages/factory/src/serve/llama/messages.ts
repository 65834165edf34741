// In: nothing. Out: what the process of the engine is told and what it tells. Every message is plain data and typed arrays, so
// that the structured clone of `process.send` carries it.
import type { TokenAsk } from '#factory/records/token-engine.ts';

export type CacheType = 'f32' | 'f16' | 'q8_0';

/** What an engine is opened with. */
export interface LlamaSettings {
  /** A GGUF file. */
  modelPath: string;
  /** Tokens of prompt and answer together; null takes what the model was trained on, as far as memory allows. */
  contextSize: number | null;
  /** Answers that are made at the same time. */
  slots: number;
  /** Tokens of a forward pass, over all answers. */
  batchSize: number;
  threads: number;
  gpu: 'auto' | 'cuda' | 'vulkan' | 'metal' | false;
  /** Layers that lie on the GPU; null puts as many there as fit. */
  gpuLayers: number | null;
  /** Whether the file is mapped instead of read; null lets llama.cpp choose. */
  mmap: boolean | null;
  /** Whether the weights are kept from being swapped out. */
  mlock: boolean;
  /** Contexts that may be in memory together: one for the base, one for each adapter in use. */
  contexts: number;
  /** How keys and values are kept; `f16` unless given. Log-probabilities differ by some 1e-2 between `f16` and `f32`. */
  cacheType?: CacheType;
  /** Bytes that weights and contexts may take together; decides the context's size where none is given. */
  memoryLimit: number;
}

/** An adapter as the process knows it: a name that was swapped has another key. */
export interface KeyedAdapter {
  key: string;
  path: string;
  scale: number;
}

/** A question on its way; `adapter` is a key. */
export interface SentAsk {
  prompt: Uint32Array;
  adapter: string | null;
  stopIds: readonly number[];
  sampling: TokenAsk['sampling'];
  seed: number;
  /** GBNF; null restricts nothing. */
  grammar: string | null;
}

export interface LlamaFacts {
  contextSize: number;
  vocabSize: number;
  /** What the model was trained on. */
  trainedContextSize: number;
  pooling: boolean;
  /** Where it runs: `cpu` or a kind of GPU. */
  device: string;
  /** Bytes. */
  memory: { weights: number; perContext: number };
}

/** An error on its way between processes. */
export interface SentFailure {
  code: 'SERVE_ENGINE' | 'SERVE_MODEL' | 'SERVE_MEMORY';
  message: string;
  remedy: string;
}

export type ToEngine =
  | { kind: 'open'; settings: LlamaSettings; adapters: readonly KeyedAdapter[] }
  | { kind: 'ask'; id: number; ask: SentAsk }
  | { kind: 'score'; id: number; prompt: Uint32Array; adapter: string | null }
  | { kind: 'embed'; id: number; inputs: readonly Uint32Array[] }
  | { kind: 'abort'; id: number }
  | { kind: 'load'; id: number; adapter: KeyedAdapter }
  | { kind: 'unload'; id: number; key: string }
  | { kind: 'close' };

export interface TokenDetail {
  logprob: number;
  top: readonly { id: number; logprob: number }[];
}

/** How an answer ended; a failure stands in the place of a reason. */
export interface SentEnd {
  id: number;
  finish: 'stop' | 'length' | SentFailure;
  cachedTokens: number;
  /** Milliseconds until it had a slot. */
  waitedMs: number;
}

export type FromEngine =
  | { kind: 'opened'; facts: LlamaFacts }
  /** What all answers got in one pass: pairs of the ask's id and a token's, and details where they were asked for. */
  | {
      kind: 'tick';
      tokens: readonly number[];
      details: readonly (TokenDetail | null)[] | null;
      ends: readonly SentEnd[];
    }
  /** Log-probabilities after the next positions of the prompt, [positions, vocabSize]. */
  | { kind: 'scores'; id: number; rows: Float32Array }
  | { kind: 'vectors'; id: number; vectors: readonly Float32Array[] }
  | { kind: 'done'; id: number }
  /** With null, the engine could not be opened. */
  | { kind: 'failed'; id: number | null; failure: SentFailure };
