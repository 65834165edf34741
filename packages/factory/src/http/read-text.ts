// In: the body of a request to /v1/completions or /v1/embeddings. Out: what the model is asked, prompt by prompt, and how the
// answer is sent, or an error that names the field.
import type { AnswerFormat, SamplingAsk, TextAsk } from '#factory/records/served-model.ts';
import { badRequest } from './api-error.ts';
import { type Fields, needed, refuseUnknown, wrongType, wrongValue } from './fields.ts';
import {
  HARMLESS_FIELDS,
  openBody,
  readFormat,
  readSampling,
  readSending,
  SAMPLING_FIELDS,
  type Sending,
} from './read-sampling.ts';

export type Prompt = TextAsk['prompt'];

export interface TextRequest extends Sending {
  model: string;
  prompts: Prompt[];
  echo: boolean;
  format: AnswerFormat;
  sampling: SamplingAsk;
}

export interface EmbeddingRequest {
  model: string;
  inputs: Prompt[];
  asBase64: boolean;
}

const TEXT_FIELDS = new Set<string>([
  ...SAMPLING_FIELDS,
  ...HARMLESS_FIELDS,
  'model',
  'prompt',
  'max_tokens',
  'logprobs',
  'echo',
  'best_of',
]);
const TEXT_UNSUPPORTED = { suffix: 'is not supported: models here write at the end of a text' };
const EMBEDDING_FIELDS = new Set<string>(['model', 'input', 'encoding_format', 'user']);
const EMBEDDING_UNSUPPORTED = { dimensions: 'is not supported: vectors have the size of the model' };

/** OpenAI's default for this API. */
const DEFAULT_MAX_TOKENS = 16;
const MOST_PROMPTS = 2048;
const MOST_ANSWERS = 128;

export function readText(body: unknown): TextRequest {
  const { fields, model } = openBody(body);
  refuseUnknown(fields, TEXT_FIELDS, TEXT_UNSUPPORTED);
  const sending = readSending(fields);
  const bestOf = fields.int('best_of', 1, 20);
  if (bestOf !== null && bestOf !== sending.n)
    throw badRequest('best_of', "Unsupported value: 'best_of' must equal 'n'.", 'unsupported_value');
  const prompts = readPrompts(fields, 'prompt');
  if (prompts.length * sending.n > MOST_ANSWERS)
    throw badRequest(
      'prompt',
      `Invalid 'prompt': prompts times 'n' give ${prompts.length * sending.n} answers, the maximum is ${MOST_ANSWERS}.`,
      'array_above_max_length',
    );
  const echo = fields.bool('echo') ?? false;
  const logprobs = fields.int('logprobs', 0, 5);
  if (echo && (logprobs !== null || prompts.some((one) => typeof one !== 'string')))
    throw badRequest(
      'echo',
      "Unsupported value: 'echo' is supported for prompts that are text, and without 'logprobs'.",
      'unsupported_value',
    );
  const maxTokens = fields.int('max_tokens', 1, 1_000_000_000) ?? DEFAULT_MAX_TOKENS;
  return {
    model,
    prompts,
    echo,
    ...sending,
    format: readFormat(fields),
    sampling: readSampling(fields, maxTokens, logprobs),
  };
}

export function readEmbedding(body: unknown): EmbeddingRequest {
  const { fields, model } = openBody(body);
  refuseUnknown(fields, EMBEDDING_FIELDS, EMBEDDING_UNSUPPORTED);
  const format = fields.text('encoding_format') ?? 'float';
  if (format !== 'float' && format !== 'base64')
    throw wrongValue('encoding_format', format, ['float', 'base64']);
  return { model, inputs: readPrompts(fields, 'input'), asBase64: format === 'base64' };
}

/** A text, texts, token ids, or lists of token ids. */
function readPrompts(fields: Fields, name: string): Prompt[] {
  const raw = needed(fields, name, fields.raw(name));
  if (typeof raw === 'string') return [raw];
  if (!Array.isArray(raw)) throw wrongType(name, 'a string or an array', raw);
  if (raw.length === 0)
    throw badRequest(
      name,
      `Invalid '${name}': empty array. Expected an array with minimum length 1, but got an empty array instead.`,
      'empty_array',
    );
  if (typeof raw[0] === 'number') return [readIds(raw, name)];
  if (raw.length > MOST_PROMPTS)
    throw badRequest(
      name,
      `Invalid '${name}': array too long. Expected an array with maximum length ${MOST_PROMPTS}, but got an array with length ${raw.length} instead.`,
      'array_above_max_length',
    );
  return raw.map((one, at) => (typeof one === 'string' ? one : readIds(one, `${name}[${at}]`)));
}

function readIds(value: unknown, path: string): number[] {
  if (!Array.isArray(value)) throw wrongType(path, 'a string or an array of integers', value);
  if (value.length === 0) throw badRequest(path, `Invalid '${path}': empty array.`, 'empty_array');
  for (const [at, id] of value.entries()) {
    if (!Number.isSafeInteger(id) || id < 0) throw wrongType(`${path}[${at}]`, 'a non-negative integer', id);
  }
  return value as number[];
}
