// In: an answer's text, piece by piece. Out: thoughts, text and tool calls, told as soon as they are certain. What only
// looks like a call comes as text, unless its name has been told already.
import type { AnswerReader } from '#factory/records/served-template.ts';
import { AnswerSource, type Reading } from './answer-source.ts';
import type { CallGrammar } from './call-grammars.ts';
import { copyArguments, readJsonCalls } from './json-call.ts';

export interface AnswerShape {
  /** What opens and closes thoughts; `isOpen` when the prompt has opened them already. */
  thought: { words: readonly [string, string]; isOpen: boolean } | null;
  calls:
    | null
    | { kind: 'grammar'; grammar: CallGrammar; tools: ReadonlySet<string> }
    /** The answer is restricted to a call, or to the arguments of one. */
    | { kind: 'json' }
    | { kind: 'arguments'; name: string };
}

export function readAnswer(shape: AnswerShape): AnswerReader {
  const source = new AnswerSource();
  let isThinking = shape.thought?.isOpen ?? false;
  const reading = read();
  reading.next();

  function* read(): Reading<void> {
    if (shape.thought) yield* readThought(shape.thought);
    const { calls } = shape;
    if (calls?.kind === 'grammar') yield* readCalls(calls.grammar, calls.tools);
    else if (calls?.kind === 'json') {
      yield* source.space();
      yield* readJsonCalls(source, ['arguments', 'parameters'], () => true);
    } else if (calls?.kind === 'arguments') {
      yield* source.space();
      if (yield* copyArguments(source, calls.name)) source.wholeCalls = source.calls;
    }
    yield* source.tellUntil('text', []);
  }

  function* readThought({ words, isOpen }: NonNullable<AnswerShape['thought']>): Reading<void> {
    const [open, close] = words.map((word) => word.trim()) as [string, string];
    const opened =
      isOpen ||
      (yield* source.attempt(function* () {
        yield* source.space();
        return yield* source.takes(open);
      }));
    if (!opened) return;
    isThinking = true;
    yield* source.space();
    yield* source.tellUntil('reasoning', [close]);
    isThinking = false;
    yield* source.run(/\n/);
  }

  function* readCalls({ words, read, readStart }: CallGrammar, tools: ReadonlySet<string>): Reading<void> {
    if (readStart) {
      const isCall = yield* source.attempt(() => readStart(source, tools));
      if (isCall) yield* source.space();
    }
    for (;;) {
      const { word, space } = yield* source.tellUntil('text', words);
      const opening = space + (words[word] ?? '');
      const before = source.calls;
      const isCall = word >= 0 && read && (yield* source.attempt(() => read(source, tools)));
      // White space around calls is no answer.
      const isText = word < 0 ? before === 0 : !isCall && source.calls === before;
      if (isText && opening !== '') source.tell({ kind: 'text', text: opening });
      if (word < 0) return;
    }
  }

  return {
    push(text) {
      source.add(text);
      reading.next();
      return source.takePieces();
    },
    end() {
      source.ended = true;
      while (!reading.next().done);
      return source.takePieces();
    },
    get isThinking() {
      return isThinking;
    },
    get calls() {
      return source.calls;
    },
    get wholeCalls() {
      return source.wholeCalls;
    },
  };
}
