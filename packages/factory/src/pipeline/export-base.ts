// In: the model arguments of an export that needs full weights. Out: the opened base; refused where they are packed.
import { FactoryError } from '#factory/errors.ts';
import { codedBits } from '#factory/model/bitsandbytes/stored-codes.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type Base, type BaseDeps, openBase } from './open-base.ts';

export async function openFullBase(args: TrainArgs, deps: BaseDeps): Promise<Base> {
  const base = await openBase(args, 'infer', deps);
  const problem = base.tokenizerFiles
    ? { found: 'a GGUF file', remedy: 'the Hugging Face folder that the GGUF file was made from' }
    : codedBits(base.config)
      ? {
          found: 'a checkpoint that bitsandbytes has quantised',
          remedy: 'the checkpoint that is not quantised',
        }
      : null;
  if (!problem) return base;
  await base.weights.close();
  throw new FactoryError({
    code: 'EXPORT_UNSUPPORTED',
    message: `${args.model_name_or_path}: expected a folder of safetensors in full precision to export from, found ${problem.found}`,
    remedy: `Set model_name_or_path to ${problem.remedy}.`,
  });
}
