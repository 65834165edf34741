// In: requests that have ended. Out: entries of the log of inferences: always what was counted and timed; the conversation and its
// answers only where the log keeps texts.
import type { FastifyRequest } from 'fastify';
import type {
  InferenceEntry,
  InferenceFacts,
  InferenceSink,
  InferenceTexts,
} from '#factory/records/inference.ts';
import { messageOf } from './chat-form.ts';
import type { RequestRecord } from './request-record.ts';
import type { RecordTaker } from './server.ts';

const KINDS: Record<string, InferenceFacts['kind']> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'text',
  '/v1/embeddings': 'embedding',
};

export function inferenceTaker(sink: InferenceSink): RecordTaker {
  return (record, endMs, nowMs, request) => {
    const kind = KINDS[record.route];
    // Names that are not served are no inferences.
    if (kind === undefined || record.model === null) return;
    sink.record(entryOf(record, kind, endMs, nowMs, request));
  };
}

function entryOf(
  record: RequestRecord,
  kind: InferenceFacts['kind'],
  endMs: number,
  nowMs: number,
  request: FastifyRequest,
): InferenceEntry {
  const { usage } = record;
  const body = request.body as Record<string, unknown>;
  const session = request.headers['x-session-id'];
  const user = body.safety_identifier ?? body.user;
  return {
    timeMs: nowMs,
    requestId: record.id,
    keyId: record.keyId,
    kind,
    model: record.model as string,
    variant: null,
    fingerprint: record.fingerprint,
    stream: record.stream,
    choices: record.choices,
    promptTokens: usage?.promptTokens ?? null,
    cachedTokens: usage?.cachedTokens ?? null,
    completionTokens: usage?.completionTokens ?? null,
    reasoningTokens: usage?.reasoningTokens ?? null,
    queueMs: record.waitedMs + (record.queuedMs ?? 0),
    firstTokenMs: record.firstTokenMs === null ? null : record.firstTokenMs - record.begunMs,
    totalMs: endMs - record.begunMs,
    finish: record.finish,
    status: record.status,
    errorCode: record.errorCode,
    session: typeof session === 'string' ? session.slice(0, 256) : null,
    user: typeof user === 'string' ? user.slice(0, 256) : null,
    texts: record.answers === null ? null : textsOf(record.answers, kind, body),
  };
}

function textsOf(
  answers: NonNullable<RequestRecord['answers']>,
  kind: InferenceFacts['kind'],
  body: Record<string, unknown>,
): InferenceTexts {
  const list = (value: unknown) => (Array.isArray(value) ? value : []);
  return {
    messages: kind === 'chat' ? list(body.messages) : [{ role: 'user', content: body.prompt }],
    tools: list(body.tools),
    answers: answers.map((parts) => {
      const { refusal: _, ...message } = messageOf(parts, () => 'call');
      return message;
    }),
  };
}
