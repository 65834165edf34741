// In: requests that have ended. Out: Prometheus metrics of them. Labels have few values: models that are served, routes, codes.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { interTokenMs, overheadMs, type RequestRecord } from './request-record.ts';

export interface MetricSources {
  version: string;
  inFlight(): number;
  waiting(): number;
  /** By model. */
  engineRestarts(): Readonly<Record<string, number>>;
  /** Log lines that were dropped since the start. */
  dropped(): number;
}

const SECONDS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92];
const SHORT = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const TINY = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25];

export class Metrics {
  readonly registry = new Registry();
  #requests;
  #tokens;
  #duration;
  #firstToken;
  #interToken;
  #queueWait;
  #overhead;

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    const labelNames = ['model', 'route'] as const;
    collectDefaultMetrics({ register: this.registry });
    this.#requests = new Counter({
      name: 'tunesmith_requests_total',
      help: 'Requests by model, route and status; 499 is a client that went away.',
      labelNames: ['model', 'route', 'code'] as const,
      registers,
    });
    this.#tokens = new Counter({
      name: 'tunesmith_tokens_total',
      help: 'Tokens of prompts (cached ones among them) and answers.',
      labelNames: ['model', 'type'] as const,
      registers,
    });
    const histogram = (name: string, help: string, buckets: number[]) =>
      new Histogram({ name: `tunesmith_${name}_seconds`, help, labelNames, buckets, registers });
    this.#duration = histogram(
      'request_duration',
      'From the first byte of a request to the last of its answer.',
      [...SECONDS, 163.84, 327.68, 655.36],
    );
    this.#firstToken = histogram(
      'time_to_first_token',
      'From the first byte of a request to the first part of its answer.',
      SECONDS,
    );
    this.#interToken = histogram('inter_token_latency', 'Mean time between the tokens of an answer.', SHORT);
    this.#queueWait = histogram('queue_wait', "In the gateway's queue and the engine's.", [
      0,
      ...SHORT,
      30,
      60,
    ]);
    this.#overhead = histogram(
      'gateway_overhead',
      'Time of a request without the model, the queues and a client that reads slowly.',
      TINY,
    );
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name: `tunesmith_${name}`,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    gauge('requests_in_flight', 'Requests that have a place.', sources.inFlight);
    gauge('requests_waiting', 'Requests that wait for a place.', sources.waiting);
    let told = 0;
    new Counter({
      name: 'tunesmith_log_queue_dropped_total',
      help: 'Log lines that were dropped because their reader was too slow.',
      registers,
      collect() {
        this.inc(sources.dropped() - told);
        told = sources.dropped();
      },
    });
    const restartsTold = new Map<string, number>();
    new Counter({
      name: 'tunesmith_engine_restarts_total',
      help: 'Times that the engine of a model ended and was started again.',
      labelNames: ['model'] as const,
      registers,
      collect() {
        for (const [model, count] of Object.entries(sources.engineRestarts())) {
          this.inc({ model }, Math.max(0, count - (restartsTold.get(model) ?? 0)));
          restartsTold.set(model, count);
        }
      },
    });
    new Gauge({
      name: 'tunesmith_build_info',
      help: 'The version of the program; always 1.',
      labelNames: ['version'] as const,
      registers,
    }).set({ version: sources.version }, 1);
  }

  take(record: RequestRecord, endMs: number): void {
    const labels = { model: record.model ?? 'none', route: record.route };
    this.#requests.inc({ ...labels, code: String(record.status) });
    this.#duration.observe(labels, (endMs - record.begunMs) / 1000);
    if (record.fingerprint === null) return;
    this.#overhead.observe(labels, overheadMs(record, endMs) / 1000);
    this.#queueWait.observe(labels, (record.waitedMs + (record.queuedMs ?? 0)) / 1000);
    if (record.firstTokenMs !== null)
      this.#firstToken.observe(labels, (record.firstTokenMs - record.begunMs) / 1000);
    const between = interTokenMs(record);
    if (between !== null) this.#interToken.observe(labels, between / 1000);
    if (record.usage === null) return;
    const { promptTokens, cachedTokens, completionTokens, reasoningTokens } = record.usage;
    const types = {
      prompt: promptTokens,
      prompt_cached: cachedTokens,
      completion: completionTokens,
      reasoning: reasoningTokens,
    };
    for (const [type, count] of Object.entries(types))
      if (count > 0) this.#tokens.inc({ model: labels.model, type }, count);
  }
}
