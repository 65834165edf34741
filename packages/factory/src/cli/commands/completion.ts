// In: the name of a shell. Out: its completion script on stdout, with every command and key.
import { ARG_TABLE } from '#factory/arguments/table.ts';
import { FactoryError } from '#factory/errors.ts';
import { COMMANDS, type CommandContext } from '../command.ts';
import { GENERATE_KEYS } from '../generate-keys.ts';

export async function completion({ words, terminal }: CommandContext): Promise<number> {
  const shell = words[0] ?? '';
  const script = completionScript(shell);
  if (script === null || words.length > 1) {
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `expected one of bash, zsh, fish after completion, found ${JSON.stringify(words.join(' '))}`,
      remedy: 'Name the shell, as in `source <(tunesmith completion bash)`.',
    });
  }
  terminal.out(script);
  return 0;
}

export function completionScript(shell: string): string | null {
  const keys = [...ARG_TABLE.values()].filter((key) => key.status === 'supported');
  const train = keys.map((key) => `--${key.name}`).concat('--json');
  const generate = [...GENERATE_KEYS.map((key) => `--${key.name}`), ...train];
  const choices = keys.flatMap((key) =>
    key.type.kind === 'enum' || key.type.kind === 'bool'
      ? [[key.name, openChoices(key.type.choices ?? ['true', 'false'], key.refusedValues)] as const]
      : [],
  );
  if (shell === 'bash') return bash(train, generate, choices);
  if (shell === 'zsh')
    return `autoload -U +X bashcompinit && bashcompinit\n${bash(train, generate, choices)}`;
  return shell === 'fish' ? fish(keys, choices) : null;
}

function openChoices(choices: readonly string[], refused: Readonly<Record<string, string>> = {}): string {
  return choices.filter((one) => !Object.hasOwn(refused, one)).join(' ');
}

type Choices = readonly (readonly [string, string])[];

function bash(train: readonly string[], generate: readonly string[], choices: Choices): string {
  const cases = choices.map(([name, words]) => `    --${name}) values="${words}" ;;`);
  return `# tunesmith completion; load it with: source <(tunesmith completion bash)
_tunesmith() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" values="" keys=""
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${Object.keys(COMMANDS).join(' ')}" -- "$word"))
    return
  fi
  case "$before" in
${cases.join('\n')}
  esac
  if [ -n "$values" ] && [ "\${word#-}" = "$word" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$word"))
    return
  fi
  case "\${COMP_WORDS[1]}" in
    train) keys="${train.join(' ')}" ;;
    generate) keys="${generate.join(' ')}" ;;
    help) keys="${Object.keys(COMMANDS).join(' ')}" ;;
    completion) keys="bash zsh fish" ;;
    setup) keys="cuda" ;;
    *) keys="--json" ;;
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$keys" -- "$word")) ;;
    *)
      case "\${COMP_WORDS[1]}" in
        help|completion|setup) COMPREPLY=($(compgen -W "$keys" -- "$word")) ;;
        *) COMPREPLY=($(compgen -f -- "$word")) ;;
      esac ;;
  esac
}
complete -o filenames -F _tunesmith tunesmith
`;
}

function fish(keys: readonly { name: string; meaning: string }[], choices: Choices): string {
  const values = new Map(choices);
  const option = (command: string, name: string, meaning: string) => {
    const words = values.get(name);
    const argument = words === undefined ? ' -r' : ` -x -a ${quote(words)}`;
    return `complete -c tunesmith -n '__fish_seen_subcommand_from ${command}' -l ${name} -d ${quote(meaning)}${argument}`;
  };
  return [
    '# tunesmith completion; load it with: tunesmith completion fish | source',
    ...Object.entries(COMMANDS).map(
      ([name, meaning]) =>
        `complete -c tunesmith -f -n __fish_use_subcommand -a ${name} -d ${quote(meaning)}`,
    ),
    ...keys.map((key) => option('train generate', key.name, key.meaning)),
    ...GENERATE_KEYS.map((key) => option('generate', key.name, key.meaning)),
    `complete -c tunesmith -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'`,
    `complete -c tunesmith -f -n '__fish_seen_subcommand_from setup' -a cuda`,
    '',
  ].join('\n');
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
