// In: the words after `tunesmith train`. Out: a training run with its progress on the terminal, and the exit status.
// It understands words and shows events; the run itself is pipeline.ts.
import { readFileSync } from 'node:fs';
import { parseTrainArgs } from '#factory/arguments/parse.ts';
import type { ArgNote, TrainArgs } from '#factory/records/train-args.ts';
import type { CommandContext } from '../command.ts';
import type { Console } from '../console.ts';
import { importUserCode } from '../import-user-code.ts';
import { stopOnSignals } from '../interrupt.ts';
import { createProgress } from '../progress.ts';

export async function train({ words, json, terminal, env }: CommandContext): Promise<number> {
  const { args, notes, given } = parseTrainArgs(words, {
    readFile: (path) => readFileSync(path, 'utf8'),
    env,
  });
  printNotes(notes, json, terminal);

  const progress = createProgress({
    json,
    isTty: terminal.errIsTty,
    columns: () => terminal.columns,
    line: json ? terminal.out : terminal.err,
  });
  const stop = stopOnSignals(() => {
    progress.message('stopping after this step; the checkpoint is being saved (Ctrl-C again stops at once)');
  });
  try {
    const { runTraining } = await import('#factory/pipeline.ts');
    const result = await runTraining(args, {
      notes,
      given,
      env,
      importModule: importUserCode,
      now: Date.now,
      signal: stop.signal,
      onEvent: progress.show,
    });
    progress.close();
    if (json) {
      terminal.out(`${JSON.stringify({ kind: 'result', ...result })}\n`);
    } else {
      terminal.out(summary(result, [...words, ...wordsToGoOn(args)]));
    }
    return result.stopped === 'interrupted' ? 130 : 0;
  } finally {
    progress.close();
    stop.dispose();
  }
}

function printNotes(notes: readonly ArgNote[], json: boolean, terminal: Console): void {
  for (const note of notes) {
    if (json)
      terminal.out(
        `${JSON.stringify({ kind: 'argument', key: note.key, note: note.kind, text: note.text })}\n`,
      );
    else terminal.err(`note: ${note.text}\n`);
  }
}

/** What turns the command that began a run into one that goes on with it. */
function wordsToGoOn({ overwrite_output_dir, resume_from_checkpoint }: TrainArgs): string[] {
  return [
    ...(overwrite_output_dir ? ['--overwrite_output_dir', 'false'] : []),
    ...(resume_from_checkpoint === null || resume_from_checkpoint === true
      ? []
      : ['--resume_from_checkpoint', 'true']),
  ];
}

function summary(
  result: { outputDir: string; stopped: string; metrics: Record<string, number> },
  words: readonly string[],
): string {
  const metrics = Object.entries(result.metrics).map(
    ([name, value]) => `  ${name.padEnd(32)} ${Number.isInteger(value) ? value : value.toPrecision(6)}`,
  );
  const last =
    result.stopped === 'interrupted'
      ? `stopped and saved in ${result.outputDir}; go on with:\n  tunesmith train ${words.map(quote).join(' ')}`
      : `${result.stopped === 'early' ? 'stopped early' : 'finished'}: ${result.outputDir}`;
  return `${[...metrics, last].join('\n')}\n`;
}

function quote(word: string): string {
  return /^[\w./:=,@+-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}
