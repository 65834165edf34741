// In: the models that are served, limits, keys and where to log. Out: the HTTP server: OpenAI's API, health, metrics and
// administration. Every request passes the same gates in the same order, and ends in one record.
import { randomUUID } from 'node:crypto';
import Fastify, { type FastifyInstance, type FastifyRequest } from 'fastify';
import { FactoryError } from '#factory/errors.ts';
import type { ModelSet } from '#factory/serve/model-set.ts';
import type { KeyScope } from '#factory/store/api-keys.ts';
import { type AdminPorts, addAdminRoutes } from './admin.ts';
import { Admission, type AdmissionLimits } from './admission.ts';
import { tellError } from './answer.ts';
import { refusal, toApiError } from './api-error.ts';
import { type AccessRules, authenticate } from './authenticate.ts';
import { openInference } from './inference.ts';
import { Metrics } from './metrics.ts';
import { logLine } from './request-log.ts';
import { closeRecord, newRecord, type RequestRecord } from './request-record.ts';

export interface HttpSettings extends AdmissionLimits {
  host: string;
  port: number;
  bodyLimitBytes: number;
  requestTimeoutMs: number;
  /** How long a shutdown waits for answers under way. */
  shutdownMs: number;
  /** Origins of pages that may ask from a browser; `*` is any. */
  corsOrigins: readonly string[];
}

/** Takes lines without blocking; drops them where it must. */
export interface LogSink {
  write(line: string): void;
}

/** A request that has ended, with the wall clock of its end. */
export type RecordTaker = (
  record: RequestRecord,
  endMs: number,
  nowMs: number,
  request: FastifyRequest,
) => void;

export interface HttpDeps {
  settings: HttpSettings;
  models: ModelSet;
  access: AccessRules;
  /** Null keeps no log of requests. */
  log: LogSink | null;
  /** Keep answers until the takers have seen them. */
  keepAnswers: boolean;
  /** Lines and entries of logs that were lost since the start. */
  dropped(): number;
  engineRestarts(): Readonly<Record<string, number>>;
  /** Further readers of records, as traces and the log of inferences. */
  takers: readonly RecordTaker[];
  admin: AdminPorts;
  /** While it is true, requests are told to come again. */
  isLoading(): boolean;
  version: string;
  /** Milliseconds, monotonic. */
  clock(): number;
  /** Milliseconds since 1970. */
  now(): number;
}

export interface HttpServer {
  /** `http://host:port`. */
  url: string;
  /** Takes nothing new, waits for answers under way up to the limit, then ends them. */
  stop(): Promise<void>;
}

declare module 'fastify' {
  interface FastifyRequest {
    record: RequestRecord;
  }
  interface FastifyContextConfig {
    /** What a key must be allowed; routes without it are open. */
    scope?: KeyScope;
  }
}

/** Receiving a body takes at most this, so that nobody holds connections open by sending slowly. */
const RECEIVE_MS = 60_000;
const UNLOGGED = new Set(['/healthz', '/readyz', '/metrics']);
const ALLOWED: Record<string, string> = {
  '/v1/chat/completions': 'POST',
  '/v1/completions': 'POST',
  '/v1/embeddings': 'POST',
  '/v1/models': 'GET',
};

