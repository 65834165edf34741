// In: nothing. Out: what is kept of one answered request: what monitoring and retraining read. Texts are there only where they
// were asked for.

export interface InferenceFacts {
  /** Milliseconds since 1970, at the end. */
  timeMs: number;
  requestId: string;
  keyId: string | null;
  kind: 'chat' | 'text' | 'embedding';
  model: string;
  /** Which side of a release answered; null outside one. */
  variant: string | null;
  /** Of weights, adapter and template. */
  fingerprint: string | null;
  stream: boolean;
  choices: number;
  promptTokens: number | null;
  cachedTokens: number | null;
  completionTokens: number | null;
  reasoningTokens: number | null;
  /** Milliseconds in queues, until the first token, and in all. */
  queueMs: number | null;
  firstTokenMs: number | null;
  totalMs: number;
  finish: string | null;
  status: number;
  errorCode: string | null;
}

/** What is put on record: names of sessions and users are hashed before they are written. */
export interface InferenceEntry extends InferenceFacts {
  session: string | null;
  user: string | null;
  texts: InferenceTexts | null;
}

export interface InferenceTexts {
  messages: readonly unknown[];
  tools: readonly unknown[];
  /** One per choice: a message as OpenAI's format has it. */
  answers: readonly unknown[];
}

export interface StoredInference extends InferenceFacts {
  id: number;
  sessionHash: string | null;
  userHash: string | null;
  texts: InferenceTexts | null;
  /** Pieces of personal data that were replaced; null where nothing was looked for. */
  redacted: number | null;
}

export type InferenceLogLevel = 'off' | 'meta' | 'full';

/** Takes entries without ever waiting or failing. */
export interface InferenceSink {
  readonly level: InferenceLogLevel;
  record(entry: InferenceEntry): void;
  /** Entries that were lost since the start. */
  dropped(): number;
  /** Resolves when all that was recorded before is written or lost. */
  flush(): Promise<void>;
  close(): Promise<void>;
}
