// In: rows and val_size. Out: a shuffled split into training and validation rows, as Hugging Face's train_test_split
// (sizes and law are the same; the random stream is ours).
import { FactoryError } from '#factory/errors.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';

/** `valSize` below 1 is a share (rounded up), from 1 on a count. */
export function splitValidation<T>(
  rows: readonly T[],
  valSize: number,
  seed: number,
): { train: T[]; validation: T[] } {
  const count = validationCount(rows.length, valSize);
  const shuffled = seededRandom(`${seed}/validation`).shuffle(rows);
  return { train: shuffled.slice(count), validation: shuffled.slice(0, count) };
}

function validationCount(rows: number, valSize: number): number {
  if (!Number.isFinite(valSize) || valSize <= 0) {
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `val_size: expected a share below 1 or a count of rows, found ${valSize}`,
      remedy: 'Set val_size to a share such as 0.1 or a count such as 200.',
    });
  }
  // The tolerance keeps 0.1 × 30 at 3 although the product is 3.0000000000000004.
  const count = valSize < 1 ? Math.ceil(valSize * rows - 1e-9) : Math.floor(valSize);
  if (count >= rows) {
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `val_size ${valSize} takes ${count} of ${rows} rows, which leaves none to train on`,
      remedy: `Set val_size below ${rows === 1 ? 1 : rows}, or add rows.`,
    });
  }
  return count;
}
