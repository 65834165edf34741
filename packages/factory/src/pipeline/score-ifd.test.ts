// The two numbers called IFD, by the values of the reference definitions.
import { expect, test } from 'vitest';
import { ifdOf } from './score-ifd.ts';

test('the ratio of losses and the ratio of perplexities', () => {
  const scores = ifdOf([1.2, 0.8, 1.0], [2.0, 1.5, 1.5]);
  expect(scores.ifd_loss_ratio).toBeCloseTo(0.6, 12);
  expect(scores.ifd_ppl_ratio).toBeCloseTo(0.513417119032592, 12);
});

test('an answer without a token that can be predicted has no number', () => {
  expect(ifdOf([], [1])).toEqual({
    ifd_loss_ratio: null,
    ifd_ppl_ratio: null,
    nll_given_prompt: null,
    nll_alone: null,
  });
});
