import { eld } from 'eld/extrasmall';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NgramModel } from './ngram-model.ts';

const model = new NgramModel();

function expectSame(text: string): void {
  const theirs = eld.detect(text);
  const score = theirs.getScores()[theirs.language] ?? 0;
  expect(model.guess(text), text).toEqual({
    language: theirs.language,
    score,
    isReliable: theirs.language !== '' && theirs.isReliable(),
  });
}

describe('the n-gram model', () => {
  it('guesses as eld does, to the last bit of the score', () => {
    for (const text of [
      'Ich möchte gerne mein Geld zurückbekommen, bitte.',
      'Je voudrais un remboursement, s’il vous plaît.',
      'Где находится ближайшая станция метро?',
      'Παρακαλώ πείτε μου πού είναι ο σταθμός',
      'これはテストです。 한국어로 답해 주세요 你好世界',
      'a bb ccc dddd eeeee ffffff',
      'devcontainers ci am accidentally killed gary’s raiding sa ibang palad kinsero na si the cost x burgers by',
      'x',
      '',
      '😀 hello 😀 \ud83d',
      'ab'.repeat(60),
      `${'ab'.repeat(60)} ${'ab'.repeat(60)} ${'é'.repeat(90)}`,
      'Das ist ein sehr langer Satz über nichts. '.repeat(40),
      'word '.repeat(70) + 'ü'.repeat(40),
    ])
      expectSame(text);
  });

  it('also on any other text', () => {
    const words = fc.array(
      fc.oneof(
        fc.string({ unit: 'binary', maxLength: 40 }),
        fc.stringMatching(/^[a-zäöüßéèñç]{1,12}$/),
        fc.stringMatching(/^[а-яё]{1,12}$/),
        fc.stringMatching(/^[a-z]{60,90}$/),
      ),
      { maxLength: 60 },
    );
    fc.assert(fc.property(words, (list) => expectSame(list.join(' '))));
  });
});
