// In: rows with two answers (pairs) or one rated answer. Out: two sequences per row: chosen and rejected, or the answer and
// the same prompt with another row's answer (KTO). Ids and cuts are LLaMA-Factory's pairwise.py and feedback.py.
import { FactoryError } from '#factory/errors.ts';
import type { ChatTemplate } from '#factory/records/chat-template.ts';
import { type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';
import type { Example, Message, RowIssue } from '#factory/records/message.ts';
import type { EncodedRows, EncodePlan, EncodeProgress } from './encode-plan.ts';
import { inferSeqlen } from './truncate.ts';

export function encodePairRows(
  examples: Example[],
  plan: EncodePlan,
  onProgress?: EncodeProgress,
): EncodedRows {
  const encoder = new AnswerEncoder(plan);
  for (const [i, example] of examples.entries()) {
    const [chosen, rejected] = example.response;
    const encoded =
      chosen && rejected && example.prompt.length % 2 === 1
        ? encoder.answers(example, [chosen, rejected])
        : encoder.badTurns(example);
    if (encoded) {
      const [{ prompt, answer: first }, { answer: second }] = encoded as [Turn, Turn];
      // The longer answer decides how much of the prompt both keep; its ids are the chosen side's.
      const longest = Math.max(first.length, second.length);
      const [source, target] = inferSeqlen(prompt.length, longest, plan.cutoffLen);
      const sides = [first, second].map((answer) => cutTo(prompt, answer, source, target));
      encoder.add(example, sides as [EncodedExample, EncodedExample], prompt.length + longest);
    }
    onProgress?.(i + 1, examples.length);
  }
  return encoder.rows();
}

export function encodeFeedbackRows(
  examples: Example[],
  plan: EncodePlan,
  onProgress?: EncodeProgress,
): EncodedRows {
  const encoder = new AnswerEncoder(plan);
  const isDesirable: boolean[] = [];
  for (const [i, example] of examples.entries()) {
    const answer = ratedAnswer(example);
    const start = i - (i % plan.groupRows);
    const end = Math.min(start + plan.groupRows, examples.length);
    // Each prompt gets the answer of the row before it; the first of a group that of the last.
    const other = ratedAnswer(examples[i === start ? end - 1 : i - 1] as Example);
    const encoded =
      answer && other && example.prompt.length % 2 === 1
        ? encoder.answers(example, [answer, other])
        : encoder.badTurns(example);
    if (encoded) {
      const sides = encoded.map(({ prompt, answer: ids }) =>
        cutTo(prompt, ids, ...inferSeqlen(prompt.length, ids.length, plan.cutoffLen)),
      );
      const [own] = encoded as [Turn];
      if (
        encoder.add(example, sides as [EncodedExample, EncodedExample], own.prompt.length + own.answer.length)
      )
        isDesirable.push(example.response[0]?.content !== '');
    }
    onProgress?.(i + 1, examples.length);
  }
  return { ...encoder.rows(), isDesirable };
}

/** A good answer stands first with nothing beside it, a bad one second. */
function ratedAnswer({ response: [good, bad] }: Example): Message | undefined {
  return good?.content ? good : bad;
}

interface Turn {
  prompt: number[];
  answer: number[];
}

function cutTo(prompt: number[], answer: number[], source: number, target: number): EncodedExample {
  const ids = answer.slice(0, target);
  return {
    inputIds: Int32Array.from([...prompt.slice(0, source), ...ids]),
    labels: Int32Array.from([...new Array<number>(source).fill(IGNORE_INDEX), ...ids]),
  };
}

class AnswerEncoder {
  readonly #plan: EncodePlan;
  readonly #template: ChatTemplate;
  readonly #rows: EncodedExample[] = [];
  readonly #issues: RowIssue[] = [];

  constructor(plan: EncodePlan) {
    this.#plan = plan;
    this.#template = plan.template as ChatTemplate;
  }

  /** The prompt with each answer, or null with an issue. */
  answers({ prompt, system, tools, source }: Example, answers: readonly Message[]): Turn[] | null {
    const { efficientEos, eosId } = this.#template;
    try {
      return answers.map((message) => {
        const turn = this.#template.encodeOneTurn([...prompt, message], system, tools);
        return { prompt: turn.prompt, answer: efficientEos ? [...turn.answer, eosId] : turn.answer };
      });
    } catch (error) {
      if (!(error instanceof FactoryError) || error.code !== 'TOKENS_BAD_TOOLS') throw error;
      this.#issues.push({
        source,
        kind: 'dropped',
        reason: 'bad_tools',
        field: 'tools',
        detail: error.message,
      });
      return null;
    }
  }

  badTurns({ prompt, response, source }: Example): null {
    const detail = `expected an odd number of prompt messages and two answers, found ${prompt.length} and ${response.length}`;
    this.#issues.push({ source, kind: 'dropped', reason: 'bad_turns', detail });
    return null;
  }

  /** Keeps a row unless one of its sequences has nothing to learn. `total` is the length of the longer one before the cut. */
  add({ source }: Example, sequences: [EncodedExample, EncodedExample], total: number): boolean {
    const { cutoffLen } = this.#plan;
    const isEmpty = ({ labels }: EncodedExample) =>
      labels.subarray(1).every((label) => label === IGNORE_INDEX);
    if (sequences.some(isEmpty)) {
      const detail = `nothing to learn is left of ${total} tokens within cutoff_len ${cutoffLen}`;
      this.#issues.push({ source, kind: 'dropped', reason: 'no_labels', detail });
      return false;
    }
    if (total > cutoffLen) {
      const detail = `${total} tokens cut to ${cutoffLen}`;
      this.#issues.push({ source, kind: 'truncated', reason: 'cutoff_len', detail });
    }
    this.#rows.push(...sequences);
    return true;
  }

  rows(): EncodedRows {
    return { rows: this.#rows, issues: this.#issues, used: this.#rows.length / 2 };
  }
}
