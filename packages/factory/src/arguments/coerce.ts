// In: an argument type and one raw value (a word, or a YAML or JSON value). Out: the typed value, or what is wrong.
// It follows HfArgumentParser: boolean words, comma lists, `None`, and numbers that YAML left as text (`1e-4`).
import { type ArgType, describeType } from './key.ts';

export type Coerced = { ok: true; value: unknown } | { ok: false; problem: string };

const TRUE_WORDS = new Set(['true', 't', 'yes', 'y', '1', 'on']);
const FALSE_WORDS = new Set(['false', 'f', 'no', 'n', '0', 'off']);
const NUMBER = /^[+-]?(\d[\d_]*\.?\d*|\.\d+)(e[+-]?\d+)?$/i;

/** `text` is the spelling in the file, so that a text key keeps `1.10` as written. */
export function coerce(type: ArgType, raw: unknown, text?: string): Coerced {
  if (raw === null || (typeof raw === 'string' && isNoneWord(raw) && type.optional)) {
    if (type.optional) return { ok: true, value: null };
    return wrong(type, 'nothing');
  }
  switch (type.kind) {
    case 'bool':
      return coerceBool(type, raw);
    case 'int':
    case 'float':
      return coerceNumber(type, raw);
    case 'string':
      return coerceString(type, raw, text);
    case 'enum':
      return coerceEnum(type, raw);
    case 'list':
    case 'texts':
      return coerceList(type, raw);
    case 'numbers':
      return coerceNumbers(type, raw);
    case 'dict':
      return coerceDict(type, raw);
    case 'path_or_bool': {
      const asBool = coerceBool(type, raw);
      return asBool.ok ? asBool : coerceString(type, raw, text);
    }
  }
}

export function isBoolWord(word: string): boolean {
  const lower = word.toLowerCase();
  return TRUE_WORDS.has(lower) || FALSE_WORDS.has(lower);
}

function isNoneWord(word: string): boolean {
  return ['none', 'null', '~'].includes(word.trim().toLowerCase());
}

function wrong(type: ArgType, found: unknown): Coerced {
  return { ok: false, problem: `expected ${describeType(type)}, found ${show(found)}` };
}

/** A short printable form of any value, for messages. */
export function show(value: unknown): string {
  if (value === 'nothing') return 'nothing';
  const text = typeof value === 'string' ? JSON.stringify(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 80 ? `${text.slice(0, 77)}...` : text;
}

function coerceBool(type: ArgType, raw: unknown): Coerced {
  if (typeof raw === 'boolean') return { ok: true, value: raw };
  const word = typeof raw === 'number' || typeof raw === 'string' ? String(raw).trim().toLowerCase() : '';
  if (TRUE_WORDS.has(word)) return { ok: true, value: true };
  if (FALSE_WORDS.has(word)) return { ok: true, value: false };
  return wrong(type, raw);
}

function toNumber(raw: unknown): number | null {
  if (typeof raw === 'number') return Number.isFinite(raw) ? raw : null;
  if (typeof raw !== 'string' || !NUMBER.test(raw.trim())) return null;
  const value = Number(raw.trim().replaceAll('_', ''));
  return Number.isFinite(value) ? value : null;
}

function coerceNumber(type: ArgType, raw: unknown): Coerced {
  const value = toNumber(raw);
  if (value === null) return wrong(type, raw);
  if (type.kind === 'int' && !Number.isSafeInteger(value)) return wrong(type, raw);
  if (type.min !== undefined && (type.exclusiveMin ? value <= type.min : value < type.min))
    return wrong(type, raw);
  if (type.max !== undefined && value > type.max) return wrong(type, raw);
  return { ok: true, value: Object.is(value, -0) ? 0 : value };
}

function coerceString(type: ArgType, raw: unknown, text?: string): Coerced {
  if (typeof raw === 'string') return { ok: true, value: raw };
  if (typeof raw === 'number' || typeof raw === 'boolean') return { ok: true, value: text ?? String(raw) };
  return wrong(type, raw);
}

function coerceEnum(type: ArgType, raw: unknown): Coerced {
  const choices = type.choices ?? [];
  // YAML 1.1 readers turn a bare `no` into false, and older Hugging Face versions took booleans for these keys.
  const word =
    raw === false && choices.includes('no') ? 'no' : raw === true && choices.includes('all') ? 'all' : raw;
  if (typeof word !== 'string') return wrong(type, raw);
  const exact = choices.find((one) => one === word.trim());
  const loose = exact ?? choices.find((one) => one.toLowerCase() === word.trim().toLowerCase());
  if (loose !== undefined) return { ok: true, value: loose };
  if (isBoolWord(word)) {
    const asBool = TRUE_WORDS.has(word.toLowerCase()) ? 'all' : 'no';
    if (choices.includes('all') && choices.includes('no')) return { ok: true, value: asBool };
  }
  return wrong(type, raw);
}

function coerceList(type: ArgType, raw: unknown): Coerced {
  const items = listItems(type, raw);
  if (items === null) return wrong(type, raw);
  const words: string[] = [];
  for (const item of items) {
    if (typeof item !== 'string' && typeof item !== 'number' && typeof item !== 'boolean')
      return wrong(type, raw);
    const word = type.kind === 'texts' ? String(item) : String(item).trim();
    if (word !== '') words.push(word);
  }
  return { ok: true, value: words };
}

function listItems(type: ArgType, raw: unknown): unknown[] | null {
  if (Array.isArray(raw)) return raw;
  if (typeof raw === 'number' || typeof raw === 'boolean') return [raw];
  if (typeof raw !== 'string') return null;
  const trimmed = raw.trim();
  if (trimmed.startsWith('[') && trimmed.endsWith(']')) {
    const parsed = parseJson(trimmed);
    if (Array.isArray(parsed)) return parsed;
    if (type.kind === 'list') return unquoteItems(trimmed.slice(1, -1));
  }
  return type.kind === 'texts' ? [raw] : raw.split(',');
}

/** `[q_proj, 'v_proj']`: the flow list of YAML without its quotes. */
function unquoteItems(text: string): string[] {
  return text.split(',').map((item) => item.trim().replace(/^(['"])(.*)\1$/, '$2'));
}

function coerceNumbers(type: ArgType, raw: unknown): Coerced {
  const items = listItems({ ...type, kind: 'list' }, raw);
  if (items === null) return wrong(type, raw);
  const values = items.map(toNumber);
  return values.some((value) => value === null) ? wrong(type, raw) : { ok: true, value: values };
}

function coerceDict(type: ArgType, raw: unknown): Coerced {
  const value = typeof raw === 'string' ? parseJson(raw.trim()) : raw;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return wrong(type, raw);
  return { ok: true, value };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
