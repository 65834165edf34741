// In: nothing. Out: what is known of one request while it is answered: the log line, the metrics, the trace and the log of
// inferences are all read from it when it has ended.
import type { ServerResponse } from 'node:http';
import type { AnswerPart, SamplingAsk, Usage } from '#factory/records/served-model.ts';
import type { BodyPart } from './answer-form.ts';

export interface RequestRecord {
  id: string;
  /** The route's pattern. */
  route: string;
  method: string;
  /** Id of the API key; null without one. */
  keyId: string | null;
  /** A model that is served; null before it is known, and for names that are not served. */
  model: string | null;
  fingerprint: string | null;
  stream: boolean;
  choices: number;
  sampling: SamplingAsk | null;
  /** Milliseconds, monotonic. */
  begunMs: number;
  /** In the gateway's queue. */
  waitedMs: number;
  /** In the engine's queue; null where it does not tell. */
  queuedMs: number | null;
  /** Waiting for the model. */
  modelMs: number;
  /** Waiting for a client that reads slowly. */
  clientMs: number;
  firstTokenMs: number | null;
  lastTokenMs: number | null;
  usage: Usage | null;
  finish: Extract<AnswerPart, { kind: 'end' }>['finish'] | null;
  /** Of FactoryError, or OpenAI's word. */
  errorCode: string | null;
  /** Parts of the answers by choice, where they are kept for the log. */
  answers: BodyPart[][] | null;
  /** Stack of a fault of the program. */
  fault: string | null;
  /** 499 where the client went away first. */
  status: number;
}

export function newRecord(id: string, method: string, route: string, nowMs: number): RequestRecord {
  return {
    id,
    route,
    method,
    keyId: null,
    model: null,
    fingerprint: null,
    stream: false,
    choices: 1,
    sampling: null,
    begunMs: nowMs,
    waitedMs: 0,
    queuedMs: null,
    modelMs: 0,
    clientMs: 0,
    firstTokenMs: null,
    lastTokenMs: null,
    usage: null,
    finish: null,
    errorCode: null,
    answers: null,
    fault: null,
    status: 0,
  };
}

/** Sets the status when the connection is done with this answer. */
export function closeRecord(record: RequestRecord, response: ServerResponse): void {
  record.status = response.writableFinished ? response.statusCode : 499;
  if (record.status === 499) record.errorCode ??= 'client_gone';
}

/** Of one answer: the mean time between tokens; null with less than two. */
export function interTokenMs({ firstTokenMs, lastTokenMs, usage, choices }: RequestRecord): number | null {
  const tokens = (usage?.completionTokens ?? 0) / choices;
  if (firstTokenMs === null || lastTokenMs === null || tokens < 2) return null;
  return (lastTokenMs - firstTokenMs) / (tokens - 1);
}

/** What the gateway itself took: all time but that of the model, of queues and of a client that reads slowly. */
export function overheadMs(record: RequestRecord, endMs: number): number {
  return Math.max(0, endMs - record.begunMs - record.waitedMs - record.modelMs - record.clientMs);
}
