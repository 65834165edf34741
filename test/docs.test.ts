// Every page for readers: links, anchors and file paths lead somewhere; every command names a script, a sub-command and
// keys that exist, with values that the parser takes. A command that is shown to fail must fail with the code that is shown.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { readCommandWords } from '../packages/factory/src/arguments/command-words.ts';
import { parseModelArgs, parseTrainArgs } from '../packages/factory/src/arguments/parse.ts';
import { readServeArgs } from '../packages/factory/src/arguments/serve-args.ts';
import { KEYS_ACTIONS, type KeysActionName } from '../packages/factory/src/arguments/table-serve.ts';
import { COMMANDS } from '../packages/factory/src/cli/command.ts';
import { EVAL_ACTIONS, type EvalActionName } from '../packages/factory/src/cli/eval/actions.ts';
import { isEvalAction } from '../packages/factory/src/cli/eval/run-action.ts';
import { GENERATE_KEYS } from '../packages/factory/src/cli/generate-keys.ts';
import { keyPage } from '../packages/factory/src/cli/help-pages.ts';
import { FactoryError } from '../packages/factory/src/errors.ts';
import { quickstartOptions } from '../packages/factory/src/quickstart/quickstart-options.ts';
import type { TrainArgs } from '../packages/factory/src/records/train-args.ts';
import { formatResolvedConfig, RESOLVED_CONFIG_FILE } from '../packages/factory/src/store/resolved-config.ts';
import { type Page, readPage, type ShellBlock, slug, splitShell } from './docs-reader.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const scripts = (
  JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
).scripts;
const pages = new Map(pagePaths().map((path) => [path, readPage(readFileSync(join(root, path), 'utf8'))]));

function pagePaths(): string[] {
  const docs = readdirSync(join(root, 'docs'), { recursive: true, encoding: 'utf8' }).map((path) =>
    join('docs', path),
  );
  return [...readdirSync(root), ...docs].filter((path) => path.endsWith('.md')).sort();
}

describe.each([...pages.keys()])('%s', (path) => {
  const page = pages.get(path)!;
  test('leads only to what exists', () => expect(deadEnds(path, page)).toEqual([]));
  test('shows only commands that exist', () =>
    expect(page.shells.flatMap((b) => wrongCommands(b, page))).toEqual([]));
});

test('pages exist in both languages with the same headings and commands', () => {
  for (const path of pages.keys()) {
    if (!path.endsWith('.zh-CN.md')) continue;
    const english = pages.get(path.replace('.zh-CN.md', '.md'));
    const chinese = pages.get(path)!;
    expect(english, path).toBeDefined();
    expect(chinese.anchors.size, `headings of ${path}`).toBe(english!.anchors.size);
    const commands = (page: Page) =>
      page.shells.flatMap((b) => b.commands.map((words) => words.slice(0, 3).join(' ')));
    expect(commands(chinese), `commands of ${path}`).toEqual(commands(english!));
  }
});

function deadEnds(path: string, page: Page): string[] {
  const dead = page.paths.filter((named) => !existsSync(join(root, named)));
  for (const link of page.links) {
    if (/^(https?|mailto):/.test(link)) continue;
    const [file, anchor] = link.split('#');
    const target = file === '' ? path : relative(root, resolve(root, dirname(path), decodeURI(file)));
    const isDead = target.startsWith('..') || !existsSync(join(root, target));
    if (isDead || (anchor && !pages.get(target)?.anchors.has(decodeURIComponent(anchor)))) dead.push(link);
  }
  return dead;
}

function wrongCommands(block: ShellBlock, page: Page): string[] {
  const shown = /error ([A-Z_]+):/.exec(block.text)?.[1] ?? null;
  const problems: string[] = [];
  let failures = 0;
  for (const words of block.commands) {
    const problem = judge(words, page);
    if (problem === null) continue;
    failures++;
    if (problem !== shown) problems.push(`${words.join(' ')}: ${problem}`);
  }
  // A refusal that depends on files (drift, a finished run) is not seen here; one by the parser must be.
  if (shown?.startsWith('ARGS_') && failures === 0)
    problems.push(`${shown} is shown, but the command is accepted`);
  return problems;
}

