// In: the words after `tunesmith quickstart`. Out: its exit status; the story itself is quickstart/quickstart.ts.
import { readFileSync } from 'node:fs';
import type { CommandContext } from '../command.ts';
import { stopOnSignals } from '../interrupt.ts';
import { createProgress } from '../progress.ts';

export async function quickstart({ words, json, terminal, env }: CommandContext): Promise<number> {
  const { runQuickstart } = await import('#factory/quickstart/quickstart.ts');
  const progress = createProgress({
    json,
    isTty: terminal.errIsTty,
    columns: () => terminal.columns,
    line: json ? terminal.out : terminal.err,
  });
  const stop = stopOnSignals(() => progress.message('stopping after this step (Ctrl-C again stops at once)'));
  try {
    return await runQuickstart(json ? [...words, '--json'] : words, {
      out: terminal.out,
      err: (text) => {
        progress.close();
        terminal.err(text);
      },
      env,
      now: Date.now,
      readFile: (path) => readFileSync(path, 'utf8'),
      signal: stop.signal,
      onEvent: progress.show,
    });
  } finally {
    progress.close();
    stop.dispose();
  }
}
