// In: the tokenizer files of a model. Out: the vocabulary of its GGUF file, with the keys and values that llama.cpp's
// convert_hf_to_gguf writes, and tokenizer.json itself, from which the same tokenizer is opened again. A vocabulary that
// llama.cpp would cut otherwise is refused by name.
import { FactoryError } from '#factory/errors.ts';
import type { GgufField, GgufFields } from '#factory/records/gguf.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import { findPreTokenizer } from './gguf-pre-tokenizers.ts';
import { readSentencePieces } from './sentencepiece-model.ts';

export interface VocabularyOptions {
  /** Rows of the embedding, to which the vocabulary is filled up. */
  rows: number;
  /** `general.architecture` */
  architecture: string;
  /** config.json, which names special tokens that tokenizer_config.json does not. */
  config: Readonly<Record<string, unknown>>;
  /** A Jinja chat template, or null for none. */
  chatTemplate: string | null;
  /** llama.cpp's name of the pre-tokenizer, where it cannot be found. */
  preTokenizer: string | null;
  /** What messages call the place of the files. */
  dir: string;
}

/** `tokenizer.ggml.token_type` */
const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;
const SPACE = '\u2581';

type JsonObject = Record<string, unknown>;

interface Definition extends JsonObject {
  model: JsonObject & { type: string; vocab: Record<string, number>; merges: (string | [string, string])[] };
  added_tokens: { id: number; content: string; special?: boolean }[];
}

interface Vocabulary {
  tokens: string[];
  kinds: number[];
  /** SentencePiece only. */
  scores: number[];
}

export function ggufVocabulary(
  files: Readonly<Record<string, Uint8Array>>,
  tokenizer: TextTokenizer,
  options: VocabularyOptions,
): GgufFields {
  const definition = parse(files['tokenizer.json']) as Definition;
  const settings = parse(files['tokenizer_config.json']);
  const { model } = definition;
  const isSentencePiece = model.type === 'BPE' && model.byte_fallback === true;
  const isByteLevel =
    model.type === 'BPE' && JSON.stringify(definition.pre_tokenizer).includes('"ByteLevel"');
  if (!isSentencePiece && !isByteLevel)
    throw unsupported(
      options.dir,
      `expected byte-level BPE or BPE with byte fallback, found a model of type ${model.type}`,
      'Export with --to merged: llama.cpp has no such vocabulary for this architecture.',
    );
  const fields = new Map<string, GgufField>();
  const put = (key: string, field: GgufField) => fields.set(`tokenizer.${key}`, field);
  const pre = isSentencePiece ? 'default' : preTokenizer(definition, tokenizer, options);
  const vocabulary = emptyVocabulary(options.rows);
  if (isSentencePiece) fillPieces(vocabulary, definition, settings, files['tokenizer.model'], options.dir);
  else fillByteLevel(vocabulary, definition);

  put('ggml.model', { type: 'string', value: isSentencePiece ? 'llama' : 'gpt2' });
  put('ggml.pre', { type: 'string', value: pre });
  put('ggml.tokens', { type: 'array', of: 'string', value: vocabulary.tokens });
  if (isSentencePiece) put('ggml.scores', { type: 'array', of: 'float32', value: vocabulary.scores });
  put('ggml.token_type', { type: 'array', of: 'int32', value: vocabulary.kinds });
  if (isByteLevel) put('ggml.merges', { type: 'array', of: 'string', value: mergesOf(definition) });
  for (const [role, id] of specialIds(definition, settings, tokenizer, options))
    put(`ggml.${role}_token_id`, { type: 'uint32', value: id });
  for (const [role, isAdded] of addedRoles(definition, settings, tokenizer))
    put(`ggml.add_${role}_token`, { type: 'bool', value: isAdded });
  const prefix = spacePrefix(definition, settings, isSentencePiece, options.architecture);
  if (prefix !== null) put('ggml.add_space_prefix', { type: 'bool', value: prefix });
  if (options.chatTemplate) put('chat_template', { type: 'string', value: options.chatTemplate });
  put('huggingface.json', { type: 'string', value: JSON.stringify(definition) });
  return fields;
}

function parse(bytes: Uint8Array | undefined): JsonObject {
  return bytes
    ? (JSON.parse(
        Buffer.from(bytes)
          .toString('utf8')
          .replace(/^\uFEFF/, ''),
      ) as JsonObject)
    : {};
}

