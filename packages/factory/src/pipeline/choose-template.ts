// In: the arguments, a tokenizer and the rows. Out: the template that all text of the run goes through, and, where the
// tokenizer brings a chat template of its own, a token-by-token comparison with it, printed and stored with the run.
import { join } from 'node:path';
import type { LoadedData } from '#factory/data/load-datasets.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { proveTemplate } from '#factory/tokens/prove-template.ts';
import { type ResolvedTemplate, resolveTemplate } from '#factory/tokens/template.ts';
import type { Base } from './open-base.ts';

export const PROOF_FILE = 'template_proof.json';
const SAMPLES = 32;

/** Null for stage pt, where text goes in as it is. */
export async function chooseTemplate(
  args: TrainArgs,
  base: Base,
  data: LoadedData,
  note: (text: string) => void,
): Promise<ResolvedTemplate | null> {
  if (args.stage === 'pt') return null;
  const template = templateOf(args, base);
  const rows = data.train.length > 0 ? data.train : Object.values(data.evaluation).flat();
  const proof = proveTemplate(template, base.tokenizer, rows.slice(0, SAMPLES));
  await writeAtomic(join(args.output_dir, PROOF_FILE), `${JSON.stringify(proof, null, 2)}\n`);
  const name = args.template ?? "the tokenizer's own";
  if (base.tokenizer.chatTemplate === null)
    note(`template ${name}: the tokenizer has no chat template to compare with`);
  else if (proof.firstMismatch === null)
    note(
      `template ${name}: ${proof.agree} of ${proof.samples} samples agree token by token with the tokenizer's chat template`,
    );
  else
    note(
      `template ${name} differs from the tokenizer's chat template in ${proof.samples - proof.agree} of ${proof.samples} samples (see ${PROOF_FILE})`,
    );
  return template;
}

export function templateOf(
  args: TrainArgs,
  base: Pick<Base, 'tokenizer' | 'storedTemplate'>,
): ResolvedTemplate {
  if (args.template === null && base.storedTemplate)
    return resolveTemplate({ tokenizer: base.tokenizer, ...base.storedTemplate });
  return resolveTemplate({
    tokenizer: base.tokenizer,
    name: args.template,
    version: args.template_version,
    settings: {
      defaultSystem: args.default_system,
      toolFormat: args.tool_format,
      enableThinking: args.enable_thinking,
      preserveThinking: args.preserve_thinking,
      maskHistory: args.mask_history,
    },
  });
}
