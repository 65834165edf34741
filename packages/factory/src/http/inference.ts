// In: requests for chat, text and embeddings. Out: their answers: read strictly, given a place, asked of the model that is served
// under the name, and ended when the client goes away, the time is up or the server stops.
import { randomUUID } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { FactoryError } from '#factory/errors.ts';
import type { ServedAbilities, ServedModel } from '#factory/records/served-model.ts';
import type { ModelSet } from '#factory/serve/model-set.ts';
import type { Admission } from './admission.ts';
import { answer, reasonOf } from './answer.ts';
import type { AnswerHead } from './answer-form.ts';
import { badRequest, refusal } from './api-error.ts';
import { chatForm } from './chat-form.ts';
import { readChat } from './read-chat.ts';
import { samplingOfChoice } from './read-sampling.ts';
import { readEmbedding, readText } from './read-text.ts';
import type { RequestRecord } from './request-record.ts';
import { textForm } from './text-form.ts';

export interface InferenceDeps {
  models: ModelSet;
  admission: Admission;
  requestTimeoutMs: number;
  /** Keep answers until their request is logged. */
  keepAnswers: boolean;
  /** Milliseconds, monotonic. */
  clock(): number;
  /** Milliseconds since 1970. */
  now(): number;
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<void>;

export interface Inference {
  chat: Handler;
  complete: Handler;
  embed: Handler;
  /** Ends all answers under way; their clients get this error. */
  abortAll(reason: FactoryError): void;
}

export function openInference(deps: InferenceDeps): Inference {
  const running = new Set<AbortController>();

  /** Runs `work` with the model, inside the limits. */
  async function withModel(
    request: FastifyRequest,
    reply: FastifyReply,
    id: string,
    work: (model: ServedModel, abort: AbortController) => Promise<void>,
  ): Promise<void> {
    const { record } = request;
    // An unknown name does not wait in the queue.
    deps.models.lease(id).release();
    record.model = id;
    const abort = new AbortController();
    // Each choice of an answer listens.
    setMaxListeners(0, abort.signal);
    reply.raw.once('close', () => abort.abort());
    const timer = setTimeout(() => abort.abort(tooLong(deps.requestTimeoutMs)), deps.requestTimeoutMs);
    running.add(abort);
    try {
      const place = await deps.admission.enter(record.keyId ?? '', abort.signal);
      record.waitedMs = place.waitedMs;
      try {
        const lease = deps.models.lease(id);
        record.fingerprint = lease.model.fingerprint;
        try {
          await work(lease.model, abort);
        } finally {
          lease.release();
        }
      } finally {
        place.leave();
      }
    } catch (error) {
      const reason = reasonOf(error, abort.signal);
      if (!(reason instanceof FactoryError)) throw error;
      const typed: FactoryError = reason;
      throw typed;
    } finally {
      clearTimeout(timer);
      running.delete(abort);
    }
  }

  const headOf = (
    prefix: string,
    record: RequestRecord,
    model: ServedModel,
    includeUsage: boolean,
  ): AnswerHead => ({
    id: `${prefix}-${randomUUID().replaceAll('-', '')}`,
    created: Math.floor(deps.now() / 1000),
    model: record.model ?? model.id,
    fingerprint: model.fingerprint,
    includeUsage,
  });

  return {
    async chat(request, reply) {
      const wish = readChat(request.body);
      const { ask, n, stream, includeUsage } = wish;
      const { record } = request;
      await withModel(request, reply, wish.model, async (model, abort) => {
        const { sampling, format, tools } = ask;
        need(model, 'chat', null);
        if (tools.length > 0) need(model, 'tools', 'tools');
        if (sampling.logprobs !== null) need(model, 'logprobs', 'logprobs');
        if (format.kind !== 'text') need(model, 'jsonSchema', 'response_format');
        tell(record, { stream, choices: n, sampling }, deps.keepAnswers);
        const sources = Array.from({ length: n }, (_, index) =>
          model.chat({ ...ask, sampling: samplingOfChoice(sampling, index) }, abort.signal),
        );
        const head = headOf('chatcmpl', record, model, includeUsage);
        const form = chatForm(
          head,
          sampling.logprobs !== null,
          () => `call_${randomUUID().replaceAll('-', '')}`,
        );
        const { clock } = deps;
        await answer(
          { form, sources, choicesOfPrompt: n, stream, includeUsage, abort, record, clock },
          reply,
        );
      });
    },

    async complete(request, reply) {
      const wish = readText(request.body);
      const { prompts, n, stream, includeUsage, sampling, format } = wish;
      const { record } = request;
      await withModel(request, reply, wish.model, async (model, abort) => {
        need(model, 'completions', null);
        if (sampling.logprobs !== null) need(model, 'logprobs', 'logprobs');
        if (format.kind !== 'text') need(model, 'jsonSchema', 'response_format');
        tell(record, { stream, choices: n * prompts.length, sampling }, deps.keepAnswers);
        const sources = prompts.flatMap((prompt) =>
          Array.from({ length: n }, (_, index) =>
            model.complete({ prompt, format, sampling: samplingOfChoice(sampling, index) }, abort.signal),
          ),
        );
        const echoes = prompts.flatMap((prompt) =>
          new Array<string>(n).fill(wish.echo && typeof prompt === 'string' ? prompt : ''),
        );
        const form = textForm(
          headOf('cmpl', record, model, includeUsage),
          sampling.logprobs !== null,
          echoes,
        );
        const { clock } = deps;
        await answer(
          { form, sources, choicesOfPrompt: n, stream, includeUsage, abort, record, clock },
          reply,
        );
      });
    },

    async embed(request, reply) {
      const wish = readEmbedding(request.body);
      const { record } = request;
      await withModel(request, reply, wish.model, async (model, abort) => {
        need(model, 'embeddings', null);
        const begun = deps.clock();
        const { vectors, promptTokens } = await model.embed(wish.inputs, abort.signal);
        record.modelMs = deps.clock() - begun;
        record.usage = { promptTokens, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
        await reply.send({
          object: 'list',
          data: vectors.map((vector, index) => ({
            object: 'embedding',
            index,
            embedding: wish.asBase64 ? base64Of(vector) : [...vector],
          })),
          model: wish.model,
          usage: { prompt_tokens: promptTokens, total_tokens: promptTokens },
        });
      });
    },

    abortAll(reason) {
      for (const abort of running) abort.abort(reason);
    },
  };
}

function tell(
  record: RequestRecord,
  known: Pick<RequestRecord, 'stream' | 'choices' | 'sampling'>,
  keepAnswers: boolean,
): void {
  Object.assign(record, known);
  if (keepAnswers) record.answers = Array.from({ length: known.choices }, () => []);
}

const LACKS: Record<keyof ServedAbilities, string> = {
  chat: 'has no chat template, so it takes no conversations',
  completions: 'does not continue plain text',
  embeddings: 'gives no embeddings',
  logprobs: 'gives no log-probabilities',
  tools: 'cannot call tools',
  jsonSchema: 'cannot be held to a format',
};

function need(model: ServedModel, ability: keyof ServedAbilities, param: string | null): void {
  if (model.can[ability]) return;
  throw badRequest(
    param ?? 'model',
    `The model ${JSON.stringify(model.id)} ${LACKS[ability]}.`,
    param === null ? 'unsupported_model' : 'unsupported_parameter',
  );
}

function tooLong(ms: number): FactoryError {
  return refusal(504, `The answer took longer than ${ms / 1000} s.`, { code: 'request_timeout' });
}

/** Little-endian float32, as OpenAI's clients read it. */
function base64Of(vector: Float32Array): string {
  return Buffer.from(vector.buffer, vector.byteOffset, vector.byteLength).toString('base64');
}
