// In: lines typed by a person. Out: answers, as they are made. `clear` forgets, `exit` leaves, Ctrl-C stops an answer.
import { createInterface } from 'node:readline';
import type { Console } from './console.ts';

export interface ChatMessage {
  role: 'user' | 'assistant' | 'system';
  content: string;
}

/** How an answer is made; the names are those of the generator in pipeline.ts. */
interface Settings {
  maxNewTokens: number;
  doSample: boolean;
  temperature: number;
  topP: number;
  topK: number;
  repetitionPenalty: number;
  stop: string[];
  seed: number;
}

export interface ChatGenerator {
  generate(
    messages: ChatMessage[],
    options: Settings & { onText(delta: string): void; signal: AbortSignal },
  ): Promise<{ text: string; finish: 'stop' | 'length' | 'cancelled' }>;
}

export async function chat(
  generator: ChatGenerator,
  settings: Settings,
  system: string | null,
  terminal: Console,
  input: NodeJS.ReadStream = process.stdin,
): Promise<void> {
  const opening: ChatMessage[] = system === null ? [] : [{ role: 'system', content: system }];
  let history = [...opening];
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

  terminal.err('clear forgets the conversation, exit leaves, Ctrl-C stops an answer\n');
  try {
    lines.prompt();
    for await (const typed of lines) {
      const question = typed.trim();
      if (question === 'exit') break;
      if (question === 'clear') {
        history = [...opening];
        terminal.err('the conversation is forgotten\n');
      } else if (question !== '') {
        answering = new AbortController();
        const asked: ChatMessage[] = [...history, { role: 'user', content: question }];
        const answer = await generator.generate(asked, {
          ...settings,
          signal: answering.signal,
          onText: (delta) => terminal.out(delta),
        });
        answering = null;
        terminal.out(answer.finish === 'stop' ? '\n' : `\n[${answer.finish}]\n`);
        history = [...asked, { role: 'assistant', content: answer.text }];
      }
      // Piped input has ended by now, though its lines are still to come.
      if (isOpen) lines.prompt();
    }
  } finally {
    process.off('SIGINT', interrupt);
    lines.close();
  }
}
