// In: nothing. Out: a row of an evaluation before the model has seen it: what is asked, what may be answered, and what is
// right. eval/task makes it from a data set's rows; pipeline/evaluate has it answered.
import type { Message } from './message.ts';

export interface EvalQuestion {
  /** From the content, so that the same row has the same id in every evaluation. */
  id: string;
  /** Conversation that ends with the user's turn. */
  messages: Message[];
  system: string;
  tools: string;
  /** The whole text before the answer where no chat template is applied; null for conversations. */
  text: string | null;
  /** For people: the question without examples. */
  prompt: string;
  /** What stands between `text` and an answer; '' in conversations. */
  delimiter: string;
  /** What may be answered, with the label that each choice stands for; empty unless the task is a classification. */
  choices: { label: string; text: string }[];
  /** Right answers, the best first. */
  references: string[];
  label?: string;
  cluster?: string;
  slices?: Record<string, string>;
  source: Record<string, unknown>;
  /** `conversationKey` of the prompt. */
  promptKey: string;
}
