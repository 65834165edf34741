// In: nothing. Out: a chat template bound to one tokenizer, as encoding, generation and export see it.
import type { Message } from './message.ts';

export interface TemplateSettings {
  /** Replaces the template's own default system text; null keeps it. */
  defaultSystem: string | null;
  /** Replaces the template's tool format by name; null keeps it. */
  toolFormat: string | null;
  enableThinking: boolean | null;
  preserveThinking: boolean;
  maskHistory: boolean;
}

export interface ChatTemplate {
  readonly name: string;
  readonly version: 'latest' | 'v0.6.3';
  /** Hex SHA-256 over the slots and settings. */
  readonly fingerprint: string;
  /** One [source ids, target ids] pair per turn; each slot element is tokenised on its own. */
  encodeTurns(messages: Message[], system: string, tools: string): [number[], number[]][];
  /** All but the last message as prompt (history thoughts removed), the last as answer. */
  encodeOneTurn(messages: Message[], system: string, tools: string): { prompt: number[]; answer: number[] };
  /** Ids that end a generated answer, eos included. */
  readonly stopIds: number[];
  readonly eosId: number;
  readonly padId: number;
  /** The eos is not part of the assistant slot: it labels the first source token of the next turn. */
  readonly efficientEos: boolean;
}
