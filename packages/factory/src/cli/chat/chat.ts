// In: lines typed by a person, and one or two models. Out: their answers, as they are made, and the conversation in a file where
// it is asked for. Ctrl-C stops an answer, and leaves where none is under way.
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import type { ChatAskMessage, SamplingAsk } from '#factory/records/served-model.ts';
import { diskError } from '#factory/store/disk-error.ts';
import type { Console } from '../console.ts';
import { renderError } from '../render-error.ts';
import { askSide, type ChatSide, message, type SideAnswer } from './ask-side.ts';
import { twoColumns } from './two-columns.ts';

export interface ChatSettings {
  sampling: SamplingAsk;
  system: string | null;
  /** Two answers side by side, or one after the other. */
  layout: 'columns' | 'rows';
  /** Tell tokens and seconds of each answer. */
  showsSpeed: boolean;
  /** Milliseconds, monotonic. */
  clock(): number;
}

const HELP =
  'clear forgets the conversation, /system TEXT sets the system text, /save FILE appends the conversation, exit leaves, Ctrl-C stops an answer\n';

export async function chat(
  sides: readonly ChatSide[],
  settings: ChatSettings,
  terminal: Console,
  input: NodeJS.ReadStream = process.stdin,
): Promise<void> {
  let system = settings.system;
  const opening = () => (system === null ? [] : [message('system', system)]);
  let histories: ChatAskMessage[][] = sides.map(opening);
  let answering: AbortController | null = null;
  const lines = createInterface({ input, output: input.isTTY ? process.stdout : undefined, prompt: '> ' });
  const interrupt = () => {
    if (answering !== null) answering.abort();
    else lines.close();
  };
  let isOpen = true;
  lines.on('close', () => {
    isOpen = false;
  });
  lines.on('SIGINT', interrupt);
  process.on('SIGINT', interrupt);

  terminal.err(HELP);
  try {
    lines.prompt();
    for await (const typed of lines) {
      const question = typed.trim();
      const [, command, rest] =
        /^\/?(exit|clear|help)$/.exec(question) ?? /^\/(\w+)(?:\s+(.*))?$/s.exec(question) ?? [];
      if (command === 'exit') break;
      if (command !== undefined) obey(command, rest ?? '');
      else if (question !== '') await answer(question);
      // Piped input has ended by now, though its lines are still to come.
      if (isOpen) lines.prompt();
    }
  } finally {
    process.off('SIGINT', interrupt);
    lines.close();
  }

  function obey(command: string, rest: string): void {
    if (command === 'clear') {
      histories = sides.map(opening);
      terminal.err('the conversation is forgotten\n');
    } else if (command === 'system') {
      system = rest === '' ? null : rest;
      histories = sides.map(opening);
      terminal.err(
        `${system === null ? 'no system text' : 'the system text is set'}; the conversation is forgotten\n`,
      );
    } else if (command === 'save') save(rest);
    else terminal.err(HELP);
  }

  /** A row of OpenAI's format per model, as training reads them. */
  function save(file: string): void {
    if (file === '') {
      terminal.err('write /save and a file\n');
      return;
    }
    const rows = histories.map((history) => ({
      messages: history.map(({ role, content }) => ({ role, content })),
    }));
    try {
      appendFileSync(file, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
      terminal.err(`${rows.length === 1 ? 'a row' : `${rows.length} rows`} appended to ${file}\n`);
    } catch (error) {
      terminal.err(renderError(diskError(error, 'append to', file)).text);
    }
  }

  async function answer(question: string): Promise<void> {
    const abort = new AbortController();
    answering = abort;
    const asked = histories.map((history) => [...history, message('user', question)]);
    try {
      const answers = await (sides.length === 2 && settings.layout === 'columns' ? inColumns : inRows)(
        asked,
        abort,
      );
      histories = asked.map((history, i) => {
        const own = answers[i];
        return own ? [...history, message('assistant', own.text)] : (histories[i] as ChatAskMessage[]);
      });
    } catch (error) {
      // One question that cannot be answered ends no conversation.
      terminal.err(renderError(error).text);
    } finally {
      answering = null;
    }
  }

  async function inRows(asked: ChatAskMessage[][], abort: AbortController): Promise<SideAnswer[]> {
    const answers: SideAnswer[] = [];
    for (const [i, side] of sides.entries()) {
      if (abort.signal.aborted) break;
      if (sides.length > 1) terminal.out(`${side.name}: `);
      const own = await askSide(side, asked[i] as ChatAskMessage[], settings.sampling, {
        signal: abort.signal,
        clock: settings.clock,
        onText: (delta) => terminal.out(delta),
        onThought: (delta) => terminal.err(delta),
      });
      terminal.out(own.finish === 'stop' ? '\n' : `\n[${own.finish}]\n`);
      tellSpeed(side, own);
      answers.push(own);
    }
    return answers;
  }

  async function inColumns(asked: ChatAskMessage[][], abort: AbortController): Promise<SideAnswer[]> {
    const both = twoColumns(terminal.columns);
    terminal.out(both.add(0, `${sides[0]?.name}\n`) + both.add(1, `${sides[1]?.name}\n`));
    const answers = await Promise.all(
      sides.map(async (side, i) => {
        const at = i as 0 | 1;
        const own = await askSide(side, asked[i] as ChatAskMessage[], settings.sampling, {
          signal: abort.signal,
          clock: settings.clock,
          onText: (delta) => terminal.out(both.add(at, delta)),
          onThought: () => {},
        });
        if (own.finish !== 'stop') terminal.out(both.add(at, `\n[${own.finish}]`));
        terminal.out(both.end(at));
        return own;
      }),
    );
    for (const [i, side] of sides.entries()) tellSpeed(side, answers[i] as SideAnswer);
    return answers;
  }

  function tellSpeed({ name }: ChatSide, { tokens, firstMs, totalMs }: SideAnswer): void {
    if (!settings.showsSpeed || tokens === 0) return;
    const rate = totalMs > firstMs ? `, ${((1000 * tokens) / totalMs).toFixed(1)} tokens/s` : '';
    terminal.err(
      `[${sides.length > 1 ? `${name}: ` : ''}${tokens} tokens${rate}, first after ${(firstMs / 1000).toFixed(2)} s]\n`,
    );
  }
}
