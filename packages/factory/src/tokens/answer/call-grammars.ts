// In: the name of a tool format. Out: how its calls are read while they come. Formats without tags could be plain text, so
// there a call must name a tool that was offered.
import { dumpPythonJson, type Json } from '../python-json.ts';
import { looseValue } from '../tool-formats/tool-format.ts';
import { toolFormat } from '../tool-formats.ts';
import type { AnswerSource, Reading } from './answer-source.ts';
import { copyArguments, readJsonCall, readJsonCalls } from './json-call.ts';

export interface CallGrammar {
  /** Words that open a call; `read` goes on behind them. */
  words: readonly string[];
  /** False: it is text, or it broke after its name was told. */
  read?(source: AnswerSource, tools: ReadonlySet<string>): Reading<boolean>;
  /** A call that stands at the start of the answer, without such a word. */
  readStart?(source: AnswerSource, tools: ReadonlySet<string>): Reading<boolean>;
}

const ARGUMENTS = ['arguments', 'parameters'];
const isAny = (name: string) => name !== '';

function* readTagged(source: AnswerSource): Reading<boolean> {
  yield* source.space();
  if (!(yield* readJsonCall(source, ARGUMENTS, isAny))) return false;
  yield* endTag(source, '</tool_call>');
  return true;
}

/** White space stays where no tag follows. */
function* endTag(source: AnswerSource, tag: string): Reading<boolean> {
  return yield* source.attempt(function* () {
    yield* source.space();
    return yield* source.takes(tag);
  });
}

const qwen: CallGrammar = { words: ['<tool_call>'], read: readTagged };

function jsonAtStart(word: string): CallGrammar {
  return {
    words: [word],
    *read(source) {
      yield* source.space();
      return yield* readJsonCalls(source, ARGUMENTS, isAny);
    },
    *readStart(source, tools) {
      yield* source.space();
      return yield* readJsonCalls(source, ARGUMENTS, (name) => tools.has(name));
    },
  };
}

