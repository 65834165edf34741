// In: tools and calls. Out: the format of LFM2: calls in Python's call syntax. Only literals are read back, no code.
import { dumpPythonJson, type Json, parsePythonJson, pythonFloat } from '../python-json.ts';
import { argumentEntries, type ToolCall, type ToolFormat, unwrapTool } from './tool-format.ts';

const START = '<|tool_call_start|>';
const END = '<|tool_call_end|>';

export const lfm2: ToolFormat = {
  renderTools: (tools) =>
    `List of tools: <|tool_list_start|>${dumpPythonJson(tools.map(unwrapTool))}<|tool_list_end|>`,
  renderCalls(calls) {
    const texts = calls.map((call) => {
      const args = argumentEntries(call, 'lfm2').map(([key, value]) =>
        typeof value === 'string' ? `${key}="${value}"` : `${key}=${dumpPythonJson(value)}`,
      );
      return `${call.name}(${args.join(', ')})`;
    });
    return `${START}[${texts.join(', ')}]${END}`;
  },
  extractCalls(content) {
    const start = content.indexOf(START);
    const end = content.indexOf(END, start);
    if (start < 0 || end < 0) return null;
    const reader = { text: content.slice(start + START.length, end).trim(), at: 0 };
    const calls = reader.text.startsWith('[')
      ? readSequence(reader, '[', ']', readCall)
      : single(readCall(reader));
    return calls && calls.length > 0 && reader.at === reader.text.length ? calls : null;
  },
};

interface Reader {
  text: string;
  at: number;
}

const NAME = /\s*([\p{L}_][\p{L}\p{N}_]*)\s*/uy;
const NUMBER = /[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?/y;
const SPACE = /\s*/y;
const WORDS: Record<string, Json> = {
  True: true,
  False: false,
  None: null,
  true: true,
  false: false,
  null: null,
};

function single(call: ToolCall | undefined): ToolCall[] | undefined {
  return call && [call];
}

function take(reader: Reader, pattern: RegExp): RegExpExecArray | null {
  pattern.lastIndex = reader.at;
  const found = pattern.exec(reader.text);
  if (found) reader.at += found[0].length;
  return found;
}

function takeMark(reader: Reader, mark: string): boolean {
  take(reader, SPACE);
  if (reader.text[reader.at] !== mark) return false;
  reader.at++;
  take(reader, SPACE);
  return true;
}

/** Items between two marks, separated by commas; a comma may follow the last. */
function readSequence<T>(
  reader: Reader,
  open: string,
  close: string,
  readItem: (r: Reader) => T | undefined,
): T[] | undefined {
  if (!takeMark(reader, open)) return undefined;
  const items: T[] = [];
  while (!takeMark(reader, close)) {
    const item = readItem(reader);
    if (item === undefined) return undefined;
    items.push(item);
    if (!takeMark(reader, ',') && reader.text[reader.at] !== close) return undefined;
  }
  return items;
}

function readCall(reader: Reader): ToolCall | undefined {
  const name = take(reader, NAME)?.[1];
  if (name === undefined) return undefined;
  const pairs = readSequence(reader, '(', ')', (r): [string, Json] | undefined => {
    const key = take(r, NAME)?.[1];
    if (key === undefined || !takeMark(r, '=')) return undefined;
    const value = readLiteral(r, 0);
    return value === undefined ? undefined : [key, value];
  });
  return pairs && { name, arguments: new Map(pairs) };
}

function readLiteral(reader: Reader, depth: number): Json | undefined {
  if (depth > 100) return undefined;
  const first = reader.text[reader.at];
  if (first === '"' || first === "'") return readText(reader, first);
  if (first === '[') return readSequence(reader, '[', ']', (r) => readLiteral(r, depth + 1));
  if (first === '{') {
    const pairs = readSequence(reader, '{', '}', (r): [string, Json] | undefined => {
      const key = readLiteral(r, depth + 1);
      if (typeof key !== 'string' || !takeMark(r, ':')) return undefined;
      const value = readLiteral(r, depth + 1);
      return value === undefined ? undefined : [key, value];
    });
    return pairs && new Map(pairs);
  }
  const number = take(reader, NUMBER)?.[0];
  if (number !== undefined) {
    return /^[-+]?[0-9]+$/.test(number)
      ? parsePythonJson(number.replace('+', ''))
      : { number: pythonFloat(Number(number)) };
  }
  const word = take(reader, NAME)?.[1] ?? '';
  return Object.hasOwn(WORDS, word) ? WORDS[word] : undefined;
}

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t', '\\': '\\', '"': '"', "'": "'" };

function readText(reader: Reader, mark: string): string | undefined {
  let out = '';
  for (reader.at++; reader.at < reader.text.length; reader.at++) {
    const char = reader.text[reader.at] as string;
    if (char === mark) {
      reader.at++;
      return out;
    }
    if (char === '\n') return undefined;
    if (char !== '\\') {
      out += char;
      continue;
    }
    const kind = reader.text[++reader.at] ?? '';
    const digits = { x: 2, u: 4, U: 8 }[kind];
    if (digits === undefined) {
      out += ESCAPES[kind] ?? `\\${kind}`;
    } else {
      const code = Number.parseInt(reader.text.slice(reader.at + 1, reader.at + 1 + digits), 16);
      if (!(code <= 0x10ffff)) return undefined;
      out += String.fromCodePoint(code);
      reader.at += digits;
    }
  }
  return undefined;
}
