// In: nothing. Out: the shape of a chat template as data, and the small slot language it is written in.
// A slot list is tokenised element by element, so the cuts between elements are part of the template.

/** Text in which `{c}` stands for the content; the tokenizer's own bos or eos; or one token by its exact string. */
export type SlotElement = string | { special: 'bos' | 'eos' } | { token: string };

/** A single text needs no list. */
export type Slots = string | readonly SlotElement[];

export const BOS: SlotElement = { special: 'bos' };
export const EOS: SlotElement = { special: 'eos' };
export const token = (text: string): SlotElement => ({ token: text });

/**
 * How a template treats its messages. `llama2` puts the system text inside the first user turn; `reasoning` adds empty
 * thought blocks and takes thoughts out of the history; `glm47` is reasoning with only the closing word as empty block.
 */
export type TemplateKind = 'plain' | 'llama2' | 'reasoning' | 'glm47';

/** Absent parts take the defaults of `completeSpec` in template.ts. */
export interface TemplateSpec {
  /** Before everything else. */
  prefix?: Slots;
  system?: Slots;
  /** From the user's text up to and including the assistant header. May hold `{idx}`, the number of the turn. */
  user?: Slots;
  assistant?: Slots;
  observation?: Slots;
  /** Around rendered tool calls; v0.6.3 used `{name}` and `{arguments}` in place of `{c}`. */
  function?: Slots;
  /** Tool format of calls, a name of tool-formats/. */
  functionFormat?: string;
  /** Tool format of the tool list in the system text. */
  toolFormat?: string;
  /** The tool list is put into this text as it came, in place of a tool format. */
  toolSlot?: string;
  defaultSystem?: string;
  stopWords?: readonly string[];
  thoughtWords?: readonly [string, string];
  toolCallWords?: readonly [string, string];
  /** The end of an answer is the next turn's first token, and one eos closes the whole row. */
  efficientEos?: boolean;
  /** The tokenizer's eos becomes the first stop word. */
  replaceEos?: boolean;
  /** A saved tokenizer gets a chat template made of these slots even if it has one. */
  replaceJinja?: boolean;
  kind?: TemplateKind;
  /** v0.6.3 only: before every user turn but the first. */
  separator?: Slots;
  /** The system slots are written even without system text (v0.6.3, and chat templates with a fixed header). */
  forceSystem?: boolean;
  /** Roles whose content loses white space at both ends, as the tokenizer's own chat template has it. */
  trimmed?: readonly ('system' | 'user' | 'assistant')[];
}
