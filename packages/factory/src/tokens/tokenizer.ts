// In: a folder with tokenizer.json and its companions. Out: the TextTokenizer that every step shares.
// It never adds special tokens by itself: templates decide where bos and eos stand.
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { FactoryError } from '#factory/errors.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';

export interface TokenizerOptions {
  /** Special strings inside text are read as ordinary text (the `split_special_tokens` key). */
  splitSpecialTokens?: boolean;
}

/** Ids above this are taken for damage, not for a vocabulary. */
const LARGEST_ID = 2 ** 24;

const MODEL_TYPES = ['BPE', 'WordPiece', 'Unigram'];

const FINGERPRINTED = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'chat_template.jinja',
  'chat_template.json',
];

/**
 * Opens the tokenizer of a Hugging Face folder. Only tokenizer.json must be there.
 * @throws FactoryError TOKENS_NO_TOKENIZER or TOKENS_BAD_TOKENIZER
 */
export async function openTokenizer(dir: string, options: TokenizerOptions = {}): Promise<TextTokenizer> {
  const files = new Map<string, Buffer>();
  for (const name of FINGERPRINTED) {
    const bytes = await readOptional(join(dir, name));
    if (bytes) files.set(name, bytes);
  }
  if (!files.has('tokenizer.json')) throw noTokenizer(dir);
  return tokenizerOf(files, dir, options);
}

/** The same from the files' contents; `dir` is what messages call their place. */
export function tokenizerOf(
  files: Map<string, Buffer>,
  dir: string,
  options: TokenizerOptions = {},
): TextTokenizer {
  const split = options.splitSpecialTokens ?? false;
  const definition = checkDefinition(parseJson(files, 'tokenizer.json', dir), dir);
  const config = parseJson(files, 'tokenizer_config.json', dir);
  const specialMap = parseJson(files, 'special_tokens_map.json', dir);

  const full = build(definition, config, dir);
  // A tokenizer that does not know the special tokens reads their text as text.
  const encoder = split
    ? build({ ...definition, added_tokens: definition.added_tokens.filter((t) => !t.special) }, config, dir)
    : full;

  const tokenToId = (token: string): number | null => full.token_to_id(token) ?? null;
  const specialId = (role: string): number | null => {
    const text = tokenText(config[role]) ?? tokenText(specialMap[role]);
    return text === null ? null : tokenToId(text);
  };
  const bosId = specialId('bos_token');
  // What the post-processor adds to the empty text: nothing, or bos.
  const addedIds = full.encode('').ids.filter(isId);
  // transformers 4 cleaned up spaces by default, transformers 5 does not; only an explicit wish counts.
  const cleanUp = config.clean_up_tokenization_spaces === true;

  const hash = createHash('sha256').update(`split_special_tokens=${split}\n`);
  for (const [name, bytes] of files) hash.update(`${name} ${bytes.length}\n`).update(bytes);

  return {
    encode: (text) =>
      text === '' ? [] : encoder.encode(text, { add_special_tokens: false }).ids.filter(isId),
    decode(ids, decodeOptions = {}) {
      if (ids.length === 0) return '';
      return full.decode(Array.from(ids), {
        skip_special_tokens: decodeOptions.skipSpecialTokens ?? false,
        clean_up_tokenization_spaces: cleanUp,
      });
    },
    tokenToId,
    idToToken: (id) => full.id_to_token(id) ?? null,
    bosId,
    eosId: specialId('eos_token'),
    padId: specialId('pad_token'),
    addsBos: bosId !== null && (config.add_bos_token === true || addedIds[0] === bosId),
    size: largestId(definition) + 1,
    chatTemplate: findChatTemplate(files, config, dir),
    fingerprint: hash.digest('hex'),
  };
}

type JsonObject = Record<string, unknown>;

interface TokenizerDefinition extends JsonObject {
  model: JsonObject;
  added_tokens: { id: number; content: string; special?: boolean }[];
}

function isId(id: unknown): id is number {
  return typeof id === 'number';
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

async function readOptional(path: string): Promise<Buffer | null> {
  try {
    return await readFile(path);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new FactoryError({
      code: 'TOKENS_BAD_TOKENIZER',
      message: `${path} cannot be read (${code ?? String(cause)})`,
      remedy: 'Make the file readable, or point model_name_or_path to another folder.',
      cause,
    });
  }
}

function parseJson(files: Map<string, Buffer>, name: string, dir: string): JsonObject {
  const bytes = files.get(name);
  if (!bytes) return {};
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8').replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw damaged(join(dir, name), `is not valid JSON (${(cause as Error).message})`, cause);
  }
  if (!isObject(value)) throw damaged(join(dir, name), 'must hold a JSON object');
  return value;
}

