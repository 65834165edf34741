// In: the metadata of a GGUF file. Out: the tokenizer files that a Hugging Face folder would hold, as text: those that the
// file has itself, else made of its vocabulary where its rules are known exactly; other vocabularies are refused by name.
import { FactoryError } from '#factory/errors.ts';
import type { GgufMetadata } from '#factory/records/gguf.ts';
import { BYTE_LEVEL, type ByteLevelRules, byteLevel } from './gguf-pre-tokenizers.ts';

/** `tokenizer.ggml.token_type`. */
const KIND = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

/** tokenizer.json and tokenizer_config.json of the vocabulary in `file`. */
export function ggufTokenizerFiles(metadata: GgufMetadata, file: string): Map<string, Buffer> {
  const tokens = listOf(metadata, 'tokenizer.ggml.tokens', 'string', file) as string[];
  const kinds = metadata.has('tokenizer.ggml.token_type')
    ? (listOf(metadata, 'tokenizer.ggml.token_type', 'number', file, tokens.length) as number[])
    : tokens.map(() => KIND.normal as number);
  const model = metadata.get('tokenizer.ggml.model');
  const pre = metadata.get('tokenizer.ggml.pre');
  const vocabulary = { tokens, kinds };
  const whole = metadata.get('tokenizer.huggingface.json');
  let definition: object | string;
  let addsBos: boolean;
  if (typeof whole === 'string') {
    definition = whole;
    addsBos = false;
  } else if (model === 'llama') {
    definition = sentencePiece(metadata, vocabulary, file);
    addsBos = true;
  } else if (model === 'gpt2' && typeof pre === 'string' && Object.hasOwn(BYTE_LEVEL, pre)) {
    definition = byteLevelBpe(metadata, vocabulary, BYTE_LEVEL[pre], file);
    addsBos = BYTE_LEVEL[pre].addsBos;
  } else throw unknownVocabulary(file, model, pre);

  const stored = metadata.get('tokenizer.ggml.add_bos_token');
  const config: Record<string, unknown> = {
    add_bos_token: typeof stored === 'boolean' ? stored : addsBos,
    clean_up_tokenization_spaces: false,
    tokenizer_class: 'PreTrainedTokenizerFast',
  };
  for (const [role, key] of [
    ['bos_token', 'bos_token_id'],
    ['eos_token', 'eos_token_id'],
    ['unk_token', 'unknown_token_id'],
    ['pad_token', 'padding_token_id'],
  ]) {
    const id = metadata.get(`tokenizer.ggml.${key}`);
    if (typeof id === 'number' && tokens[id] !== undefined) config[role] = tokens[id];
  }
  const template = metadata.get('tokenizer.chat_template');
  if (typeof template === 'string') config.chat_template = template;
  return new Map([
    ['tokenizer.json', Buffer.from(typeof definition === 'string' ? definition : JSON.stringify(definition))],
    ['tokenizer_config.json', Buffer.from(JSON.stringify(config))],
  ]);
}

interface Vocabulary {
  tokens: string[];
  kinds: number[];
}

const isControl = (kind: number) => kind === KIND.control || kind === KIND.unknown;

/** Tokens that stand for themselves wherever they occur. */
function addedTokens({ tokens, kinds }: Vocabulary): object[] {
  return tokens.flatMap((content, id) =>
    isControl(kinds[id]) || kinds[id] === KIND.userDefined
      ? [
          {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: isControl(kinds[id]),
          },
        ]
      : [],
  );
}

/** Text → id of what pieces of text can become. Where a text occurs twice, the first is meant. */
function vocabOf({ tokens, kinds }: Vocabulary): Map<string, number> {
  const vocab = new Map<string, number>();
  for (const [id, token] of tokens.entries())
    if (kinds[id] !== KIND.unused && !vocab.has(token)) vocab.set(token, id);
  return vocab;
}

const SHELL = { version: '1.0', truncation: null, padding: null, post_processor: null };