/** Null where the command is sound; else the code of the refusal, or what is wrong. */
function judge(words: string[], page: Page): string | null {
  const [program, ...rest] = words;
  if (program === 'npm' && rest[0] === 'run') {
    const [script, dashes, ...more] = rest.slice(1).filter((word) => word !== '--silent');
    if (!Object.hasOwn(scripts, script)) return `there is no script ${script}`;
    if (dashes !== undefined && dashes !== '--') return 'arguments of a script come after --';
    if (script === 'tunesmith') return judgeTunesmith(more, page);
    return script === 'quickstart' ? judgeTunesmith(['quickstart', ...more], page) : null;
  }
  if (program === 'npx' && rest[0] === 'tunesmith') return judgeTunesmith(rest.slice(1), page);
  if (program === 'tunesmith') return judgeTunesmith(rest, page);
  const file = program === 'node' ? rest.find((word) => !word.startsWith('-')) : undefined;
  return file !== undefined && !existsSync(join(root, file)) ? `there is no file ${file}` : null;
}

/** Runs that the pages have started so far, by output_dir: their resolved configuration can be a command's input. */
const runs = new Map<string, TrainArgs>();

function readFor(page: Page, path: string): string {
  const written = basename(path) === RESOLVED_CONFIG_FILE ? runs.get(dirname(path)) : undefined;
  if (written) return formatResolvedConfig(written);
  return page.files.get(path) ?? readFileSync(join(root, path), 'utf8');
}

function judgeTunesmith(words: string[], page: Page): string | null {
  const [command, ...all] = words;
  const rest = all.filter((word) => word !== '--json');
  const deps = { readFile: (path: string) => readFor(page, path) };
  if (!Object.hasOwn(COMMANDS, command)) return `there is no command ${command}`;
  try {
    if (command === 'train') {
      const { args } = parseTrainArgs(rest, deps);
      runs.set(args.output_dir, args);
    }
    if (command === 'generate') parseModelArgs(rest, GENERATE_KEYS, deps);
    if (command === 'eval' && isEvalAction(rest[0] ?? ''))
      readCommandWords(rest.slice(1), EVAL_ACTIONS[rest[0] as EvalActionName].keys, 'tunesmith eval');
    if (command === 'serve') readServeArgs(rest, deps);
    if (command === 'keys') judgeKeys(rest);
    if (command === 'quickstart') quickstartOptions(rest);
    if (command === 'help' && rest[0] !== undefined && !Object.hasOwn(COMMANDS, rest[0]))
      keyPage(rest[0], false);
    return null;
  } catch (error) {
    if (error instanceof FactoryError) return error.code;
    throw error;
  }
}

function judgeKeys([action = '', ...rest]: string[]): void {
  const { keys } = KEYS_ACTIONS[action as KeysActionName];
  const { things } = readCommandWords(rest, keys, 'tunesmith keys');
  expect(things.length).toBe(action === 'rotate' || action === 'revoke' ? 1 : 0);
}

describe('the reader of pages', () => {
  test('splits a line as a shell does', () => {
    expect(splitShell(`echo "a \\"b\\"" | npx tunesmith generate --prompt 'it is # here' # said`)).toEqual([
      ['echo', 'a "b"'],
      ['npx', 'tunesmith', 'generate', '--prompt', 'it is # here'],
    ]);
    expect(splitShell('npm ci && npm test')).toEqual([
      ['npm', 'ci'],
      ['npm', 'test'],
    ]);
  });

  test('finds what is wrong in a planted page', () => {
    const planted = readPage(
      [
        '# Head `a` & more',
        'See [x](missing.md), [y](#head-a--more), [z](#nothing) and `packages/nowhere.ts`.',
        '```sh',
        'npm run nothing',
        'npx tunesmith train --model_name_or_path M --do_train --dataset D --lora_rnak 8',
        'npx tunesmith fly',
        'npx tunesmith generate --model_name_or_path M \\',
        '  --prompt hello',
        '```',
        '```sh',
        'npx tunesmith train --model_name_or_path M',
        'error ARGS_MISSING: shown as it is',
        '```',
      ].join('\n'),
    );
    expect(slug('Head `a` & more')).toBe('head-a--more');
    expect(planted.paths.filter((path) => !existsSync(join(root, path)))).toEqual(['packages/nowhere.ts']);
    const problems = planted.shells.flatMap((block) => wrongCommands(block, planted));
    expect(problems).toEqual([
      'npm run nothing: there is no script nothing',
      'npx tunesmith train --model_name_or_path M --do_train --dataset D --lora_rnak 8: ARGS_UNKNOWN_KEY',
      'npx tunesmith fly: there is no command fly',
    ]);
  });
});
