// In: requests that have ended, and the address of an OpenTelemetry collector. Out: one span for each, named and described by the
// conventions for generative AI, without prompt or answer. The libraries are loaded only where there is an address.
import type { Attributes } from '@opentelemetry/api';
import type { RequestRecord } from './request-record.ts';
import type { RecordTaker } from './server.ts';

export interface Tracing {
  take: RecordTaker;
  /** Sends what waits. */
  close(): Promise<void>;
}

const OPERATIONS: Record<string, string> = {
  '/v1/chat/completions': 'chat',
  '/v1/completions': 'text_completion',
  '/v1/embeddings': 'embeddings',
};

/** `endpoint` as `http://localhost:4318`; headers as in `OTEL_EXPORTER_OTLP_HEADERS`. */
export async function openTracing(
  endpoint: string,
  headerText: string | undefined,
  version: string,
): Promise<Tracing> {
  const [api, sdk, exporter, resources] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/exporter-trace-otlp-http'),
    import('@opentelemetry/resources'),
  ]);
  const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = api;
  const provider = new sdk.BasicTracerProvider({
    resource: resources.resourceFromAttributes({ 'service.name': 'tunesmith', 'service.version': version }),
    spanProcessors: [
      new sdk.BatchSpanProcessor(
        new exporter.OTLPTraceExporter({
          url: `${endpoint.replace(/\/+$/, '')}/v1/traces`,
          headers: readHeaders(headerText),
        }),
      ),
    ],
  });
  const tracer = provider.getTracer('tunesmith', version);
  return {
    take(record, endMs, nowMs, request) {
      const operation = OPERATIONS[record.route];
      if (operation === undefined) return;
      const parent = readParent(request.headers.traceparent);
      const span = tracer.startSpan(
        `${operation} ${record.model ?? 'unknown'}`,
        {
          kind: SpanKind.CLIENT,
          startTime: nowMs - (endMs - record.begunMs),
          attributes: attributesOf(record, operation),
        },
        parent === null ? ROOT_CONTEXT : trace.setSpanContext(ROOT_CONTEXT, parent),
      );
      if (record.errorCode !== null)
        span.setStatus({ code: SpanStatusCode.ERROR, message: record.errorCode });
      span.end(nowMs);
    },
    close: () => provider.shutdown(),
  };
}

function attributesOf(record: RequestRecord, operation: string): Attributes {
  const { sampling, usage } = record;
  const found: Record<string, string | number | boolean | string[] | null | undefined> = {
    'gen_ai.operation.name': operation,
    'gen_ai.provider.name': 'tunesmith',
    'gen_ai.request.model': record.model,
    'gen_ai.request.stream': record.stream,
    'gen_ai.request.choice.count': record.choices === 1 ? null : record.choices,
    'gen_ai.request.temperature': sampling?.temperature,
    'gen_ai.request.top_p': sampling?.topP,
    'gen_ai.request.top_k': sampling?.topK || null,
    'gen_ai.request.max_tokens': sampling?.maxTokens,
    'gen_ai.request.seed': sampling?.seed,
    'gen_ai.request.stop_sequences': sampling && sampling.stop.length > 0 ? [...sampling.stop] : null,
    'gen_ai.response.id': record.id,
    'gen_ai.response.model': record.model,
    'gen_ai.response.finish_reasons': record.finish === null ? null : [record.finish],
    'gen_ai.response.time_to_first_chunk':
      record.firstTokenMs === null ? null : (record.firstTokenMs - record.begunMs) / 1000,
    'gen_ai.usage.input_tokens': usage?.promptTokens,
    'gen_ai.usage.output_tokens': usage?.completionTokens,
    'gen_ai.usage.cache_read.input_tokens': usage?.cachedTokens || null,
    'gen_ai.usage.reasoning.output_tokens': usage?.reasoningTokens || null,
    'error.type': record.errorCode,
    'http.response.status_code': record.status,
    'tunesmith.system_fingerprint': record.fingerprint,
  };
  return Object.fromEntries(
    Object.entries(found).filter(([, value]) => value !== null && value !== undefined),
  ) as Attributes;
}

/** W3C Trace Context, version 00. */
function readParent(header: string | string[] | undefined) {
  const [, traceId, spanId, flags] =
    /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/.exec(String(header)) ?? [];
  if (traceId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return null;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}

function readHeaders(text: string | undefined): Record<string, string> {
  const pairs = (text ?? '').split(',').flatMap((one) => {
    const [name, value] = one.split(/=(.*)/s);
    return value === undefined ? [] : [[name.trim(), decodeURIComponent(value.trim())]];
  });
  return Object.fromEntries(pairs) as Record<string, string>;
}