function damaged(file: string, what: string, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'TOKENS_BAD_TOKENIZER',
    message: `${file} ${what}`,
    remedy:
      "Download the model's tokenizer files again, or save them anew with transformers' save_pretrained.",
    cause,
  });
}

function noTokenizer(dir: string): FactoryError {
  const sentencePiece = ['tokenizer.model', 'spiece.model'].find((name) => existsSync(join(dir, name)));
  const tiktoken = ['vocab.json', 'qwen.tiktoken'].find((name) => existsSync(join(dir, name)));
  const found = sentencePiece ?? tiktoken;
  return new FactoryError({
    code: 'TOKENS_NO_TOKENIZER',
    message: `expected tokenizer.json in ${dir}, found ${found ? `only ${found}` : 'no tokenizer file'}`,
    remedy: found
      ? 'Convert it once with transformers: AutoTokenizer.from_pretrained(folder).save_pretrained(folder), which writes tokenizer.json.'
      : 'Point model_name_or_path to a folder that holds tokenizer.json beside config.json.',
    details: { dir },
  });
}

function checkDefinition(raw: JsonObject, dir: string): TokenizerDefinition {
  const file = join(dir, 'tokenizer.json');
  const model = raw.model;
  if (!isObject(model)) throw damaged(file, 'has no "model" object');
  const { type, vocab } = model;
  if (type !== undefined && !MODEL_TYPES.includes(type as string)) {
    throw damaged(
      file,
      `has a model of type ${JSON.stringify(type)}; known types: ${MODEL_TYPES.join(', ')}`,
    );
  }
  if (!isObject(vocab) && !Array.isArray(vocab)) throw damaged(file, 'has no vocabulary in model.vocab');
  if (isObject(vocab)) {
    for (const [token, id] of Object.entries(vocab)) {
      if (!validId(id))
        throw damaged(file, `gives token ${JSON.stringify(token)} the id ${JSON.stringify(id)}`);
    }
  }
  const added = raw.added_tokens ?? [];
  if (!Array.isArray(added)) throw damaged(file, 'must have a list in added_tokens');
  for (const [i, token] of added.entries()) {
    if (!isObject(token) || typeof token.content !== 'string' || token.content === '' || !validId(token.id)) {
      throw damaged(file, `has a bad entry at added_tokens[${i}]: ${JSON.stringify(token)}`);
    }
  }
  return {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    ...raw,
    model,
    added_tokens: added,
  };
}

function validId(id: unknown): id is number {
  return Number.isInteger(id) && (id as number) >= 0 && (id as number) < LARGEST_ID;
}

function build(definition: TokenizerDefinition, config: JsonObject, dir: string): Tokenizer {
  try {
    const tokenizer = new Tokenizer(definition, config);
    tokenizer.encode('a');
    return tokenizer;
  } catch (cause) {
    throw damaged(join(dir, 'tokenizer.json'), `cannot be used: ${(cause as Error).message}`, cause);
  }
}

function largestId(definition: TokenizerDefinition): number {
  let largest = -1;
  const vocab = definition.model.vocab;
  if (Array.isArray(vocab)) largest = vocab.length - 1;
  else for (const id of Object.values(vocab as Record<string, number>)) if (id > largest) largest = id;
  for (const token of definition.added_tokens) if (token.id > largest) largest = token.id;
  return largest;
}

/** The text of a token as the config files write it: a string, or an object with `content`. */
function tokenText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  if (isObject(value) && typeof value.content === 'string') return value.content;
  return null;
}

/** chat_template.jinja wins over chat_template.json, which wins over tokenizer_config.json. */
function findChatTemplate(files: Map<string, Buffer>, config: JsonObject, dir: string): string | null {
  const jinja = files.get('chat_template.jinja');
  if (jinja) return jinja.toString('utf8');
  const stored = parseJson(files, 'chat_template.json', dir).chat_template ?? config.chat_template;
  if (typeof stored === 'string') return stored;
  if (Array.isArray(stored)) {
    const named = stored.filter(isObject);
    const chosen = named.find((entry) => entry.name === 'default') ?? named[0];
    if (typeof chosen?.template === 'string') return chosen.template;
  }
  if (isObject(stored) && typeof stored.default === 'string') return stored.default;
  return null;
}
