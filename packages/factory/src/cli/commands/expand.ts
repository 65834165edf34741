// In: the words after `tunesmith expand`. Out: a model folder with identity blocks inserted, and what was done on stdout.
import { readFileSync } from 'node:fs';
import { parseModelArgs } from '#factory/arguments/parse.ts';
import { FactoryError } from '#factory/errors.ts';
import type { CommandContext } from '../command.ts';
import { EXPAND_KEYS } from '../expand-keys.ts';

export async function expand({ words, json, terminal, env }: CommandContext): Promise<number> {
  const deps = { readFile: (path: string) => readFileSync(path, 'utf8'), env };
  const { args, notes, given, options } = parseModelArgs(words, EXPAND_KEYS, deps);
  for (const { text } of notes) terminal.err(`note: ${text}\n`);
  const wish = options as { num_expand: number | null; shard_size: number; verify: boolean };
  for (const [name, value] of [
    ['output_dir', given.output_dir],
    ['num_expand', wish.num_expand],
  ] as const)
    if (value === undefined || value === null)
      throw new FactoryError({
        code: 'ARGS_MISSING',
        message: `tunesmith expand: ${name} is missing`,
        remedy: `Add --${name}, as in --num_expand 4 --output_dir expanded.`,
      });
  const { expandModel } = await import('#factory/pipeline/expand-model.ts');
  const result = await expandModel(
    args,
    { numExpand: wish.num_expand as number, maxShardBytes: wish.shard_size * 1e9, verify: wish.verify },
    { env, note: (text) => terminal.err(`note: ${text}\n`) },
  );
  if (json) {
    terminal.out(`${JSON.stringify(result)}\n`);
    return 0;
  }
  const { outputDir, layers, inserted, logitDifference } = result;
  const checked = logitDifference === null ? 'not compared' : `differ by ${logitDifference}`;
  terminal.out(
    `${outputDir}: ${layers} layers, of which ${inserted.join(', ')} are new; the logits ${checked}\n` +
      `Train them: --model_name_or_path ${outputDir} --use_llama_pro --freeze_trainable_layers ${inserted.length}, with finetuning_type freeze or lora\n`,
  );
  return 0;
}
