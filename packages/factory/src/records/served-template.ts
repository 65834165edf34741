// In: nothing. Out: what the model that is served asks of a chat template: a prompt, and a reader of the answer to it.
import type { AnswerFormat, ChatAsk } from './served-model.ts';

export type AnswerPiece =
  | { kind: 'text'; text: string }
  | { kind: 'reasoning'; text: string }
  /** The first piece of a call has its name; JSON text of the arguments follows. */
  | { kind: 'call'; index: number; name: string | null; arguments: string };

/** Takes an answer's text as it comes, and tells its parts apart. */
export interface AnswerReader {
  push(text: string): AnswerPiece[];
  end(): AnswerPiece[];
  readonly isThinking: boolean;
  /** Calls that have begun, and of these those whose arguments are whole. */
  readonly calls: number;
  readonly wholeCalls: number;
}

export interface PreparedChat {
  prompt: number[];
  stopIds: readonly number[];
  format: AnswerFormat;
  reader: AnswerReader;
  /** Special tokens that mean something to the reader: their text stays in the answer. */
  markers: ReadonlyMap<number, string>;
}

export interface ServedTemplate {
  /** Hex digest; another one renders otherwise. */
  readonly fingerprint: string;
  readonly canCall: boolean;
  /** @throws FactoryError SERVE_ASK where the conversation cannot be rendered */
  prepare(ask: ChatAsk): PreparedChat;
}
