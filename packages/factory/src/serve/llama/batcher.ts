// In: questions with their contexts. Out: tokens of all answers, pass by pass: every answer gets one token a pass, and prompts fill
// the rest of the batch (continuous batching). Which context a question belongs to is `context-pool.ts`'s; nothing here waits.
import type { LlamaBinding, NativeSampler } from './binding.ts';
import type { PooledContext } from './context-pool.ts';
import type { SentAsk, SentEnd, SentFailure, TokenDetail } from './messages.ts';
import { allLogprobs, openPlain, openSampler, type TokenSampler } from './sampler.ts';
import type { Slot } from './slots.ts';

/** While answers wait for their next token, a pass takes no more tokens of prompts than this. */
const PROMPT_BESIDE_ANSWERS = 128;
/** Milliseconds that a token may wait to be told: a small model makes several in this time, and each message costs. */
const TELL_WITHIN = 4;
/** Floats of logits that a scoring pass may hold. */
const SCORED_FLOATS = 1 << 24;

interface Job {
  readonly id: number;
  readonly prompt: Uint32Array;
  readonly slot: Slot;
  readonly cached: number;
  readonly waitedMs: number;
  aborted: boolean;
  /** Null scores every position of the prompt instead of continuing it. */
  answer: {
    sampler: TokenSampler;
    stopIds: ReadonlySet<number>;
    stopsAtEnds: boolean;
    left: number;
    /** Drawn and told, but not run yet. */
    next: number | null;
  } | null;
}

export interface Batcher {
  /** Begins an answer in a context that has a free slot. */
  begin(id: number, ask: SentAsk, context: PooledContext, waitedMs: number): Promise<void>;
  score(id: number, prompt: Uint32Array, context: PooledContext): void;
  abort(id: number): void;
}

export interface BatcherPorts {
  tick(tokens: number[], details: (TokenDetail | null)[] | null, ends: SentEnd[]): void;
  scores(id: number, rows: Float32Array): void;
  scored(id: number): void;
  /** A slot has become free. */
  freed(): void;
}

