// In: the words after `tunesmith quickstart`. Out: what to run, in which sizes. It reads no file.
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { FactoryError } from '#factory/errors.ts';

export interface QuickstartOptions {
  model: string;
  /** The model that the repository ships. */
  isShipped: boolean;
  outputDir: string;
  json: boolean;
  seed: number;
  smoke: boolean;
  trainRows: number;
  testRows: number;
  /** Settings of `tunesmith train` that fit the size of the model. */
  training: string[];
}

const SHIPPED = fileURLToPath(new URL('../../base/tunesmith-tiny', import.meta.url));

/** Sizes with which the whole story ends within three minutes on two cores. */
const TINY = {
  trainRows: 1600,
  testRows: 400,
  training: ['--learning_rate', '2e-3', '--num_train_epochs', '1', '--per_device_train_batch_size', '8'],
};
/** A model of 100 million parameters or more is some fifty times slower, and needs fewer mails. */
const LARGER = {
  trainRows: 240,
  testRows: 100,
  training: ['--learning_rate', '2e-4', '--num_train_epochs', '1', '--per_device_train_batch_size', '8'],
};
const SMOKE = { trainRows: 64, testRows: 16 };

const REMEDY = 'Use --model, --output_dir, --seed, --train_rows, --test_rows, --smoke and --json only.';

export function quickstartOptions(words: readonly string[]): QuickstartOptions {
  const values = parsed(words);
  const model = values.model ?? SHIPPED;
  const isShipped = model === SHIPPED;
  const size = isShipped ? TINY : LARGER;
  const smoke = values.smoke === true;
  const rows = smoke ? SMOKE : size;
  const training = [...size.training, ...(smoke ? ['--max_steps', '4'] : [])];
  return {
    model,
    isShipped,
    outputDir: values.output_dir ?? 'quickstart-output',
    json: values.json === true,
    seed: count('seed', values.seed, 42, 0),
    smoke,
    // Both labels must be there, in equal parts.
    trainRows: count('train_rows', values.train_rows, rows.trainRows, 2),
    testRows: count('test_rows', values.test_rows, rows.testRows, 2),
    training,
  };
}

function parsed(words: readonly string[]) {
  try {
    return parseArgs({
      // `--output-dir x` and `--output_dir x` are the same, as everywhere.
      args: words.map((word) =>
        word.startsWith('--')
          ? word.replace(/^--[^=]*/, (name) => `--${name.slice(2).replaceAll('-', '_')}`)
          : word,
      ),
      options: {
        model: { type: 'string' },
        output_dir: { type: 'string' },
        seed: { type: 'string' },
        train_rows: { type: 'string' },
        test_rows: { type: 'string' },
        smoke: { type: 'boolean' },
        json: { type: 'boolean' },
      },
    }).values;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('. ')[0]! : String(cause);
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `tunesmith quickstart: ${reason}.`,
      remedy: REMEDY,
      cause,
    });
  }
}

function count(name: string, text: string | undefined, otherwise: number, least: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (/^\d{1,9}$/.test(text) && value >= least) return value;
  throw new FactoryError({
    code: 'CLI_USAGE',
    message: `--${name} expected a whole number from ${least}, found ${JSON.stringify(text)}.`,
    remedy: `Write for example --${name} ${otherwise}.`,
  });
}