function preTokenizer(
  definition: Definition,
  tokenizer: TextTokenizer,
  { preTokenizer: named, dir }: VocabularyOptions,
): string {
  const found = named ?? findPreTokenizer(definition, tokenizer);
  if (found !== null) return found;
  throw unsupported(
    dir,
    `none of llama.cpp's pre-tokenizers cuts text by these rules: ${JSON.stringify(definition.pre_tokenizer).slice(0, 300)}`,
    "Set export_pre_tokenizer to llama.cpp's name of it, such as llama-bpe, if you know that it has one.",
  );
}

function emptyVocabulary(rows: number): Vocabulary {
  return {
    tokens: Array.from({ length: rows }, (_, i) => `[PAD${i}]`),
    kinds: new Array(rows).fill(KIND.unused),
    scores: new Array(rows).fill(-10_000),
  };
}

function fillByteLevel({ tokens, kinds }: Vocabulary, { model, added_tokens: added }: Definition): void {
  for (const [text, id] of Object.entries(model.vocab)) set(id, text, KIND.normal);
  for (const { id, content, special } of added) {
    const isControl = special || looksSpecial(content);
    set(id, isControl ? content : plainSpaces(content), isControl ? KIND.control : KIND.userDefined);
  }

  function set(id: number, text: string, kind: number): void {
    if (id >= tokens.length) return;
    tokens[id] = text;
    kinds[id] = kind;
  }
}

/** Spaces in merges are written as the byte-level alphabet writes them. */
function mergesOf({ model }: Definition): string[] {
  return model.merges.map((merge) =>
    typeof merge === 'string' ? merge : merge.map((part) => part.replaceAll(' ', '\u0120')).join(' '),
  );
}

/** From tokenizer.json, with the scores and kinds of tokenizer.model where both name the same piece. */
function fillPieces(
  { tokens, kinds, scores }: Vocabulary,
  definition: Definition,
  settings: JsonObject,
  model: Uint8Array | undefined,
  dir: string,
): void {
  const set = (id: number, text: string, kind: number, score: number): void => {
    if (id >= tokens.length) return;
    tokens[id] = text;
    kinds[id] = kind;
    scores[id] = score;
  };
  const scoreOf = mergeScores(definition);
  const unknown = definition.model.unk_token;
  for (const [text, id] of Object.entries(definition.model.vocab)) {
    if (/^<0x[0-9A-F]{2}>$/i.test(text)) set(id, text, KIND.byte, 0);
    else if (text === unknown) set(id, text, KIND.unknown, 0);
    else set(id, text, KIND.normal, scoreOf(text, id));
  }
  const listed = settings.added_tokens_decoder as
    | Record<string, { content: string; special?: boolean }>
    | undefined;
  const pieces = model ? readSentencePieces(model, `${dir}/tokenizer.model`) : [];
  const isKnown = new Set<number>();
  for (const [id, { piece, score, kind }] of pieces.entries()) {
    if (id >= tokens.length || (kinds[id] !== KIND.unused && tokens[id] !== piece)) continue;
    set(id, piece, kind, score);
    if (kind === KIND.control || kind === KIND.unknown || kind === KIND.userDefined) isKnown.add(id);
  }
  for (const { id, content, special } of definition.added_tokens) {
    const isListed = listed !== undefined && Object.hasOwn(listed, String(id));
    // Without that list llama.cpp's converter leaves such a token as tokenizer.model has it.
    if (!isListed && (isKnown.has(id) || content === unknown)) continue;
    const isControl = special || looksSpecial(content);
    const kind = isControl ? KIND.control : KIND.userDefined;
    set(id, isControl ? content : plainSpaces(content), kind, -1000);
  }
}

const plainSpaces = (text: string) => text.replaceAll(SPACE, ' ');

/**
 * The scores that SentencePiece would have given: two pieces merge where their sum is a piece, the best score first. Files
 * count down from the first normal piece; where ids and merges are in different orders, the merges decide.
 */
function mergeScores({ model }: Definition): (text: string, id: number) => number {
  const ranks = new Map<string, number>();
  for (const merge of model.merges) {
    const whole = typeof merge === 'string' ? merge.replace(' ', '') : merge.join('');
    if (!ranks.has(whole)) ranks.set(whole, ranks.size);
  }
  let previous = -1;
  let first = Number.POSITIVE_INFINITY;
  let isById = true;
  for (const whole of ranks.keys()) {
    const id = model.vocab[whole] ?? -1;
    if (id <= previous) isById = false;
    previous = id;
    first = Math.min(first, id);
  }
  if (isById) return (_, id) => -(id - first);
  return (text, id) => -(ranks.get(text) ?? ranks.size + id);
}

/** Tokens that are meant as control tokens and not always marked so. */
function looksSpecial(text: string): boolean {
  return (
    ['<pad>', '<mask>', '<2mass>', '[@BOS@]'].includes(text) ||
    (text.startsWith('<|') && text.endsWith('|>')) ||
    (text.startsWith('<\uFF5C') && text.endsWith('\uFF5C>')) ||
    (text.startsWith('<unused') && text.endsWith('>'))
  );
}

