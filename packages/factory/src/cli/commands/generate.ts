// In: the words after `tunesmith generate`, and standard input. Out: answers on stdout.
// It chooses where questions come from and shows answers; the model itself is behind pipeline.ts.
import { readFileSync } from 'node:fs';
import { text as readAll } from 'node:stream/consumers';
import { parseModelArgs } from '#factory/arguments/parse.ts';
import { FactoryError } from '#factory/errors.ts';
import type { ChatTurn } from '#factory/pipeline/inference.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { samplingOf } from '../chat/sampling-of.ts';
import type { CommandContext } from '../command.ts';
import { GENERATE_KEYS } from '../generate-keys.ts';
import { stopOnSignals } from '../interrupt.ts';

interface Wish {
  prompt: string | null;
  prompt_file: string | null;
  chat: boolean;
  system: string | null;
  raw: boolean;
  stop: string[];
  stream: boolean;
}

export async function generate({ words, json, terminal, env }: CommandContext): Promise<number> {
  const deps = { readFile: (path: string) => readFileSync(path, 'utf8'), env };
  const { args, notes, options } = parseModelArgs(words, GENERATE_KEYS, deps);
  const wish = options as unknown as Wish;
  checkWish(wish, json);
  for (const note of notes) terminal.err(`note: ${note.text}\n`);
  const prompt = wish.chat ? '' : await readPrompt(wish);

  if (wish.chat) {
    const { talk } = await import('../chat/talk.ts');
    return await talk([{ name: 'answer', args }], null, {
      ...{ terminal, env, system: wish.system, layout: 'rows', showsSpeed: false },
      sampling: samplingOf(args, wish.stop),
    });
  }
  const { openGenerator } = await import('#factory/pipeline.ts');
  const generator = await openGenerator(args, env);
  try {
    const settings = generationSettings(args, wish.stop);
    const stop = stopOnSignals(() => {});
    try {
      const showsText = wish.stream && !json;
      const run = {
        ...settings,
        signal: stop.signal,
        onText: showsText ? (delta: string) => terminal.out(delta) : () => {},
      };
      const answer = wish.raw
        ? await generator.generateRaw(prompt, run)
        : await generator.generate(conversation(wish.system, prompt), run);
      if (json) terminal.out(`${JSON.stringify(answer)}\n`);
      else terminal.out(showsText ? '\n' : `${answer.text}\n`);
      return answer.finish === 'cancelled' ? 130 : 0;
    } finally {
      stop.dispose();
    }
  } finally {
    await generator.close();
  }
}

function conversation(system: string | null, prompt: string): ChatTurn[] {
  const question: ChatTurn = { role: 'user', content: prompt };
  return system === null ? [question] : [{ role: 'system', content: system }, question];
}

function generationSettings(args: TrainArgs, stop: string[]) {
  return {
    maxNewTokens: args.max_new_tokens,
    doSample: args.do_sample,
    temperature: args.temperature,
    topP: args.top_p,
    topK: args.top_k,
    repetitionPenalty: args.repetition_penalty,
    stop,
    seed: args.seed,
  };
}

function checkWish(wish: Wish, json: boolean): void {
  const sources = [
    wish.prompt !== null && 'prompt',
    wish.prompt_file !== null && 'prompt_file',
    wish.chat && 'chat',
  ].filter((one) => one !== false);
  const clash =
    sources.length > 1
      ? `${sources.join(' and ')} exclude each other`
      : wish.chat && wish.raw
        ? 'chat and raw exclude each other: a conversation needs a template'
        : wish.chat && json
          ? 'chat and --json exclude each other'
          : wish.raw && wish.system !== null
            ? 'raw and system exclude each other: text without a template has no system part'
            : null;
  if (clash !== null) {
    throw new FactoryError({ code: 'ARGS_CONFLICT', message: clash, remedy: 'Keep one of the two.' });
  }
}

async function readPrompt(wish: Wish): Promise<string> {
  const prompt =
    wish.prompt ?? (wish.prompt_file === null ? await readInput() : readPromptFile(wish.prompt_file));
  if (prompt === '') {
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'the prompt is empty',
      remedy: 'Give a text with --prompt, --prompt_file or on standard input, or add --chat.',
    });
  }
  return prompt;
}

function readPromptFile(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new FactoryError({
      code: 'ARGS_FILE',
      message: `the prompt file ${path} cannot be read (${cause instanceof Error ? cause.message : String(cause)})`,
      remedy: 'Check the path after --prompt_file.',
      cause,
    });
  }
}

async function readInput(): Promise<string> {
  if (process.stdin.isTTY === true) {
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message:
        'there is no prompt: none of prompt, prompt_file and chat is given, and standard input is a terminal',
      remedy: 'Add --prompt "text", --prompt_file or --chat.',
    });
  }
  return (await readAll(process.stdin)).replace(/\r?\n$/, '');
}
