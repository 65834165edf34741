// In: the words after `tunesmith serve`. Out: an HTTP server that runs until it is told to stop; the ready line on stdout, one
// line per request in the log.
import { readFileSync } from 'node:fs';
import { readModelEntry, readServeArgs } from '#factory/arguments/serve-args.ts';
import { DEFAULT_KEYS_FILE } from '#factory/arguments/table-serve.ts';
import { FactoryError } from '#factory/errors.ts';
import { isLoopback } from '#factory/http/authenticate.ts';
import { inferenceTaker } from '#factory/http/inference-taker.ts';
import { type HttpSettings, startServer } from '#factory/http/server.ts';
import { openInferenceSink } from '#factory/pipeline/open-inference-log.ts';
import type { ServedBase } from '#factory/pipeline/open-served-model.ts';
import { openServedEntry } from '#factory/pipeline/open-serving.ts';
import type { ServeArgs } from '#factory/records/serve-args.ts';
import { ModelSet } from '#factory/serve/model-set.ts';
import { type KeyRing, openKeyRing, type PlainKey } from '#factory/store/api-keys.ts';
import type { CommandContext } from '../command.ts';
import { stopOnSignals } from '../interrupt.ts';
import { openLogSink } from '../log-sink.ts';
import { readPlainKeys } from '../serve/plain-keys.ts';
import { readyText } from '../serve/ready-text.ts';
import { packageVersion } from './version.ts';

const clock = () => performance.now();
const now = () => Date.now();

export async function serve({ words, json, terminal, env }: CommandContext): Promise<number> {
  const args = readServeArgs(words, { readFile: (path) => readFileSync(path, 'utf8') });
  const plain = readPlainKeys(args, env);
  const keys = openKeyRing(args.keys_file, plain, now);
  const requireKeys = needsKeys(args, plain, keys);
  const endpoint = args.otlp_endpoint ?? env.OTEL_EXPORTER_OTLP_ENDPOINT ?? null;
  const version = packageVersion();
  /** Newest first, whatever made the server end. */
  const closers: (() => Promise<void> | undefined)[] = [];
  const stop = stopOnSignals(() => terminal.err('stopping: answers under way are finished first\n'));
  try {
    const log = args.access_log === 'off' ? null : await openLogSink(args.access_log);
    closers.push(() => log?.close());
    const note = (text: string) => terminal.err(`note: ${text}\n`);
    const inferences = openInferenceSink(
      { path: args.log_file, level: args.log, retentionDays: args.log_retention, redact: args.log_redact },
      note,
    );
    closers.push(() => inferences.close());
    const tracing = endpoint
      ? await (await import('#factory/http/tracing.ts')).openTracing(
          endpoint,
          env.OTEL_EXPORTER_OTLP_HEADERS,
          version,
        )
      : null;
    closers.push(() => tracing?.close());
    const models = new ModelSet(now);
    closers.push(() => models.close());
    const bases = new Map<string, ServedBase>();
    const deps = { env, clock, note, bases, signal: stop.signal };
    let isLoading = true;
    // The port is taken before models are loaded: whether it is free is told at once.
    const server = await startServer({
      settings: settingsOf(args),
      models,
      access: { keys, requireKeys, host: args.host },
      log,
      takers: [
        ...(args.log === 'off' ? [] : [inferenceTaker(inferences)]),
        ...(tracing === null ? [] : [tracing.take]),
      ],
      keepAnswers: args.log === 'full',
      dropped: () => (log?.dropped() ?? 0) + inferences.dropped(),
      engineRestarts: () => Object.fromEntries([...bases].map(([id, { engine }]) => [id, engine.restarts])),
      admin: { open: (entry) => openServedEntry(readModelEntry(entry, 'request'), deps) },
      isLoading: () => isLoading,
      version,
      clock,
      now,
    });
    closers.push(() => server.stop());
    for (const entry of args.models) {
      if (stop.signal.aborted) break;
      for (const { id, model } of await openServedEntry(entry, deps)) void models.put(id, model);
    }
    isLoading = false;
    const facts = {
      url: server.url,
      models: models.list().map(({ id, model }) => ({ id, chat: model.can.chat })),
      requiresKeys: requireKeys,
    };
    if (!stop.signal.aborted)
      terminal.out(json ? `${JSON.stringify({ event: 'ready', ...facts })}\n` : readyText(facts));
    await ended(stop.signal);
    return 0;
  } finally {
    for (const close of closers.reverse()) await close();
    stop.dispose();
  }
}

function ended(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function needsKeys(args: ServeArgs, plain: readonly PlainKey[], keys: KeyRing): boolean {
  const isLocal = isLoopback(args.host);
  const isNamed = plain.length > 0 || args.keys_file !== DEFAULT_KEYS_FILE;
  const needs = args.require_keys ?? (!isLocal || isNamed);
  if (!needs && !isLocal)
    throw new FactoryError({
      code: 'SERVE_UNSAFE',
      message: `other machines reach ${args.host}, and require_keys is false: anybody could use the models`,
      remedy: 'Remove require_keys, or keep host at 127.0.0.1.',
    });
  if (needs && keys.activeCount() === 0)
    throw new FactoryError({
      code: 'SERVE_UNSAFE',
      message: `requests need API keys${isLocal ? '' : `, since other machines reach ${args.host}`}, and there is none in ${args.keys_file}, api_key_file or ${args.api_key_env}`,
      remedy: 'Make one with "tunesmith keys create", or keep host at 127.0.0.1 without require_keys.',
    });
  return needs;
}

function settingsOf(args: ServeArgs): HttpSettings {
  return {
    host: args.host,
    port: args.port,
    bodyLimitBytes: Math.round(1e6 * args.body_limit),
    requestTimeoutMs: 1000 * args.request_timeout,
    shutdownMs: 1000 * args.shutdown_timeout,
    corsOrigins: args.cors_origin,
    maxConcurrent: args.max_concurrent,
    maxConcurrentPerKey: args.max_concurrent_per_key,
    maxQueue: args.max_queue,
    queueTimeoutMs: 1000 * args.queue_timeout,
  };
}
