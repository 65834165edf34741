// In: the name of a shell. Out: its completion script on stdout, with every command, action, key and value.
import { FactoryError } from '#factory/errors.ts';
import { COMMANDS, type CommandContext } from '../command.ts';
import { type CompletedCommand, completedCommands } from '../completed-words.ts';

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

type Key = CompletedCommand['keys'][number];

function completionScript(shell: string): string | null {
  if (shell === 'bash') return bash();
  if (shell === 'zsh') return `autoload -U +X bashcompinit && bashcompinit\n${bash()}`;
  return shell === 'fish' ? fish() : null;
}

/** Values of a key that has few; a list of them takes one as well. Null where any text will do. */
function choicesOf({ type, refusedValues = {} }: Key): string | null {
  if (type.kind !== 'enum' && type.kind !== 'bool') return null;
  return (type.choices ?? ['true', 'false']).filter((one) => !Object.hasOwn(refusedValues, one)).join(' ');
}

const flags = (keys: readonly Key[]) => [...keys.map(({ name }) => `--${name}`), '--json'].join(' ');

/** `COMMAND`, and `COMMAND ACTION` for commands that have actions, with the keys of each. */
function places(): { command: string; action: string; keys: readonly Key[] }[] {
  return Object.entries(completedCommands()).flatMap(([command, { keys, actions }]) => [
    ...Object.entries(actions).map(([action, own]) => ({ command, action, keys: own })),
    { command, action: '', keys },
  ]);
}

function bash(): string {
  const all = places();
  const pattern = ({ command, action }: (typeof all)[number]) =>
    action === '' ? `"${command} "*` : `"${command} ${action}"`;
  const keyCases = all.map((place) => `    ${pattern(place)}) keys="${flags(place.keys)}" ;;`);
  // The same key may have other values in another command, so a value is looked up by both.
  const valueCases = all.flatMap((place) =>
    place.keys.flatMap((key) => {
      const choices = choicesOf(key);
      return choices === null ? [] : [`    ${pattern(place)}" --${key.name}") values="${choices}" ;;`];
    }),
  );
  const first = Object.entries(completedCommands()).flatMap(([command, { actions, words }]) => {
    const known = [...Object.keys(actions), ...words];
    return known.length === 0 ? [] : [`    ${command}) first="${known.join(' ')}" ;;`];
  });
  const onlyWords = Object.entries(completedCommands())
    .filter(([, { words }]) => words.length > 0)
    .map(([command]) => command);
  return `# tunesmith completion; load it with: source <(tunesmith completion bash)
_tunesmith() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" values="" keys="" first=""
  local place="\${COMP_WORDS[1]} \${COMP_WORDS[2]}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${Object.keys(COMMANDS).join(' ')}" -- "$word"))
    return
  fi
  case "$place $before" in
${valueCases.join('\n')}
  esac
  if [ -n "$values" ] && [ "\${word#-}" = "$word" ]; then
    COMPREPLY=($(compgen -W "$values" -- "$word"))
    return
  fi
  case "$place" in
${keyCases.join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${first.join('\n')}
  esac
  case "$word" in
    -*) COMPREPLY=($(compgen -W "$keys" -- "$word")) ;;
    *)
      if [ "$COMP_CWORD" -eq 2 ] && [ -n "$first" ]; then COMPREPLY=($(compgen -W "$first" -- "$word")); fi
      case "\${COMP_WORDS[1]}" in
        ${onlyWords.join('|')}) ;;
        *) if [ "\${#COMPREPLY[@]}" -eq 0 ]; then COMPREPLY=($(compgen -f -- "$word")); fi ;;
      esac ;;
  esac
}
complete -o filenames -F _tunesmith tunesmith
`;
}

function fish(): string {
  const lines = Object.entries(completedCommands()).flatMap(([command, { keys, actions, words }]) => {
    const inCommand = `__fish_seen_subcommand_from ${command}`;
    const names = Object.keys(actions);
    const noAction = names.length === 0 ? '' : `; and not __fish_seen_subcommand_from ${names.join(' ')}`;
    const own = [...names, ...words];
    return [
      ...(own.length === 0
        ? []
        : [
            `complete -c tunesmith ${words.length > 0 ? '-f ' : ''}-n '${inCommand}${noAction}' -a ${quote(own.join(' '))}`,
          ]),
      ...keys.map((key) => option(`${inCommand}${noAction}`, key)),
      ...Object.entries(actions).flatMap(([action, list]) =>
        list.map((key) => option(`${inCommand}; and __fish_seen_subcommand_from ${action}`, key)),
      ),
    ];
  });
  return [
    '# tunesmith completion; load it with: tunesmith completion fish | source',
    ...Object.entries(COMMANDS).map(
      ([name, meaning]) =>
        `complete -c tunesmith -f -n __fish_use_subcommand -a ${name} -d ${quote(meaning)}`,
    ),
    ...lines,
    '',
  ].join('\n');
}

function option(condition: string, key: Key): string {
  const choices = choicesOf(key);
  const argument = choices === null ? '-r' : `-x -a ${quote(choices)}`;
  return `complete -c tunesmith -n '${condition}' -l ${key.name} -d ${quote(key.meaning)} ${argument}`;
}

function quote(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
