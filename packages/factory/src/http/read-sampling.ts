// In: the fields of a request for chat or text. Out: what both have in common: how an answer is sampled, where it ends, its
// format, and how it is sent. Defaults are OpenAI's.
import type { AnswerFormat, SamplingAsk } from '#factory/records/served-model.ts';
import { badRequest } from './api-error.ts';
import { type Fields, fieldsOf, needed, wrongType, wrongValue } from './fields.ts';

/** More answers to one request than this are several requests. */
const MOST_CHOICES = 16;
const MOST_STOPS = 16;

export const SAMPLING_FIELDS = [
  'temperature',
  'top_p',
  'top_k',
  'min_p',
  'repetition_penalty',
  'presence_penalty',
  'frequency_penalty',
  'logit_bias',
  'seed',
  'stop',
  'n',
  'stream',
  'stream_options',
  'response_format',
] as const;

/** They say who asks, or how OpenAI bills, stores and caches: no answer depends on them. */
export const HARMLESS_FIELDS = [
  'user',
  'metadata',
  'store',
  'service_tier',
  'safety_identifier',
  'prompt_cache_key',
  'prompt_cache_retention',
  'prediction',
] as const;

export function readSampling(fields: Fields, maxTokens: number | null, logprobs: number | null): SamplingAsk {
  const topK = fields.int('top_k', -1, 1_000_000) ?? 0;
  return {
    maxTokens,
    temperature: fields.number('temperature', 0, 2) ?? 1,
    topP: fields.number('top_p', 0, 1) ?? 1,
    // Some servers say -1 for "without limit".
    topK: Math.max(0, topK),
    minP: fields.number('min_p', 0, 1) ?? 0,
    repetitionPenalty: fields.number('repetition_penalty', 0.01, 10) ?? 1,
    presencePenalty: fields.number('presence_penalty', -2, 2) ?? 0,
    frequencyPenalty: fields.number('frequency_penalty', -2, 2) ?? 0,
    logitBias: readBias(fields.object('logit_bias')),
    seed: fields.int('seed', Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER),
    stop: readStop(fields),
    logprobs,
  };
}

/** Choice `index` of several has its own seed, else they would be one answer. */
export function samplingOfChoice(sampling: SamplingAsk, index: number): SamplingAsk {
  return sampling.seed === null || index === 0 ? sampling : { ...sampling, seed: sampling.seed + index };
}

export interface Sending {
  n: number;
  stream: boolean;
  includeUsage: boolean;
}

export function readSending(fields: Fields): Sending {
  const stream = fields.bool('stream') ?? false;
  const options = fields.object('stream_options');
  if (options !== null && !stream)
    throw badRequest(
      'stream_options',
      "The 'stream_options' parameter is only allowed when 'stream' is enabled.",
      'invalid_value',
    );
  return {
    n: fields.int('n', 1, MOST_CHOICES) ?? 1,
    stream,
    includeUsage: options?.bool('include_usage') ?? false,
  };
}

export function readFormat(fields: Fields): AnswerFormat {
  const format = fields.object('response_format');
  if (format === null) return { kind: 'text' };
  const type = needed(format, 'type', format.text('type'));
  if (type === 'text') return { kind: 'text' };
  if (type === 'json_object') return { kind: 'json' };
  if (type !== 'json_schema')
    throw wrongValue(format.path('type'), type, ['text', 'json_object', 'json_schema']);
  const wish = needed(format, 'json_schema', format.object('json_schema'));
  const name = needed(wish, 'name', wish.text('name'));
  if (!/^[\w-]{1,64}$/.test(name))
    throw badRequest(
      wish.path('name'),
      `Invalid '${wish.path('name')}': string does not match pattern. Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'.`,
      'invalid_value',
    );
  needed(wish, 'schema', wish.object('schema'));
  return { kind: 'json_schema', name, schema: wish.raw('schema'), strict: wish.bool('strict') ?? false };
}

function readBias(bias: Fields | null): Record<number, number> {
  const read: Record<number, number> = {};
  for (const name of bias?.names() ?? []) {
    if (!/^\d{1,9}$/.test(name))
      throw badRequest(
        'logit_bias',
        `Invalid key in 'logit_bias': ${name.slice(0, 40)}. You should only submit non-negative integers.`,
        'invalid_value',
      );
    read[Number(name)] = bias!.number(name, -100, 100) ?? 0;
  }
  return read;
}

function readStop(fields: Fields): string[] {
  const raw = fields.raw('stop');
  if (raw === null) return [];
  const texts = typeof raw === 'string' ? [raw] : raw;
  if (!Array.isArray(texts)) throw wrongType('stop', 'a string or an array of strings', raw);
  if (texts.length > MOST_STOPS)
    throw badRequest(
      'stop',
      `Invalid 'stop': array too long. Expected an array with maximum length ${MOST_STOPS}, but got an array with length ${texts.length} instead.`,
      'array_above_max_length',
    );
  for (const [at, text] of texts.entries()) {
    if (typeof text !== 'string') throw wrongType(`stop[${at}]`, 'a string', text);
    if (text === '') throw badRequest(`stop[${at}]`, `Invalid 'stop[${at}]': empty string.`, 'empty_string');
  }
  return texts as string[];
}

/** The whole body as fields; `model` is needed by every request. */
export function openBody(body: unknown): { fields: Fields; model: string } {
  const fields = fieldsOf(body ?? null, '');
  const model = needed(fields, 'model', fields.text('model'));
  return { fields, model };
}
