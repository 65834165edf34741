// In: requests as they come, with the key that they came under. Out: leave to begin, at most so many at a time, of all keys
// and of one; the others wait in a queue that has an end. Among those who wait, the key with the least under way is first.
import { FactoryError } from '#factory/errors.ts';

export interface AdmissionLimits {
  maxConcurrent: number;
  /** Of one key; null is without limit. */
  maxConcurrentPerKey: number | null;
  maxQueue: number;
  queueTimeoutMs: number;
}

export interface Place {
  waitedMs: number;
  /** Safe to call twice. */
  leave(): void;
}

interface Waiting {
  key: string;
  start(): void;
}

export class Admission {
  #limits: AdmissionLimits;
  #clock: () => number;
  #underWay = new Map<string, number>();
  #inFlight = 0;
  #queue: Waiting[] = [];
  /** Smoothed, of one request. */
  #meanMs = 1000;

  /** `clock` gives milliseconds, monotonic. */
  constructor(limits: AdmissionLimits, clock: () => number) {
    this.#limits = limits;
    this.#clock = clock;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** Throws SERVE_BUSY where the queue is full or the wait too long, and the signal's reason where the client goes away. */
  async enter(key: string, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    if (this.#mayBegin(key)) return this.#begin(key, 0);
    if (this.#queue.length >= this.#limits.maxQueue) throw busy('the queue is full', this.#state());
    const from = this.#clock();
    await new Promise<void>((resolve, reject) => {
      const leave = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', gone);
        const at = this.#queue.indexOf(waiting);
        if (at >= 0) this.#queue.splice(at, 1);
      };
      const waiting: Waiting = {
        key,
        start: () => {
          leave();
          // Counted at once, before the waiter runs on.
          this.#count(key, 1);
          resolve();
        },
      };
      const gone = () => {
        leave();
        reject(signal.reason);
      };
      const timer = setTimeout(() => {
        leave();
        reject(busy(`no place was free for ${this.#limits.queueTimeoutMs} ms`, this.#state()));
      }, this.#limits.queueTimeoutMs);
      signal.addEventListener('abort', gone);
      this.#queue.push(waiting);
    });
    return this.#placeOf(key, this.#clock() - from);
  }

  #mayBegin(key: string): boolean {
    const { maxConcurrent, maxConcurrentPerKey } = this.#limits;
    const own = this.#underWay.get(key) ?? 0;
    return this.#inFlight < maxConcurrent && (maxConcurrentPerKey === null || own < maxConcurrentPerKey);
  }

  #begin(key: string, waitedMs: number): Place {
    this.#count(key, 1);
    return this.#placeOf(key, waitedMs);
  }

  #placeOf(key: string, waitedMs: number): Place {
    const from = this.#clock();
    let isIn = true;
    return {
      waitedMs,
      leave: () => {
        if (!isIn) return;
        isIn = false;
        this.#meanMs += (this.#clock() - from - this.#meanMs) / 16;
        this.#count(key, -1);
        this.#startNext();
      },
    };
  }

  #count(key: string, change: 1 | -1): void {
    this.#inFlight += change;
    const own = (this.#underWay.get(key) ?? 0) + change;
    if (own === 0) this.#underWay.delete(key);
    else this.#underWay.set(key, own);
  }

  #startNext(): void {
    let best: Waiting | null = null;
    let least = Number.POSITIVE_INFINITY;
    for (const waiting of this.#queue) {
      const own = this.#underWay.get(waiting.key) ?? 0;
      if (own >= least || !this.#mayBegin(waiting.key)) continue;
      best = waiting;
      least = own;
    }
    best?.start();
  }

  #state(): Crowd {
    const waiting = this.#queue.length;
    const waitMs = ((waiting + 1) / this.#limits.maxConcurrent) * this.#meanMs;
    return { inFlight: this.#inFlight, waiting, waitMs };
  }
}

interface Crowd {
  inFlight: number;
  waiting: number;
  /** About how long a place takes. */
  waitMs: number;
}

function busy(why: string, { inFlight, waiting, waitMs }: Crowd): FactoryError {
  const retryAfter = Math.min(60, Math.max(1, Math.ceil(waitMs / 1000)));
  return new FactoryError({
    code: 'SERVE_BUSY',
    message: `Too many requests: ${why} (${inFlight} under way, ${waiting} waiting).`,
    remedy: `Ask again in ${retryAfter} s.`,
    details: { retryAfter },
  });
}
