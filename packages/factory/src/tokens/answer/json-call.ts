// In: an answer in which a call stands as JSON. Out: its name, then its arguments as the model writes them. Only what is a
// call is told; the text is checked as far as it is needed to find its end.
import type { AnswerSource, Reading } from './answer-source.ts';

const MAX_DEPTH = 200;
const ATOM = /^(?:-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null|NaN|-?Infinity)$/;

/** An object with a name and arguments under one of `keys`. `isName` says whether a tool may be called so. */
export function* readJsonCall(
  source: AnswerSource,
  keys: readonly string[],
  isName: (name: string) => boolean,
): Reading<boolean> {
  if (!(yield* source.takes('{'))) return false;
  let name: string | null = null;
  let early: [number, number] | null = null;
  let isTold = false;
  for (;;) {
    yield* source.space();
    const key = yield* readString(source);
    yield* source.space();
    if (key === null || !(yield* source.takes(':'))) return false;
    yield* source.space();
    if (key === 'name' && name === null) {
      name = yield* readString(source);
      if (name === null || !isName(name)) return false;
      if (early) {
        isTold = true;
        source.beginCall(name);
        source.tellArguments(source.slice(...early));
      }
    } else if (keys.includes(key) && !isTold && !early) {
      if (name === null) {
        const from = source.at;
        if (!(yield* skipValue(source))) return false;
        early = [from, source.at];
      } else {
        isTold = true;
        if (!(yield* copyArguments(source, name))) return false;
      }
    } else if (!(yield* skipValue(source))) return false;
    yield* source.space();
    if (yield* source.takes(',')) continue;
    if (!isTold || !(yield* source.takes('}'))) return false;
    source.wholeCalls = source.calls;
    return true;
  }
}

/** One call, or a list of them. */
export function* readJsonCalls(
  source: AnswerSource,
  keys: readonly string[],
  isName: (name: string) => boolean,
): Reading<boolean> {
  if (!(yield* source.takes('['))) return yield* readJsonCall(source, keys, isName);
  for (;;) {
    yield* source.space();
    if (!(yield* readJsonCall(source, keys, isName))) return false;
    yield* source.space();
    if (yield* source.takes(',')) continue;
    return yield* source.takes(']');
  }
}

/** A JSON value that is all the arguments of a call. */
export function* copyArguments(source: AnswerSource, name: string): Reading<boolean> {
  if (!/[[{"\-0-9tfnNI]/.test(yield* source.peek())) return false;
  source.beginCall(name);
  source.startCopy();
  const isWhole = yield* skipValue(source);
  source.endCopy();
  return isWhole;
}

export function* skipValue(source: AnswerSource, depth = 0): Reading<boolean> {
  if (depth > MAX_DEPTH) return false;
  const first = yield* source.peek();
  if (first === '"') return yield* skipString(source);
  if (first !== '{' && first !== '[') return ATOM.test(yield* source.run(/[-+.0-9a-zA-Z]/));
  const close = first === '{' ? '}' : ']';
  source.at++;
  yield* source.space();
  if (yield* source.takes(close)) return true;
  for (;;) {
    yield* source.space();
    if (first === '{') {
      if (!(yield* skipString(source))) return false;
      yield* source.space();
      if (!(yield* source.takes(':'))) return false;
      yield* source.space();
    }
    if (!(yield* skipValue(source, depth + 1))) return false;
    yield* source.space();
    if (yield* source.takes(',')) continue;
    return yield* source.takes(close);
  }
}

function* skipString(source: AnswerSource): Reading<boolean> {
  if (!(yield* source.takes('"'))) return false;
  for (;;) {
    const next = yield* source.peek();
    if (next === '') return false;
    source.at++;
    if (next === '"') return true;
    if (next === '\\') {
      if ((yield* source.peek()) === '') return false;
      source.at++;
    }
  }
}

function* readString(source: AnswerSource): Reading<string | null> {
  const from = source.at;
  let text: string | null = null;
  yield* source.attempt(function* () {
    if (!(yield* skipString(source))) return false;
    try {
      const value: unknown = JSON.parse(source.slice(from, source.at));
      text = typeof value === 'string' ? value : null;
    } catch {
      text = null;
    }
    return true;
  });
  return text;
}
