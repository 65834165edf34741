// In: the words after `tunesmith data split`. Out: the parts in a folder; on the terminal their sizes, what ties rows together,
// and that no tie crosses parts.
import { FactoryError } from '#factory/errors.ts';
import type { Certificate } from '#factory/pipeline/split-data.ts';
import type { CommandContext } from '../command.ts';
import { stopOnSignals } from '../interrupt.ts';
import { cleanProgress } from './clean-progress.ts';
import { readDataWords } from './read-words.ts';

interface Wish {
  output_dir: string | null;
  test_size: number;
  val_size: number;
  seed: number;
  stratify_by: string | null;
  group_by: string[];
  threshold: number;
}

export async function split({ words, json, terminal }: CommandContext): Promise<number> {
  const { things, options } = readDataWords(words, 'split');
  const wish = options as unknown as Wish;
  if (things.length === 0 || wish.output_dir === null)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: `tunesmith data split: ${things.length === 0 ? 'the input' : 'output_dir'} is missing`,
      remedy: 'Write "tunesmith data split rows.jsonl --output_dir data --test_size 0.1".',
    });
  const { splitData, CERTIFICATE_FILE } = await import('#factory/pipeline/split-data.ts');
  const progress = cleanProgress({ json, terminal, now: () => performance.now() });
  const stop = stopOnSignals(() => progress.message('stopping (Ctrl-C again stops at once)'));
  try {
    const certificate = await splitData(
      things,
      {
        outputDir: wish.output_dir,
        testSize: wish.test_size,
        valSize: wish.val_size,
        seed: wish.seed,
        stratifyBy: wish.stratify_by,
        groupBy: wish.group_by,
        threshold: wish.threshold,
      },
      {
        signal: stop.signal,
        progress: (done, total) => progress.show({ kind: 'progress', step: 'split', done, total }),
      },
    );
    progress.close();
    terminal.out(
      json ? `${JSON.stringify(certificate)}\n` : splitText(certificate, wish.output_dir, CERTIFICATE_FILE),
    );
    const { same_prompt, near_prompt, same_column } = certificate.crossing;
    return same_prompt + near_prompt + same_column === 0 ? 0 : 1;
  } finally {
    progress.close();
    stop.dispose();
  }
}

/** Parts that miss their share by more than this are pointed out: groups cannot be cut. */
const TOLERANCE = 0.02;

export function splitText(certificate: Certificate, folder: string, file: string): string {
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const { parts, ties, crossing, unreadable } = certificate;
  const lines = Object.entries(parts).map(([name, { rows, share, wanted }]) => {
    const off = Math.abs(share - wanted) > TOLERANCE ? `, wanted ${percent(wanted)}: groups are not cut` : '';
    return `  ${name.padEnd(6)} ${String(rows).padStart(8)} rows  ${percent(share)}${off}`;
  });
  const lost = Object.entries(unreadable).map(([reason, rows]) => `${reason} ${rows}`);
  const tied = Object.entries(ties).map(([kind, rows]) => `${kind} ${rows}`);
  const { same_prompt, near_prompt, same_column } = crossing;
  return [
    `${certificate.rows} rows${lost.length === 0 ? '' : `, unreadable: ${lost.join(', ')}`}; ${certificate.groups} groups, the largest of ${certificate.largest_group} rows`,
    ...lines,
    `  stratified by ${certificate.stratified_by}; ties: ${tied.join(', ') || 'none'}`,
    `  crossing parts: same prompt ${same_prompt}, near prompt ${near_prompt}, same column ${same_column}`,
    `${folder}/${file} says so; train with --dataset train --dataset_dir ${folder}`,
    '',
  ].join('\n');
}