function byteLevelBpe(
  metadata: GgufMetadata,
  vocabulary: Vocabulary,
  { normalizer, preTokenizer, ignoreMerges }: ByteLevelRules,
  file: string,
): object {
  const merges = listOf(metadata, 'tokenizer.ggml.merges', 'string', file) as string[];
  return {
    ...SHELL,
    added_tokens: addedTokens(vocabulary),
    normalizer,
    pre_tokenizer: preTokenizer,
    decoder: byteLevel(true),
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: ignoreMerges,
      vocab: Object.fromEntries(vocabOf(vocabulary)),
      merges: merges.map((pair) => {
        // The second part may not hold a space either; the first character may be one only in a damaged list.
        const at = pair.indexOf(' ', 1);
        return [pair.slice(0, at), pair.slice(at + 1)];
      }),
    },
  };
}

/**
 * SentencePiece BPE with byte fallback. Its merges are not stored: two pieces merge where their sum is a piece, the best
 * score first, as transformers' converter lists them.
 */
function sentencePiece(metadata: GgufMetadata, vocabulary: Vocabulary, file: string): object {
  const { tokens, kinds } = vocabulary;
  const scores = listOf(metadata, 'tokenizer.ggml.scores', 'number', file, tokens.length) as number[];
  const vocab = vocabOf(vocabulary);
  const merges: { left: string; right: string; score: number }[] = [];
  for (const [id, piece] of tokens.entries()) {
    if (kinds[id] !== KIND.normal || vocab.get(piece) !== id) continue;
    const characters = [...piece];
    const splits: { left: string; right: string; score: number }[] = [];
    for (let at = 1; at < characters.length; at++) {
      const left = characters.slice(0, at).join('');
      const right = characters.slice(at).join('');
      if (vocab.has(left) && vocab.has(right)) splits.push({ left, right, score: scores[id] });
    }
    const idOf = (text: string) => vocab.get(text) as number;
    merges.push(...splits.sort((a, b) => idOf(a.left) - idOf(b.left) || idOf(a.right) - idOf(b.right)));
  }
  merges.sort(
    (a, b) =>
      b.score - a.score ||
      [...b.left].length - [...a.left].length ||
      [...b.right].length - [...a.right].length,
  );
  const hasPrefix = metadata.get('tokenizer.ggml.add_space_prefix') !== false;
  const space = '\u2581';
  const unknown = kinds.indexOf(KIND.unknown);
  return {
    ...SHELL,
    added_tokens: addedTokens(vocabulary),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        ...(hasPrefix ? [{ type: 'Prepend', prepend: space }] : []),
        { type: 'Replace', pattern: { String: ' ' }, content: space },
      ],
    },
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: space }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(hasPrefix ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: unknown < 0 ? null : tokens[unknown],
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(vocab),
      merges: merges.map(({ left, right }) => [left, right]),
    },
  };
}

function listOf(
  metadata: GgufMetadata,
  key: string,
  type: 'string' | 'number',
  file: string,
  length?: number,
): readonly unknown[] {
  const list = metadata.get(key);
  const isGood =
    Array.isArray(list) &&
    list.length > 0 &&
    (length === undefined || list.length === length) &&
    list.every((item) => typeof item === type);
  if (isGood) return list;
  throw new FactoryError({
    code: 'TOKENS_BAD_TOKENIZER',
    message: `${file}: ${key}: expected a list of ${length ?? 'some'} ${type}s, found ${Array.isArray(list) ? `${list.length} items` : typeof list}`,
    remedy: 'Use a GGUF file with its vocabulary, such as one that a current llama.cpp converted.',
    details: { file, key },
  });
}

function unknownVocabulary(file: string, model: unknown, pre: unknown): FactoryError {
  return new FactoryError({
    code: 'TOKENS_NO_TOKENIZER',
    message: `${file}: tokenizer.ggml.model ${JSON.stringify(model) ?? 'none'}, tokenizer.ggml.pre ${JSON.stringify(pre) ?? 'none'}: expected llama, or gpt2 with ${Object.keys(BYTE_LEVEL).join(', ')}`,
    remedy: 'Use the Hugging Face folder of the model, which has tokenizer.json.',
    details: { file },
  });
}
