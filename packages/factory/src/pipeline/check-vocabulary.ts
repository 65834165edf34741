// In: token ids and the size of a model's vocabulary. Out: nothing, or a refusal where the model has no row for an id:
// tokenizer and model are not of one make.
import { FactoryError } from '#factory/errors.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';

export function checkVocabulary(ids: ArrayLike<number>, tokenizer: TextTokenizer, vocabSize: number): void {
  for (let i = 0; i < ids.length; i++) {
    if (ids[i] < vocabSize) continue;
    throw new FactoryError({
      code: 'TOKENS_VOCABULARY',
      message: `expected token ids below the model's vocab_size ${vocabSize}, found ${ids[i]} for ${JSON.stringify(tokenizer.idToToken(ids[i]))}`,
      remedy:
        'Use the tokenizer files that came with the model, or a model whose vocabulary was enlarged to theirs.',
      details: { id: ids[i], vocabSize },
    });
  }
}
