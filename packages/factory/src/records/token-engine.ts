// In: nothing. Out: an engine that continues token ids, as the model that is served asks it. serve/ has one over llama.cpp.
import type { AnswerFormat, SamplingAsk } from './served-model.ts';

export interface TokenAsk {
  /** Whole prompt, rendered and encoded; its first tokens may be shared with earlier asks of the same adapter. */
  prompt: readonly number[];
  /** Which of the loaded adapters is on; null is the base alone. */
  adapter: string | null;
  /** Ids that end the answer; they are not told. */
  stopIds: readonly number[];
  /** Without `stop`: texts are the asker's to watch. */
  sampling: Omit<SamplingAsk, 'stop'>;
  /** Restricts what can be sampled. */
  format: AnswerFormat;
}

export type TokenEvent =
  | {
      kind: 'token';
      id: number;
      /** Null unless asked for; `top` is sorted, likeliest first. Natural logarithms of the distribution before sampling. */
      logprob: number | null;
      top: readonly { id: number; logprob: number }[];
    }
  | { kind: 'end'; finish: 'stop' | 'length'; promptTokens: number; cachedTokens: number; queuedMs: number };

export interface TokenEngine {
  /** Tokens of prompt and answer together. */
  readonly contextSize: number;
  readonly vocabSize: number;
  /** Most answers that are made at the same time. */
  readonly slots: number;
  generate(ask: TokenAsk, signal: AbortSignal): AsyncIterable<TokenEvent>;
  /** One vector of unit length for each list of ids. Throws SERVE_ASK where the model gives none. */
  embed(inputs: readonly (readonly number[])[], signal: AbortSignal): Promise<Float32Array[]>;
  /** Natural logarithms of next-token probabilities after each of the prompt's positions, [positions, vocabSize] by rows. */
  scoreAll(prompt: readonly number[], adapter: string | null, signal: AbortSignal): Promise<Float32Array[]>;
  /** A GGUF adapter file; requests under way are not touched. */
  loadAdapter(name: string, path: string, scale: number): Promise<void>;
  /** Waits for answers that use it. */
  unloadAdapter(name: string): Promise<void>;
  isReady(): boolean;
  /** Waits for answers under way, then ends the process. */
  close(): Promise<void>;
}
