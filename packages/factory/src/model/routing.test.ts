// Routing sends each token to its best experts; its gradient, and that of the balance loss, are slopes of what they derive.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { balanceLoss, type Route, routeGradient, routeTokens } from './routing.ts';

const routing = fc
  .record({ count: fc.integer({ min: 2, max: 7 }), tokens: fc.integer({ min: 1, max: 6 }) })
  .chain(({ count, tokens }) =>
    fc.record({
      count: fc.constant(count),
      active: fc.integer({ min: 1, max: count }),
      normalised: fc.boolean(),
      // Apart from each other, so that a small change of one does not change the choice.
      logits: fc
        .array(
          fc.shuffledSubarray(
            Array.from({ length: count }, (_, e) => e),
            { minLength: count },
          ),
          { minLength: tokens, maxLength: tokens },
        )
        .map((rows) => Float32Array.from(rows.flat(), (v) => v * 0.7 - 1)),
    }),
  );

test('each token goes to its best experts, and their places list every choice once', () => {
  fc.assert(
    fc.property(routing, (r) => {
      const { chosen, shares, placesOf, probabilities } = routeTokens(r.logits, r);
      const tokens = r.logits.length / r.count;
      for (let t = 0; t < tokens; t++) {
        const row = [...r.logits.subarray(t * r.count, (t + 1) * r.count)];
        const best = row.map((_, e) => e).sort((a, b) => row[b] - row[a]);
        expect([...chosen.subarray(t * r.active, (t + 1) * r.active)]).toEqual(best.slice(0, r.active));
        const total = shares.subarray(t * r.active, (t + 1) * r.active).reduce((a, b) => a + b, 0);
        const whole = best.slice(0, r.active).reduce((n, e) => n + probabilities[t * r.count + e], 0);
        expect(total).toBeCloseTo(r.normalised ? 1 : whole, 5);
      }
      const places = placesOf.flatMap((own, e) => [...own].map((place) => [place, e]));
      expect(places.sort((a, b) => a[0] - b[0])).toEqual([...chosen].map((e, place) => [place, e]));
    }),
  );
});

test('of equal logits the expert with the lower number is chosen', () => {
  expect([...routeTokens(new Float32Array(4), { count: 4, active: 2, normalised: true }).chosen]).toEqual([
    0, 1,
  ]);
});

test('the gradients are slopes', () => {
  fc.assert(
    fc.property(routing, (r) => {
      const weights = r.logits.map((_, i) => Math.sin(3 * i + 1));
      const slope = Float32Array.from({ length: r.count }, (_, e) => Math.cos(e));
      const value = ({ shares, probabilities }: Route) =>
        shares.reduce((n, share, place) => n + share * weights[place], 0) +
        probabilities.reduce((n, p, i) => n + p * slope[i % r.count], 0);
      const route = routeTokens(r.logits, r);
      const gradient = routeGradient(route, weights.slice(0, route.shares.length), r, slope);
      for (let i = 0; i < r.logits.length; i++) {
        const moved = (by: number) => {
          const logits = r.logits.slice();
          logits[i] += by;
          return value(routeTokens(logits, r));
        };
        expect(gradient[i]).toBeCloseTo((moved(0.01) - moved(-0.01)) / 0.02, 3);
      }
    }),
    { numRuns: 30 },
  );
});

test('the balance loss is the number of active experts where tokens are spread evenly, and more where they are not', () => {
  const spread = { count: 4, active: 1, normalised: true };
  const even = Float32Array.from([5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5, 0, 0, 0, 0, 5]);
  expect(balanceLoss([routeTokens(even, spread)], spread).loss).toBeCloseTo(1, 6);
  const one = Float32Array.from({ length: 16 }, (_, i) => (i % 4 === 0 ? 5 : 0));
  expect(balanceLoss([routeTokens(one, spread)], spread).loss).toBeGreaterThan(3);
  // Over several layers it is that of all rows together.
  const both = balanceLoss([routeTokens(even, spread), routeTokens(one, spread)], spread);
  const joined = balanceLoss([routeTokens(Float32Array.from([...even, ...one]), spread)], spread);
  expect(both.loss).toBeCloseTo(joined.loss, 10);
  expect(both.slope).toEqual(joined.slope);
});
