// In: the answers of a model to one request, several where it asked for several choices. Out: the reply: one object, or a stream
// whose headers leave with the first part, so that what fails before has its status. Later errors are an event.
import type { FastifyReply } from 'fastify';
import { FactoryError } from '#factory/errors.ts';
import type { AnswerPart, Usage } from '#factory/records/served-model.ts';
import type { AnswerForm, BodyPart, EndPart } from './answer-form.ts';
import { toApiError } from './api-error.ts';
import { EventStream } from './event-stream.ts';
import type { RequestRecord } from './request-record.ts';

export interface Answering {
  form: AnswerForm;
  /** One for each choice. */
  sources: readonly AsyncIterable<AnswerPart>[];
  /** Choices that share a prompt stand together; this many do. */
  choicesOfPrompt: number;
  stream: boolean;
  includeUsage: boolean;
  /** Ends all generation of this request. */
  abort: AbortController;
  record: RequestRecord;
  /** Milliseconds, monotonic. */
  clock(): number;
}

type Numbered = [choice: number, part: AnswerPart];

export async function answer(asked: Answering, reply: FastifyReply): Promise<void> {
  const { record, clock } = asked;
  const parts = merge(asked.sources, asked.abort);
  const next = async (): Promise<Numbered | null> => {
    const begun = clock();
    try {
      const found = await parts.next();
      return found.done ? null : found.value;
    } finally {
      const now = clock();
      record.modelMs += now - begun;
      record.lastTokenMs = now;
    }
  };
  try {
    const first = await next();
    record.firstTokenMs = clock();
    if (asked.stream) await stream(asked, reply, first, next);
    else await collect(asked, reply, first, next);
  } finally {
    await parts.return(undefined);
  }
}

async function stream(
  asked: Answering,
  reply: FastifyReply,
  first: Numbered | null,
  next: () => Promise<Numbered | null>,
): Promise<void> {
  const { form, record, clock } = asked;
  reply.hijack();
  const events = new EventStream(reply.raw, reply.getHeaders());
  const begun = new Set<number>();
  const totals = new Totals(asked.choicesOfPrompt);
  const send = async (event: unknown) => {
    const full = events.send(event);
    if (full === undefined) return;
    const from = clock();
    await full;
    record.clientMs += clock() - from;
  };
  try {
    for (let found = first; found !== null; found = await next()) {
      // A model that never waits would hear of neither.
      if (reply.raw.destroyed) asked.abort.abort();
      asked.abort.signal.throwIfAborted();
      const [choice, part] = found;
      if (!begun.has(choice)) {
        begun.add(choice);
        for (const event of form.begin(choice)) await send(event);
      }
      if (part.kind !== 'end') record.answers?.[choice].push(part);
      if (part.kind === 'end') {
        totals.add(choice, part);
        await send(form.end(choice, part.finish));
      } else await send(form.chunk(choice, part));
    }
    totals.tell(record);
    if (asked.includeUsage) await send(form.usage(totals.usage));
    events.end(true);
  } catch (error) {
    const reason = reasonOf(error, asked.abort.signal);
    tellError(record, reason);
    events.send(toApiError(reason).body);
    events.end(false);
  }
}

async function collect(
  asked: Answering,
  reply: FastifyReply,
  first: Numbered | null,
  next: () => Promise<Numbered | null>,
): Promise<void> {
  const totals = new Totals(asked.choicesOfPrompt);
  const choices = asked.sources.map(() => ({
    parts: [] as BodyPart[],
    finish: 'stop' as EndPart['finish'],
  }));
  for (let found = first; found !== null; found = await next()) {
    const [choice, part] = found;
    if (part.kind === 'end') {
      choices[choice].finish = part.finish;
      totals.add(choice, part);
    } else {
      choices[choice].parts.push(part);
      asked.record.answers?.[choice].push(part);
    }
  }
  totals.tell(asked.record);
  await reply.send(asked.form.whole(choices, totals.usage));
}

/** The tokens of a prompt count once, however many choices it has. */
class Totals {
  readonly usage: Usage = { promptTokens: 0, cachedTokens: 0, completionTokens: 0, reasoningTokens: 0 };
  #queuedMs: number | null = null;
  #finish: EndPart['finish'] = 'stop';
  #choicesOfPrompt: number;

  constructor(choicesOfPrompt: number) {
    this.#choicesOfPrompt = choicesOfPrompt;
  }

  add(choice: number, { usage, finish, queuedMs }: EndPart): void {
    if (choice % this.#choicesOfPrompt === 0) {
      this.usage.promptTokens += usage.promptTokens;
      this.usage.cachedTokens += usage.cachedTokens;
    }
    this.usage.completionTokens += usage.completionTokens;
    this.usage.reasoningTokens += usage.reasoningTokens;
    if (choice === 0) this.#finish = finish;
    if (queuedMs !== null) this.#queuedMs = Math.max(this.#queuedMs ?? 0, queuedMs);
  }

  tell(record: RequestRecord): void {
    record.usage = this.usage;
    record.finish = this.#finish;
    record.queuedMs = this.#queuedMs;
  }
}

/** The parts of all answers as they come. Whoever leaves early ends the generation of all. */
async function* merge(
  sources: readonly AsyncIterable<AnswerPart>[],
  abort: AbortController,
): AsyncGenerator<Numbered> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]());
  const pending = new Map<number, Promise<[number, IteratorResult<AnswerPart>]>>();
  const advance = (choice: number) => {
    const promise = iterators[choice]
      .next()
      .then((found): [number, IteratorResult<AnswerPart>] => [choice, found]);
    // Another choice may fail first and end the loop.
    promise.catch(() => undefined);
    pending.set(choice, promise);
  };
  let isWhole = false;
  try {
    for (const choice of iterators.keys()) advance(choice);
    while (pending.size > 0) {
      const [choice, found] = await Promise.race(pending.values());
      if (found.done) pending.delete(choice);
      else {
        yield [choice, found.value];
        advance(choice);
      }
    }
    isWhole = true;
  } finally {
    if (!isWhole) {
      abort.abort();
      await Promise.allSettled(iterators.map((one) => one.return?.()));
    }
  }
}

/** Why a generation was ended, rather than that it was. */
export function reasonOf(error: unknown, signal: AbortSignal): unknown {
  return signal.aborted && signal.reason instanceof FactoryError ? signal.reason : error;
}

export function tellError(record: RequestRecord, error: unknown): void {
  if (error instanceof FactoryError) {
    const told = error.details.code;
    record.errorCode = typeof told === 'string' ? told : error.code;
  } else if ((error as { statusCode?: number })?.statusCode !== undefined) {
    record.errorCode = String((error as { code?: string }).code);
  } else {
    record.errorCode = 'INTERNAL';
    record.fault = error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}
