// In: nothing. Out: what a served model is asked and what it tells, part by part. Both the model that this machine runs and one
// behind another OpenAI-compatible server are such; HTTP knows nothing else of models. Wire names of OpenAI stay in http/.

/** How an answer is sampled and where it ends. */
export interface SamplingAsk {
  /** Null leaves the rest of the context. */
  maxTokens: number | null;
  /** 0 takes the likeliest token. */
  temperature: number;
  topP: number;
  /** 0 is without limit. */
  topK: number;
  minP: number;
  /** 1 is without effect. */
  repetitionPenalty: number;
  presencePenalty: number;
  frequencyPenalty: number;
  /** Added to logits, by token id. */
  logitBias: Readonly<Record<number, number>>;
  seed: number | null;
  /** Texts that end the answer; they are not part of it. */
  stop: readonly string[];
  /** How many alternatives are told with each token; null tells no log-probabilities. */
  logprobs: number | null;
}

/** The likeliest token each time, to the end of the context, and nothing told beside it. */
export const GREEDY: Omit<SamplingAsk, 'stop'> = {
  maxTokens: null,
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: {},
  seed: null,
  logprobs: null,
};

export type AnswerFormat =
  | { kind: 'text' }
  | { kind: 'json' }
  | { kind: 'json_schema'; name: string; schema: unknown; strict: boolean };

export interface ToolCall {
  id: string;
  name: string;
  /** JSON text, as the model wrote it. */
  arguments: string;
}

export interface ChatAskMessage {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string;
  toolCalls: readonly ToolCall[];
  /** Which call a tool's message answers; null elsewhere. */
  toolCallId: string | null;
}

export interface ToolDescription {
  name: string;
  description: string;
  /** JSON schema of the arguments. */
  parameters: unknown;
}

export interface ChatAsk {
  messages: readonly ChatAskMessage[];
  tools: readonly ToolDescription[];
  toolChoice: 'auto' | 'none' | 'required' | { name: string };
  parallelToolCalls: boolean;
  format: AnswerFormat;
  sampling: SamplingAsk;
}

export interface TextAsk {
  prompt: string | readonly number[];
  format: AnswerFormat;
  sampling: SamplingAsk;
}

export interface TokenLogprob {
  token: string;
  bytes: readonly number[];
  /** Natural logarithm. */
  logprob: number;
  top: readonly { token: string; bytes: readonly number[]; logprob: number }[];
}

export interface Usage {
  promptTokens: number;
  /** Of the prompt's tokens, those that needed no pass because an earlier request had left them. */
  cachedTokens: number;
  completionTokens: number;
  reasoningTokens: number;
}

export type AnswerPart =
  | { kind: 'text'; text: string; logprobs: readonly TokenLogprob[] }
  /** What a reasoning model thinks before it answers. */
  | { kind: 'reasoning'; text: string }
  /** The first part of a call has its id and name; arguments come in pieces. */
  | { kind: 'tool_call'; index: number; id: string | null; name: string | null; arguments: string }
  | {
      kind: 'end';
      finish: 'stop' | 'length' | 'tool_calls' | 'content_filter';
      usage: Usage;
      /** Milliseconds in the engine's queue before the first pass; null where the engine does not tell. */
      queuedMs: number | null;
    };

/** What a model can do; what it can't is refused before it is asked. */
export interface ServedAbilities {
  chat: boolean;
  completions: boolean;
  embeddings: boolean;
  logprobs: boolean;
  tools: boolean;
  jsonSchema: boolean;
}

/**
 * Iterating asks; ending the iteration early, or aborting, stops the generation at once. Throws typed errors: SERVE_CONTEXT when the
 * prompt does not fit, SERVE_BUSY when the queue is full, SERVE_ENGINE when the engine died (asking again may help), SERVE_ASK when
 * the question can't be rendered for this model, SERVE_UPSTREAM for what another server answered.
 */
export interface ServedModel {
  readonly id: string;
  /** Tokens of prompt and answer together; null where another server does not tell. */
  readonly contextSize: number | null;
  readonly can: ServedAbilities;
  /** Changes when weights, adapter or template change: OpenAI's `system_fingerprint`. */
  readonly fingerprint: string;
  chat(ask: ChatAsk, signal: AbortSignal): AsyncIterable<AnswerPart>;
  complete(ask: TextAsk, signal: AbortSignal): AsyncIterable<AnswerPart>;
  embed(
    inputs: readonly (string | readonly number[])[],
    signal: AbortSignal,
  ): Promise<{ vectors: Float32Array[]; promptTokens: number }>;
  /** True while questions can be answered now. */
  isReady(): boolean;
  /** Waits for answers under way, then frees the model. */
  close(): Promise<void>;
}
