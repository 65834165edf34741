// In: older names found in a command, and what was given. Out: a note that dates the command and names the defaults
// that have changed since. It changes no value.
import type { ArgNote, TrainArgs } from '#factory/records/train-args.ts';

/** Defaults of the train_bash.py era (v0.5 and v0.6) that differ today. */
const OLD_DEFAULTS: { key: keyof TrainArgs; old: string; matters: (args: TrainArgs) => boolean }[] = [
  { key: 'cutoff_len', old: '1024', matters: () => true },
  { key: 'lora_target', old: 'required until v0.5.3', matters: (args) => args.finetuning_type === 'lora' },
  {
    key: 'freeze_trainable_layers',
    old: '3 until v0.5.3',
    matters: (args) => args.finetuning_type === 'freeze' || args.use_llama_pro,
  },
  { key: 'max_new_tokens', old: '512', matters: (args) => args.predict_with_generate },
  {
    key: 'template_version',
    old: 'v0.6.3',
    matters: (args) => args.stage === 'sft' && args.template !== null,
  },
];

export function eraNotes(
  eraNames: readonly string[],
  args: TrainArgs,
  given: Record<string, unknown>,
): ArgNote[] {
  if (eraNames.length === 0) return [];
  const changed = OLD_DEFAULTS.filter(({ key, matters }) => !Object.hasOwn(given, key) && matters(args)).map(
    ({ key, old }) => `${key} was ${old} and is ${String(args[key])}`,
  );
  const rest = changed.length === 0 ? '' : `: ${changed.join('; ')}. Write a key to get its old value`;
  return [
    {
      key: eraNames[0]!,
      kind: 'info',
      text: `this command is of the train_bash.py era (${eraNames.join(', ')}); today's defaults are used${rest}`,
    },
  ];
}
