import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { Admission, type AdmissionLimits, type Place } from './admission.ts';

const limits = (change: Partial<AdmissionLimits>): AdmissionLimits => ({
  maxConcurrent: 2,
  maxConcurrentPerKey: null,
  maxQueue: 100,
  queueTimeoutMs: 5000,
  ...change,
});
const open = (change: Partial<AdmissionLimits>) => new Admission(limits(change), () => performance.now());
const never = new AbortController().signal;
const soon = () => new Promise((resolve) => setImmediate(resolve));

test('a full queue says when to come again', async () => {
  const admission = open({ maxConcurrent: 1, maxQueue: 1 });
  const first = await admission.enter('a', never);
  const second = admission.enter('a', never);
  const error = await admission.enter('a', never).catch((reason: unknown) => reason as FactoryError);
  expect(error).toBeInstanceOf(FactoryError);
  expect((error as FactoryError).code).toBe('SERVE_BUSY');
  expect((error as FactoryError).details.retryAfter).toBeGreaterThanOrEqual(1);
  first.leave();
  first.leave();
  expect(admission.inFlight).toBe(1);
  (await second).leave();
  expect(admission.inFlight).toBe(0);
});

test('one key cannot take all places, and the key with the least under way goes first', async () => {
  const admission = open({ maxConcurrent: 2, maxConcurrentPerKey: 1 });
  const a = await admission.enter('a', never);
  const order: string[] = [];
  const enter = (key: string, name: string) =>
    admission.enter(key, never).then((place) => {
      order.push(name);
      return place;
    });
  const more = [enter('a', 'a2'), enter('b', 'b1'), enter('b', 'b2')];
  await soon();
  expect(order).toEqual(['b1']);
  a.leave();
  await soon();
  expect(order).toEqual(['b1', 'a2']);
  (await more[1]).leave();
  await soon();
  expect(order).toEqual(['b1', 'a2', 'b2']);
});

test('who waits too long or goes away leaves the queue', async () => {
  const admission = open({ maxConcurrent: 1, queueTimeoutMs: 20 });
  const first = await admission.enter('a', never);
  await expect(admission.enter('a', never)).rejects.toMatchObject({ code: 'SERVE_BUSY' });
  const gone = new AbortController();
  const waiting = admission.enter('a', gone.signal);
  gone.abort();
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' });
  expect(admission.waiting).toBe(0);
  first.leave();
  expect(admission.inFlight).toBe(0);
});

test('in any order of coming and leaving, limits hold, nobody is forgotten, and all places come back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ key: fc.constantFrom('a', 'b', 'c'), leaves: fc.boolean() }), { maxLength: 40 }),
      async (steps) => {
        const admission = open({ maxConcurrent: 3, maxConcurrentPerKey: 2 });
        const inside: Place[] = [];
        const all: Promise<void>[] = [];
        for (const { key, leaves } of steps) {
          if (leaves) inside.shift()?.leave();
          else all.push(admission.enter(key, never).then((place) => void inside.push(place)));
          await soon();
          expect(admission.inFlight).toBeLessThanOrEqual(3);
          expect(admission.inFlight).toBe(inside.length);
        }
        while (admission.inFlight > 0) {
          inside.shift()!.leave();
          await soon();
        }
        await Promise.all(all);
        expect(admission.waiting).toBe(0);
      },
    ),
    { numRuns: 40 },
  );
});
