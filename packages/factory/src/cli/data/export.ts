// In: the words after `tunesmith data export`. Out: files and a dataset_info.json, and what they hold on stdout.
import { join } from 'node:path';
import type { ExportedSet, ExportWish } from '#factory/pipeline/export-run.ts';
import type { CommandContext } from '../command.ts';
import { oneRun, readDataWords } from './read-words.ts';

export async function exportRows({ words, json, terminal }: CommandContext): Promise<number> {
  const { things, options } = readDataWords(words, 'export');
  const run = oneRun(things, 'export');
  const { CleanLedger } = await import('#factory/store/clean-ledger.ts');
  const { exportRun } = await import('#factory/pipeline/export-run.ts');
  const folder = (options.export_dir as string | null) ?? join(run, 'export');
  const ledger = await CleanLedger.open(run, false);
  try {
    const sets = await exportRun(ledger, folder, exportWish(options));
    terminal.out(json ? `${JSON.stringify({ folder, sets })}\n` : exportText(folder, sets).join('\n'));
    return 0;
  } finally {
    ledger.close();
  }
}

export function exportWish(options: Record<string, unknown>): ExportWish {
  const to = options.to as string;
  const isLayout = to === 'alpaca' || to === 'sharegpt' || to === 'openai';
  return {
    layout: isLayout ? to : null,
    container: isLayout ? 'jsonl' : (to as ExportWish['container']),
    name: options.name as string,
    keep: options.keep as string[],
    ids: options.ids as boolean,
  };
}

export function exportText(folder: string, sets: readonly ExportedSet[]): string[] {
  const stages = { sft: 'sft', preference: 'dpo', feedback: 'kto', text: 'pt' } as const;
  return sets.flatMap(({ name, path, kind, layout, rows }) => [
    `${path}: ${rows} rows, ${kind === 'text' ? 'text' : layout}; read back by the trainer's reader: ${rows}`,
    `train on them: tunesmith train --stage ${stages[kind]} --dataset ${name} --dataset_dir ${folder} ...`,
    '',
  ]);
}
