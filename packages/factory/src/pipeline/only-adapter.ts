// In: the arguments of an export that takes one adapter. Out: its folder, or an error that says what takes several.
import { FactoryError } from '#factory/errors.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';

/** `target` as the words of the command; `instead` begins the remedy where there are several. */
export function onlyAdapter(
  { adapter_name_or_path: dirs }: TrainArgs,
  target: string,
  instead: string,
): string {
  if (dirs.length === 1) return dirs[0];
  throw new FactoryError({
    code: dirs.length === 0 ? 'ARGS_MISSING' : 'EXPORT_UNSUPPORTED',
    message: `tunesmith export ${target}: expected one adapter in adapter_name_or_path, found ${dirs.length}`,
    remedy:
      dirs.length === 0
        ? 'Set adapter_name_or_path to the folder of the adapter.'
        : `${instead}: later adapters belong to the base with the earlier ones folded in.`,
  });
}
