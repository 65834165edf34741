// In: nothing. Out: what each command takes, for the shell completion: its keys, and its actions with theirs.
import { INFERENCES_ACTIONS } from '#factory/arguments/inference-keys.ts';
import type { ArgKey } from '#factory/arguments/key.ts';
import { ARG_TABLE } from '#factory/arguments/table.ts';
import { KEYS_ACTIONS, SERVE_KEYS } from '#factory/arguments/table-serve.ts';
import { CHAT_KEYS } from './chat-keys.ts';
import { COMMANDS, type CommandName } from './command.ts';
import { DATA_ACTIONS } from './data/actions.ts';
import { EVAL_ACTIONS } from './eval/actions.ts';
import { EVAL_KEYS } from './eval-keys.ts';
import { EXPAND_KEYS } from './expand-keys.ts';
import { EXPORT_KEYS } from './export-keys.ts';
import { GENERATE_KEYS } from './generate-keys.ts';
import { PLAN_KEYS } from './plan-keys.ts';
import { QUANTIZE_KEYS } from './quantize-keys.ts';

type CompletedKey = Pick<ArgKey, 'name' | 'meaning' | 'type' | 'refusedValues'>;

export interface CompletedCommand {
  keys: readonly CompletedKey[];
  /** Action → its keys, for commands whose first word is one. */
  actions: Readonly<Record<string, readonly CompletedKey[]>>;
  /** Words that stand instead of files. */
  words: readonly string[];
}

const NONE: CompletedCommand = { keys: [], actions: {}, words: [] };

export function completedCommands(): Record<CommandName, CompletedCommand> {
  const model = [...ARG_TABLE.values()].filter((key) => key.status === 'supported');
  const withModel = (own: readonly ArgKey[]) => ({ ...NONE, keys: unique([...own, ...model]) });
  const all = Object.fromEntries(Object.keys(COMMANDS).map((name) => [name, NONE])) as Record<
    CommandName,
    CompletedCommand
  >;
  return {
    ...all,
    train: { ...NONE, keys: model },
    generate: withModel(GENERATE_KEYS),
    chat: withModel(CHAT_KEYS),
    plan: withModel(PLAN_KEYS),
    eval: { ...withModel(EVAL_KEYS), actions: keysOf(EVAL_ACTIONS) },
    export: withModel(EXPORT_KEYS),
    expand: withModel(EXPAND_KEYS),
    data: {
      ...NONE,
      actions: { ...keysOf(DATA_ACTIONS), ifd: unique([...DATA_ACTIONS.ifd.keys, ...model]) },
    },
    quantize: { ...NONE, keys: QUANTIZE_KEYS },
    serve: { ...NONE, keys: SERVE_KEYS },
    keys: { ...NONE, actions: keysOf(KEYS_ACTIONS) },
    inferences: { ...NONE, actions: keysOf(INFERENCES_ACTIONS) },
    setup: { ...NONE, words: ['cuda'] },
    help: { ...NONE, words: Object.keys(COMMANDS) },
    completion: { ...NONE, words: ['bash', 'zsh', 'fish'] },
  };
}

function keysOf(actions: Readonly<Record<string, { keys: readonly ArgKey[] }>>) {
  return Object.fromEntries(Object.entries(actions).map(([name, { keys }]) => [name, keys]));
}

/** A command's own key hides one of the same name in the table. */
function unique(keys: readonly CompletedKey[]): CompletedKey[] {
  const seen = new Map<string, CompletedKey>();
  for (const key of keys) if (!seen.has(key.name)) seen.set(key.name, key);
  return [...seen.values()];
}
