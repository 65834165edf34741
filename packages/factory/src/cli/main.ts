// In: the command line of `tunesmith`. Out: one command run, and the exit status.
// Everything heavy is loaded by the command that needs it, so that help and errors come at once.
import { enableCompileCache } from 'node:module';
import { FactoryError } from '#factory/errors.ts';
import { COMMANDS, type Command, type CommandName } from './command.ts';
import { terminal } from './console.ts';
import { renderError } from './render-error.ts';

const LOAD: Record<CommandName, () => Promise<Command>> = {
  train: async () => (await import('./commands/train.ts')).train,
  generate: async () => (await import('./commands/generate.ts')).generate,
  chat: async () => (await import('./commands/chat.ts')).chatCommand,
  plan: async () => (await import('./commands/plan.ts')).plan,
  data: async () => (await import('./commands/data.ts')).data,
  eval: async () => (await import('./commands/eval.ts')).evaluate,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  quantize: async () => (await import('./commands/quantize.ts')).quantize,
  serve: async () => (await import('./commands/serve.ts')).serve,
  keys: async () => (await import('./commands/keys.ts')).keys,
  expand: async () => (await import('./commands/expand.ts')).expand,
  inferences: async () => (await import('./commands/inferences.ts')).inferences,
  quickstart: async () => (await import('./commands/quickstart.ts')).quickstart,
  setup: async () => (await import('./commands/setup.ts')).setup,
  env: async () => (await import('./commands/env.ts')).env,
  version: async () => (await import('./commands/version.ts')).version,
  help: async () => (await import('./commands/help.ts')).help,
  completion: async () => (await import('./commands/completion.ts')).completion,
};

const ALIASES: Readonly<Record<string, CommandName>> = {
  '--version': 'version',
  '-v': 'version',
  '--help': 'help',
  '-h': 'help',
};

export async function main(words: readonly string[]): Promise<number> {
  // Stripping types and compiling takes most of the start-up; the cache in the system's temporary folder spares both.
  enableCompileCache();
  const json = words.includes('--json');
  try {
    const rest = words.filter((word) => word !== '--json');
    const first = rest.shift() ?? 'help';
    const name = await toCommand(first);
    const wantsHelp = name !== 'help' && rest.some((word) => word === '--help' || word === '-h');
    const run = await LOAD[wantsHelp ? 'help' : name]();
    return await run({ words: wantsHelp ? [name] : rest, json, terminal, env: process.env });
  } catch (error) {
    const rendered = renderError(error);
    terminal.err(json ? `${JSON.stringify(rendered.json)}\n` : rendered.text);
    return rendered.exitCode;
  }
}

async function toCommand(word: string): Promise<CommandName> {
  if (Object.hasOwn(COMMANDS, word)) return word as CommandName;
  if (Object.hasOwn(ALIASES, word)) return ALIASES[word]!;
  const { suggest } = await import('#factory/arguments/suggest.ts');
  const meant = suggest(word, Object.keys(COMMANDS));
  throw new FactoryError({
    code: 'CLI_UNKNOWN_COMMAND',
    message: `expected one of ${Object.keys(COMMANDS).join(', ')}, found ${JSON.stringify(word)}${meant === null ? '' : `; did you mean ${meant}?`}`,
    remedy: meant === null ? 'Run "tunesmith help" for the commands.' : `Write "tunesmith ${meant}".`,
  });
}

if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
