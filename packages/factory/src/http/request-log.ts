// In: a request that has ended. Out: one JSON object for the log. It has neither the prompt nor the answer, and of the key its id.
import { overheadMs, type RequestRecord } from './request-record.ts';

/** `nowMs` is milliseconds since 1970, `endMs` by the monotonic clock of the record. */
export function logLine(record: RequestRecord, nowMs: number, endMs: number): Record<string, unknown> {
  const { usage } = record;
  return {
    time: new Date(nowMs).toISOString(),
    level: record.status >= 500 ? 'error' : record.status >= 400 ? 'warn' : 'info',
    msg: 'request',
    request_id: record.id,
    method: record.method,
    route: record.route,
    status: record.status,
    model: record.model,
    fingerprint: record.fingerprint,
    key_id: record.keyId,
    stream: record.stream,
    duration_ms: round(endMs - record.begunMs),
    first_token_ms: record.firstTokenMs === null ? null : round(record.firstTokenMs - record.begunMs),
    wait_ms: round(record.waitedMs),
    queue_ms: record.queuedMs === null ? null : round(record.queuedMs),
    model_ms: round(record.modelMs),
    overhead_ms: round(overheadMs(record, endMs)),
    prompt_tokens: usage?.promptTokens ?? null,
    cached_tokens: usage?.cachedTokens ?? null,
    completion_tokens: usage?.completionTokens ?? null,
    finish_reason: record.finish,
    error_code: record.errorCode,
    ...(record.fault === null ? {} : { fault: record.fault }),
  };
}

function round(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
