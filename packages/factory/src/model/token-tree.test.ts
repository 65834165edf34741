import { openBackend } from '@tunesmith/engine';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { tinyConfig, tinyDecoder } from './fixtures/tiny-decoder.ts';
import { packBatch } from './packed-batch.ts';
import { planTrees, type Question, scoreTrees } from './token-tree.ts';

const backend = await openBackend('cpu');
afterAll(() => backend.dispose());

const windowed = tinyConfig({
  model_type: 'mistral',
  architectures: ['MistralForCausalLM'],
  sliding_window: 5,
});
const decoders = [await tinyDecoder(backend), await tinyDecoder(backend, { config: windowed })];

const token = fc.integer({ min: 1, max: 6 });
const question = fc.record({
  prompt: fc.array(token, { minLength: 1, maxLength: 12 }),
  continuations: fc.array(fc.array(token, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
});

async function oneByOne(decoder: (typeof decoders)[number], { prompt, continuations }: Question) {
  const rows: Float64Array[] = [];
  for (const tokens of continuations) {
    const inputIds = Int32Array.from([...prompt, ...tokens]);
    const labels = inputIds.map((id, i) => (i < prompt.length ? -100 : id));
    const batch = packBatch([{ inputIds, labels }]);
    const { nll } = await decoder.head.evaluate(await decoder.forward(batch), batch.targets, false);
    rows.push(nll.map((value) => -value));
  }
  return rows;
}

describe('token trees', () => {
  it('give each continuation the log-probabilities of a row of its own, in any mixture of trees', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(question, { minLength: 1, maxLength: 5 }),
        fc.constantFrom(...decoders),
        fc.boolean(),
        async (questions, decoder, joinAll) => {
          const numbers = [...questions.keys()];
          const batches = joinAll ? [[numbers]] : [numbers.map((q) => [q])];
          for (const batch of batches) {
            const scores = await scoreTrees(decoder, questions, batch);
            for (const [q, parts] of scores) {
              const alone = await oneByOne(decoder, questions[q]);
              expect(parts.map(({ length }) => length)).toEqual(alone.map(({ length }) => length));
              parts.forEach((part, c) => {
                part.forEach((value, i) => {
                  expect(value).toBeCloseTo(alone[c][i], 4);
                });
              });
            }
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('are planned so that every question is in one of them, and long common beginnings share one', () => {
    const shared = Array.from({ length: 60 }, (_, i) => 1 + (i % 7));
    const questions: Question[] = [
      ...[1, 2, 3].map((last) => ({ prompt: [...shared, last], continuations: [[8], [9, 9]] })),
      { prompt: [5], continuations: [[1]] },
    ];
    const plan = planTrees(questions);
    expect(plan.flat(2).sort()).toEqual([0, 1, 2, 3]);
    expect(plan.flat()).toContainEqual([0, 1, 2]);
    fc.assert(
      fc.property(fc.array(question, { maxLength: 30 }), (many) => {
        expect(
          planTrees(many)
            .flat(2)
            .sort((a, b) => a - b),
        ).toEqual([...many.keys()]);
      }),
    );
  });
});