export function openBatcher(binding: LlamaBinding, batchSize: number, ports: BatcherPorts): Batcher {
  const jobs = new Map<PooledContext, Job[]>();
  /** Whose samplers are being made. */
  const starting = new Set<Job>();
  let running = false;
  let outbox = emptyBox();
  let timer: NodeJS.Timeout | null = null;
  let plain: NativeSampler | null = null;

  const flush = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    const { tokens, details, detailed, ends } = outbox;
    if (tokens.length === 0 && ends.length === 0) return;
    outbox = emptyBox();
    ports.tick(tokens, detailed ? details : null, ends);
  };
  /** First tokens and ends are told at once. */
  const flushSoon = () => {
    if (outbox.urgent || outbox.ends.length > 0) flush();
    else if (outbox.tokens.length > 0) timer ??= setTimeout(flush, TELL_WITHIN);
  };
  const add = (context: PooledContext, job: Job) => {
    const list = jobs.get(context);
    if (list) list.push(job);
    else jobs.set(context, [job]);
    if (running) return;
    running = true;
    // Questions that came together begin together.
    setImmediate(() => void run());
  };
  const end = (context: PooledContext, job: Job, finish: 'stop' | 'length' | SentFailure | null) => {
    const list = jobs.get(context) ?? [];
    list.splice(list.indexOf(job), 1);
    if (list.length === 0) jobs.delete(context);
    job.answer?.sampler.free();
    context.slots.release(job.slot);
    if (finish !== null)
      outbox.ends.push({ id: job.id, finish, cachedTokens: job.cached, waitedMs: job.waitedMs });
    ports.freed();
  };

  async function run(): Promise<void> {
    while (jobs.size > 0) {
      for (const [context, list] of [...jobs]) {
        for (const job of [...list]) if (job.aborted) end(context, job, null);
        if (list.length > 0) await pass(context, list);
      }
    }
    running = false;
    flush();
  }

  /** One forward pass over a context's answers and prompts. */
  async function pass(context: PooledContext, list: readonly Job[]): Promise<void> {
    const { native } = context;
    const plan = planPass(list, batchSize, binding.vocabSize);
    try {
      native.initBatch(plan.reduce((sum, { tokens }) => sum + tokens.length, 0));
      const places = plan.map(({ job, tokens, withLogits }) => {
        const indices = native.addToBatch(job.slot.sequence, job.slot.tokens.length, tokens, withLogits);
        return { job, tokens, indices };
      });
      const decoded = native.decodeBatch();
      // What the pass before gave is told while this one runs.
      flushSoon();
      await decoded;
      for (const { job, tokens } of places) for (const id of tokens) job.slot.tokens.push(id);
      await Promise.all(places.map(({ job, indices }) => settle(context, job, indices)));
    } catch (error) {
      const failure: SentFailure = {
        code: 'SERVE_ENGINE',
        message: `llama.cpp failed in a forward pass: ${error instanceof Error ? error.message : error}`,
        remedy: 'Ask again; with a smaller batch if it fails again.',
      };
      for (const job of [...list]) {
        context.slots.clear(job.slot);
        end(context, job, failure);
      }
    }
  }

  async function settle(context: PooledContext, job: Job, indices: Uint32Array): Promise<void> {
    const { answer } = job;
    if (answer === null) {
      await tellScores(context, job, indices);
      if (job.slot.tokens.length === job.prompt.length) {
        end(context, job, null);
        ports.scored(job.id);
      }
      return;
    }
    if (indices.length === 0 || job.aborted) return;
    answer.next = null;
    const { id, detail } = await answer.sampler.sample(context.native, indices[0]);
    if (id === null || answer.stopIds.has(id) || (answer.stopsAtEnds && binding.isEnd(id))) {
      end(context, job, 'stop');
      return;
    }
    if (job.slot.tokens.length === job.prompt.length) outbox.urgent = true;
    outbox.tokens.push(job.id, id);
    outbox.details.push(detail);
    if (detail !== null) outbox.detailed = true;
    answer.left--;
    if (answer.left === 0) end(context, job, 'length');
    else answer.next = id;
  }

  async function tellScores(context: PooledContext, job: Job, indices: Uint32Array): Promise<void> {
    plain ??= openPlain(binding);
    const { vocabSize } = binding;
    const rows = new Float32Array(indices.length * vocabSize);
    for (const [i, index] of indices.entries())
      await allLogprobs(context.native, index, plain, rows.subarray(i * vocabSize, (i + 1) * vocabSize));
    if (!job.aborted) ports.scores(job.id, rows);
  }

  return {
    async begin(id, ask, context, waitedMs) {
      const slot = context.slots.take(ask.prompt);
      const job: Job = {
        id,
        prompt: ask.prompt,
        slot,
        cached: slot.tokens.length,
        waitedMs,
        aborted: false,
        answer: null,
      };
      starting.add(job);
      try {
        const sampler = await openSampler(binding, ask);
        const room = context.contextSize - ask.prompt.length;
        const left = Math.min(ask.sampling.maxTokens ?? room, room);
        job.answer = {
          sampler,
          stopIds: new Set(ask.stopIds),
          stopsAtEnds: ask.grammar !== null,
          left,
          next: null,
        };
        add(context, job);
      } catch (error) {
        context.slots.release(slot);
        ports.freed();
        throw error;
      } finally {
        starting.delete(job);
      }
    },
    score(id, prompt, context) {
      const slot = context.slots.take(prompt);
      context.slots.clear(slot);
      add(context, { id, prompt, slot, cached: 0, waitedMs: 0, aborted: false, answer: null });
    },
    abort(id) {
      for (const job of [...starting, ...[...jobs.values()].flat()]) if (job.id === id) job.aborted = true;
    },
  };
}

const NONE = new Uint32Array(0);
const FIRST = Uint32Array.of(0);

/** Which tokens run next: one of each answer, then what fits of the prompts. Jobs are in the order of their beginning. */
function planPass(list: readonly Job[], batchSize: number, vocabSize: number) {
  const plan: { job: Job; tokens: Uint32Array; withLogits: Uint32Array }[] = [];
  const prompts: Job[] = [];
  for (const job of list) {
    const next = job.answer?.next ?? null;
    if (next === null) prompts.push(job);
    else plan.push({ job, tokens: Uint32Array.of(next), withLogits: FIRST });
  }
  let room = batchSize - plan.length;
  if (plan.length > 0) room = Math.min(room, PROMPT_BESIDE_ANSWERS);
  // The shortest rest first, so that most answers begin soon; the oldest has a part of its own, so that it begins at all.
  const [oldest] = prompts;
  const kept = prompts.length > 1 ? Math.ceil(room / 4) : 0;
  for (const job of prompts.toSorted((a, b) => rest(a) - rest(b))) {
    const most =
      job === oldest || plan.some((one) => one.job === oldest) ? room : room - Math.min(kept, rest(oldest));
    let share = Math.min(rest(job), most);
    if (job.answer === null) share = Math.min(share, Math.max(1, Math.floor(SCORED_FLOATS / vocabSize)));
    if (share <= 0) continue;
    room -= share;
    const start = job.slot.tokens.length;
    const tokens = job.prompt.slice(start, start + share);
    const isLast = start + share === job.prompt.length;
    const withLogits =
      job.answer === null ? Uint32Array.from(tokens.keys()) : isLast ? Uint32Array.of(share - 1) : NONE;
    plan.push({ job, tokens, withLogits });
  }
  return plan;
}

const rest = (job: Job) => job.prompt.length - job.slot.tokens.length;

const emptyBox = () => ({
  tokens: [] as number[],
  details: [] as (TokenDetail | null)[],
  detailed: false,
  urgent: false,
  ends: [] as SentEnd[],
});