export async function startServer(deps: HttpDeps): Promise<HttpServer> {
  const { settings, models, clock, now } = deps;
  const app = Fastify({
    bodyLimit: settings.bodyLimitBytes,
    requestTimeout: RECEIVE_MS,
    keepAliveTimeout: 75_000,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    exposeHeadRoutes: false,
    routerOptions: { ignoreTrailingSlash: true },
  });
  // JSON alone: a page of another site may send plain text without being asked.
  app.removeContentTypeParser('text/plain');
  const admission = new Admission(settings, clock);
  const metrics = new Metrics({
    version: deps.version,
    inFlight: () => admission.inFlight,
    waiting: () => admission.waiting,
    dropped: deps.dropped,
    engineRestarts: deps.engineRestarts,
  });
  const inference = openInference({ ...deps, admission, requestTimeoutMs: settings.requestTimeoutMs });
  let isStopping = false;

  app.decorateRequest('record', null as unknown as RequestRecord);
  app.addHook('onRequest', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none';
    const record = newRecord(requestId(request), request.method, route, clock());
    request.record = record;
    reply.header('x-request-id', record.id);
    reply.raw.once('close', () => {
      const endMs = clock();
      closeRecord(record, reply.raw);
      if (UNLOGGED.has(route)) return;
      metrics.take(record, endMs);
      const nowMs = now();
      deps.log?.write(JSON.stringify(logLine(record, nowMs, endMs)));
      for (const take of deps.takers) take(record, endMs, nowMs, request);
    });
    const origin = request.headers.origin;
    if (origin !== undefined && settings.corsOrigins.some((one) => one === '*' || one === origin)) {
      reply.header('access-control-allow-origin', origin).header('vary', 'origin');
      reply.header('access-control-expose-headers', 'x-request-id, retry-after');
      if (request.method === 'OPTIONS') {
        reply.header('access-control-allow-methods', 'GET, POST, OPTIONS');
        reply.header('access-control-allow-headers', 'authorization, content-type, x-request-id');
        return reply.header('access-control-max-age', '600').code(204).send();
      }
    }
    const { scope } = request.routeOptions.config;
    if (scope === undefined) return;
    if (isStopping) {
      reply.header('connection', 'close');
      throw stopping();
    }
    record.keyId = authenticate(deps.access, request.headers, scope);
    if (deps.isLoading() && scope !== 'metrics')
      throw refusal(503, 'The models are being loaded.', { code: 'loading', retryAfter: 2 });
  });

  app.setErrorHandler((error, request, reply) => {
    const told = toApiError(error);
    tellError(request.record, error);
    if (told.retryAfter !== null) reply.header('retry-after', String(Math.ceil(told.retryAfter)));
    return reply.code(told.status).send(told.body);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.replace(/[/?].*$|\?.*$/, '') || request.url.split('?')[0];
    const whole = request.url.split('?')[0];
    const allowed = ALLOWED[whole] ?? ALLOWED[path];
    if (allowed !== undefined) {
      reply.header('allow', allowed);
      throw refusal(405, `Not allowed to ${request.method} on ${whole}.`, { code: 'method_not_allowed' });
    }
    throw refusal(404, `Invalid URL (${request.method} ${whole.slice(0, 200)})`, { code: 'unknown_url' });
  });

  const infer = { config: { scope: 'infer' as const } };
  app.post('/v1/chat/completions', infer, inference.chat);
  app.post('/v1/completions', infer, inference.complete);
  app.post('/v1/embeddings', infer, inference.embed);
  app.get('/v1/models', infer, () => ({ object: 'list', data: models.list().map(wireModel) }));
  app.get<{ Params: { '*': string } }>('/v1/models/*', infer, (request) => {
    const id = request.params['*'];
    models.lease(id).release();
    return wireModel(models.list().find((one) => one.id === id)!);
  });
  app.get('/healthz', () => ({ status: 'ok' }));
  app.get('/readyz', (_, reply) => {
    const states = models.list().map(({ id, model }) => [id, model.isReady()] as const);
    const isReady =
      !isStopping && !deps.isLoading() && states.length > 0 && states.every(([, ready]) => ready);
    return reply.code(isReady ? 200 : 503).send({
      status: isReady ? 'ready' : isStopping ? 'stopping' : 'not ready',
      models: Object.fromEntries(states),
    });
  });
  app.get('/metrics', { config: { scope: 'metrics' } }, async (_, reply) =>
    reply.header('content-type', metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  addAdminRoutes(app, models, deps.admin);

  const url = await listen(app, settings);
  return {
    url,
    async stop() {
      isStopping = true;
      const from = clock();
      const isDone = () => admission.inFlight === 0 && admission.waiting === 0;
      while (!isDone() && clock() - from < settings.shutdownMs) await sleep(20);
      inference.abortAll(stopping());
      const closed = app.close();
      // Aborted answers still send their error.
      await Promise.race([closed, sleep(1000)]);
      app.server.closeAllConnections();
      await closed;
    },
  };
}

async function listen(app: FastifyInstance, { host, port }: HttpSettings): Promise<string> {
  try {
    await app.listen({ host, port });
  } catch (cause) {
    await app.close();
    const { code = '', message } = cause as NodeJS.ErrnoException;
    const problem: Record<string, string> = {
      EADDRINUSE: 'another program listens there',
      EACCES: 'this needs more rights',
      EADDRNOTAVAIL: 'this machine has no such address',
      ENOTFOUND: 'the name has no address',
    };
    throw new FactoryError({
      code: 'SERVE_PORT',
      message: `could not listen at ${host}:${port}: ${problem[code] ?? message} (${code})`,
      remedy: 'Choose another port with --port, or 0 for any that is free, or another host.',
      cause,
    });
  }
  const address = app.server.address();
  const bound = typeof address === 'object' && address !== null ? address.port : port;
  return `http://${host.includes(':') ? `[${host}]` : host}:${bound}`;
}

/** A caller's own id is kept, so that both logs have one name for a request. */
function requestId(request: FastifyRequest): string {
  const given = request.headers['x-request-id'];
  return typeof given === 'string' && /^[\w.:-]{1,128}$/.test(given) ? given : `req_${randomUUID()}`;
}

function wireModel({ id, model, since }: ReturnType<ModelSet['list']>[number]) {
  return {
    id,
    object: 'model',
    created: Math.floor(since / 1000),
    owned_by: 'tunesmith',
    ...(model.contextSize === null ? {} : { max_model_len: model.contextSize }),
  };
}

function stopping(): FactoryError {
  return new FactoryError({
    code: 'SERVE_STOPPING',
    message: 'The server is going down.',
    remedy: 'Ask another server, or this one again when it is back.',
  });
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
