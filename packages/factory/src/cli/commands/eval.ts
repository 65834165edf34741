// In: the words after `tunesmith eval`. Out: an evaluation folder, its values with intervals on stdout, and the exit status.
// It understands words and shows progress; the run itself is pipeline/run-evaluation.ts.
import { readFileSync } from 'node:fs';
import { checkEvalArgs } from '#factory/arguments/check-eval.ts';
import { parseEvalArgs } from '#factory/arguments/parse.ts';
import type { EvalEvent } from '#factory/records/eval-events.ts';
import type { CommandContext } from '../command.ts';
import type { Console } from '../console.ts';
import { isEvalAction, runEvalAction } from '../eval/run-action.ts';
import { EVAL_KEYS } from '../eval-keys.ts';
import { evaluationText } from '../eval-table.ts';
import { importUserCode } from '../import-user-code.ts';
import { stopOnSignals } from '../interrupt.ts';
import { formatDuration } from '../progress.ts';

export async function evaluate(context: CommandContext): Promise<number> {
  const { words, json, terminal, env } = context;
  const [action = ''] = words;
  if (isEvalAction(action)) return runEvalAction(action, context);
  const deps = { readFile: (path: string) => readFileSync(path, 'utf8'), env };
  const { args, evalArgs, notes, given } = parseEvalArgs(words, EVAL_KEYS, deps);
  checkEvalArgs(args, evalArgs, given);
  const show = progressOf(terminal, json);
  for (const { text } of notes) show({ kind: 'note', text });

  const stop = stopOnSignals(() => {
    show({ kind: 'note', text: 'stopping; what is answered is kept (Ctrl-C again stops at once)' });
  });
  try {
    const { runEvaluation } = await import('#factory/pipeline/run-evaluation.ts');
    const run = {
      given,
      env,
      signal: stop.signal,
      now: Date.now,
      onEvent: show,
      importModule: importUserCode,
    };
    const { record, scorecard, outputDir } = await runEvaluation(args, evalArgs, run);
    if (scorecard === null) {
      const text = `stopped; the same command goes on in ${outputDir}`;
      terminal.err(json ? `${JSON.stringify({ kind: 'note', text })}\n` : `${text}\n`);
      return 130;
    }
    if (json)
      terminal.out(
        `${JSON.stringify({ kind: 'evaluation', outputDir, record, scorecard: withoutItems(scorecard) })}\n`,
      );
    else terminal.out(evaluationText(record, scorecard, outputDir));
    return 0;
  } finally {
    stop.dispose();
  }
}

/** Values of single rows stay in the file. */
function withoutItems<T>(value: T): T {
  return JSON.parse(JSON.stringify(value, (key, part) => (key === 'perItem' ? undefined : part))) as T;
}

/** A live line on a terminal, a line for every tenth elsewhere, and with --json one object per event on stderr. */
function progressOf(terminal: Console, json: boolean): (event: EvalEvent) => void {
  let shown = 0;
  let live = false;
  const line = (text: string) => {
    terminal.err(`${live ? '\r\u001b[2K' : ''}${text}\n`);
    live = false;
  };
  return (event) => {
    if (json) {
      terminal.err(`${JSON.stringify(event)}\n`);
      return;
    }
    if (event.kind === 'note') line(`note: ${event.text}`);
    else if (event.kind === 'start') {
      line(event.detectable);
      const before = event.answered > 0 ? `, of which ${event.answered} are answered already` : '';
      line(`evaluating ${event.name} on ${event.rows} rows${before}`);
    } else {
      const { done, total, failed, secondsLeft } = event;
      const left = secondsLeft === null ? '' : `, ${formatDuration(secondsLeft)} left`;
      const text = `${done}/${total} rows${failed > 0 ? `, ${failed} failed` : ''}${left}`;
      const tenth = Math.floor((10 * done) / total);
      if (terminal.errIsTty && done < total) {
        terminal.err(`\r\u001b[2K${text}`);
        live = true;
      } else if (tenth > shown || done === total) line(text);
      shown = Math.max(shown, tenth);
    }
  };
}