const ROLES = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'] as const;
/** As keys write them. */
const GGUF_ROLE: Readonly<Record<string, string>> = { unk: 'unknown', sep: 'seperator', pad: 'padding' };

function specialIds(
  { added_tokens: added }: Definition,
  settings: JsonObject,
  tokenizer: TextTokenizer,
  { config, rows, architecture }: VocabularyOptions,
): Map<string, number> {
  const ids = new Map<string, number>();
  const set = (role: string, id: unknown) => {
    const name = GGUF_ROLE[role] ?? role;
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < rows && !ids.has(name))
      ids.set(name, id);
  };
  for (const role of ROLES) {
    const stored = settings[`${role}_token`];
    const text = typeof stored === 'string' ? stored : (stored as { content?: string } | null)?.content;
    if (text !== undefined) set(role, added.find(({ content }) => content === text)?.id);
  }
  for (const role of ROLES) set(role, config[`${role}_token_id`]);
  if (architecture === 'chatglm' || architecture === 'glm4') {
    const end = added.find(({ content }) => content === '<|endoftext|>')?.id;
    set('eos', end);
    set('eot', added.find(({ content }) => content === '<|user|>')?.id);
    set('unk', end);
    if (architecture === 'glm4') set('bos', end);
  }
  set('bos', tokenizer.bosId);
  set('eos', tokenizer.eosId);
  set('pad', tokenizer.padId);
  return ids;
}

type TemplateItem = { SpecialToken?: { id: string }; Sequence?: { id: string } };

/** Which special tokens the tokenizer itself puts around text. */
function addedRoles(
  definition: Definition,
  settings: JsonObject,
  tokenizer: TextTokenizer,
): Map<string, boolean> {
  const added = new Map<string, boolean>();
  const post = definition.post_processor as { processors?: JsonObject[] } | null | undefined;
  for (const processor of post ? (post.processors ?? [post as JsonObject]) : []) {
    const single = processor.single as TemplateItem[] | undefined;
    if (processor.type !== 'TemplateProcessing' || !single) continue;
    const [first, last] = single.length > 1 ? [nameOf(single[0]), nameOf(single.at(-1))] : [];
    if (first !== undefined) added.set('bos', tokenizer.tokenToId(first) === tokenizer.bosId);
    if (last !== undefined) added.set('eos', tokenizer.tokenToId(last) === tokenizer.eosId);
    const between = betweenTexts((processor.pair as TemplateItem[] | undefined) ?? [], first, last);
    const ends = [settings.sep_token, settings.eos_token];
    if (between !== null) added.set('sep', last === undefined && ends.includes(between));
  }
  for (const role of ROLES) {
    const stored = settings[`add_${role}_token`];
    if (typeof stored === 'boolean') added.set(role, stored);
  }
  return added;
}

const nameOf = (item: TemplateItem | undefined) => item?.SpecialToken?.id;

/** What a pair of texts has between them; null for nothing. */
function betweenTexts(
  pair: TemplateItem[],
  first: string | undefined,
  last: string | undefined,
): string | null {
  const start = first !== undefined && nameOf(pair[0]) === first ? 1 : 0;
  const stop = last !== undefined && nameOf(pair.at(-1)) === last ? -1 : undefined;
  const inner = pair.slice(start, stop);
  if (inner.length < 3 || inner[0].Sequence?.id !== 'A' || inner.at(-1)?.Sequence?.id !== 'B') return null;
  return nameOf(inner[1]) ?? '';
}

/** Whether a space is put before text; null where llama.cpp's own rule for the vocabulary is right. */
function spacePrefix(
  { normalizer, pre_tokenizer: rules }: Definition,
  settings: JsonObject,
  isSentencePiece: boolean,
  architecture: string,
): boolean | null {
  if (isSentencePiece) {
    const text = JSON.stringify([normalizer, rules]);
    const hasPrefix = /"type":"Prepend"|"prepend_scheme":"(first|always)"|"add_prefix_space":true/.test(text);
    if (!hasPrefix || architecture.startsWith('gemma')) return hasPrefix;
  }
  const stored = settings.add_prefix_space;
  return architecture === 'llama' && typeof stored === 'boolean' ? stored : null;
}

function unsupported(dir: string, what: string, remedy: string): FactoryError {
  return new FactoryError({
    code: 'EXPORT_UNSUPPORTED',
    message: `${dir}: tokenizer.json: ${what}`,
    remedy,
    details: { dir },
  });
}