const plainDefault: CallGrammar = {
  words: ['Action:'],
  *read(source, tools) {
    yield* source.space();
    const name = yield* source.run(/[\w.-]/);
    yield* source.space();
    if (!tools.has(name) || !(yield* source.takes('Action Input:'))) return false;
    yield* source.space();
    const quotes = yield* source.run(/`/);
    if (!(yield* copyArguments(source, name))) return false;
    source.wholeCalls = source.calls;
    if (quotes !== '') yield* source.takes(quotes);
    return true;
  },
};

const glm4: CallGrammar = {
  words: [],
  *readStart(source, tools) {
    yield* source.space();
    const name = yield* source.run(/[\w.-]/);
    if (!tools.has(name) || !(yield* source.takes('\n'))) return false;
    yield* source.space();
    if (!(yield* copyArguments(source, name))) return false;
    source.wholeCalls = source.calls;
    return true;
  },
};

interface TagWords {
  word: string;
  /** Between the word and the name, and what ends the name. */
  beforeName: string;
  nameEnd: RegExp;
  afterName: string;
  beforeKey: string;
  keyEnd: string;
  valueEnd: string;
  ends: readonly string[];
  /** Values that are no JSON: without white space around them. */
  trims: boolean;
}

/** Calls whose arguments stand in a tag each; they are told argument by argument. */
function tagged(words: TagWords): CallGrammar {
  return { words: [words.word], read: (source) => readTags(source, words) };
}

function* readTags(source: AnswerSource, words: TagWords): Reading<boolean> {
  yield* source.space();
  if (!(yield* source.takes(words.beforeName))) return false;
  const name = (yield* source.run(words.nameEnd)).trim();
  if (name === '') return false;
  if (words.afterName !== '') yield* source.takes(words.afterName);
  source.beginCall(name);
  if (!(yield* readParameters(source, words))) return false;
  for (const tag of words.ends) yield* endTag(source, tag);
  return true;
}

function* readParameters(source: AnswerSource, words: TagWords): Reading<boolean> {
  const { beforeKey, keyEnd, valueEnd, trims } = words;
  for (let count = 0; ; count++) {
    const isNext = yield* source.attempt(function* () {
      yield* source.space();
      return yield* source.takes(beforeKey);
    });
    if (!isNext) {
      source.tellArguments(count === 0 ? '{}' : '}');
      source.wholeCalls = source.calls;
      return true;
    }
    const key = yield* source.until(keyEnd);
    const raw = key === null ? null : yield* source.until(valueEnd);
    if (key === null || raw === null) return false;
    const value: Json = looseValue(raw, trims ? raw.trim() : raw);
    source.tellArguments(`${count === 0 ? '{' : ', '}${dumpPythonJson(key)}: ${dumpPythonJson(value)}`);
  }
}

const functionTags = (word: string, end: string, trims: boolean) =>
  tagged({
    word,
    beforeName: '<function=',
    nameEnd: /[^\s<>]/,
    afterName: '>',
    beforeKey: '<parameter=',
    keyEnd: '>',
    valueEnd: '</parameter>',
    ends: ['</function>', end],
    trims,
  });

const GLM4_MOE_TAGS: TagWords = {
  word: '<tool_call>',
  beforeName: '',
  nameEnd: /[^\s<>{]/,
  afterName: '',
  beforeKey: '<arg_key>',
  keyEnd: '</arg_key>\n<arg_value>',
  valueEnd: '</arg_value>',
  ends: ['</tool_call>'],
  trims: true,
};

/** Trained with tags, and read back as JSON: both come. */
const glm4Moe: CallGrammar = {
  words: ['<tool_call>'],
  *read(source) {
    yield* source.space();
    return (yield* source.peek()) === '{'
      ? yield* readTagged(source)
      : yield* readTags(source, GLM4_MOE_TAGS);
  },
};

const minimax1: CallGrammar = {
  words: ['<tool_calls>'],
  *read(source) {
    const before = source.calls;
    for (;;) {
      yield* source.space();
      if (source.calls > before && (yield* source.takes('</tool_calls>'))) return true;
      if (!(yield* readJsonCall(source, ARGUMENTS, isAny))) return false;
    }
  },
};

const INVOKE: TagWords = {
  word: '<invoke name="',
  beforeName: '',
  nameEnd: /[^"\n]/,
  afterName: '">',
  beforeKey: '<parameter name="',
  keyEnd: '">',
  valueEnd: '</parameter>',
  ends: ['</invoke>'],
  trims: false,
};

const minimax2: CallGrammar = {
  words: ['<minimax:tool_call>', '<invoke name="'],
  *read(source) {
    // The outer tag may be missing: training writes none.
    yield* source.attempt(function* () {
      yield* source.space();
      return yield* source.takes('<invoke name="');
    });
    if (!(yield* readTags(source, INVOKE))) return false;
    yield* endTag(source, '</minimax:tool_call>');
    return true;
  },
};

/** Formats whose calls are read as a whole, by the reader that training's checks use. */
function whole(format: string, word: string, end: string): CallGrammar {
  return {
    words: [word],
    *read(source) {
      const body = yield* source.until(end);
      const calls = body === null ? null : toolFormat(format).extractCalls(word + body + end);
      for (const call of calls ?? []) {
        source.beginCall(call.name);
        source.tellArguments(dumpPythonJson(call.arguments));
      }
      source.wholeCalls = source.calls;
      return calls !== null;
    },
  };
}

const GRAMMARS: Readonly<Record<string, CallGrammar>> = {
  default: plainDefault,
  gemma4: whole('gemma4', '<|tool_call>', '<tool_call|>'),
  glm4,
  glm4_moe: glm4Moe,
  lfm2: whole('lfm2', '<|tool_call_start|>', '<|tool_call_end|>'),
  ling: qwen,
  llama3: jsonAtStart('<|python_tag|>'),
  minimax1,
  minimax2,
  mistral: jsonAtStart('[TOOL_CALLS]'),
  qwen,
  qwen3_5: functionTags('<tool_call>', '</tool_call>', true),
  seed_oss: functionTags('<seed:tool_call>', '</seed:tool_call>', false),
};

export function callGrammar(format: string): CallGrammar | null {
  return Object.hasOwn(GRAMMARS, format) ? (GRAMMARS[format] as CallGrammar) : null;
}
