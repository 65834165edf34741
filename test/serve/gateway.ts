// In: models, and what differs from the usual settings. Out: the HTTP server over them on a free port, in this process, with its
// log lines kept.

import type { AdminPorts } from '../../packages/factory/src/http/admin.ts';
import type { HttpServer, HttpSettings, RecordTaker } from '../../packages/factory/src/http/server.ts';
import { startServer } from '../../packages/factory/src/http/server.ts';
import type { ServedModel } from '../../packages/factory/src/records/served-model.ts';
import { ModelSet } from '../../packages/factory/src/serve/model-set.ts';
import { openUpstreamModel } from '../../packages/factory/src/serve/upstream-model.ts';
import { openKeyRing, type PlainKey } from '../../packages/factory/src/store/api-keys.ts';
import { openSmallServer, type SmallServer } from './small-server.ts';

export interface Gateway {
  /** Without `/v1`. */
  url: string;
  models: ModelSet;
  lines: Record<string, unknown>[];
  server: HttpServer;
}

export interface GatewayWish {
  settings?: Partial<HttpSettings>;
  keys?: PlainKey[];
  takers?: RecordTaker[];
  keepAnswers?: boolean;
  admin?: AdminPorts;
}

export async function openGateway(served: readonly ServedModel[], wish: GatewayWish = {}): Promise<Gateway> {
  const now = () => Date.now();
  const models = new ModelSet(now);
  for (const model of served) void models.put(model.id, model);
  const lines: Gateway['lines'] = [];
  const settings: HttpSettings = {
    host: '127.0.0.1',
    port: 0,
    bodyLimitBytes: 200_000,
    requestTimeoutMs: 20_000,
    shutdownMs: 5000,
    corsOrigins: [],
    maxConcurrent: 64,
    maxConcurrentPerKey: null,
    maxQueue: 64,
    queueTimeoutMs: 5000,
    ...wish.settings,
  };
  const server = await startServer({
    settings,
    models,
    access: {
      keys: openKeyRing(null, wish.keys ?? [], now),
      requireKeys: wish.keys !== undefined,
      host: settings.host,
    },
    log: { write: (line) => lines.push(JSON.parse(line) as Record<string, unknown>) },
    keepAnswers: wish.keepAnswers ?? false,
    dropped: () => 0,
    engineRestarts: () => ({}),
    takers: wish.takers ?? [],
    isLoading: () => false,
    admin: wish.admin ?? { open: async () => [] },
    version: '0.0.0',
    clock: () => performance.now(),
    now,
  });
  return { url: server.url, models, lines, server };
}

/** A model of a small server, under the same name here. */
export async function openSmallModel(id = 'small'): Promise<{ model: ServedModel; upstream: SmallServer }> {
  const upstream = await openSmallServer();
  const model = openUpstreamModel(
    {
      id,
      url: upstream.url,
      model: 'small-1',
      key: undefined,
      contextSize: null,
      timeoutMs: 5000,
      retries: 1,
      maxTokensName: 'max_tokens',
    },
    () => performance.now(),
  );
  return { model, upstream };
}
