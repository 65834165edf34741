// In: the model of an export and its template. Out: the text of the Modelfile beside its GGUF file.
import { FactoryError } from '#factory/errors.ts';
import { formatModelfile } from '#factory/export/modelfile.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { ResolvedTemplate } from '#factory/tokens/template.ts';
import type { Base } from './open-base.ts';
import { licenseOf } from './write-outputs.ts';

export const MODELFILE = 'Modelfile';

/** Ollama's own default; more is asked for where the model was trained on more. */
const CONTEXT = 4096;
/** Keys of a generation config, and Ollama's names. */
const SAMPLING = { temperature: 'temperature', top_p: 'top_p', top_k: 'top_k', min_p: 'min_p' } as const;

export async function modelfileOf(
  args: TrainArgs,
  base: Pick<Base, 'dir' | 'config' | 'tokenizer' | 'generationConfig'>,
  template: ResolvedTemplate | null,
  model: string,
): Promise<string> {
  const { generationConfig, tokenizer, config } = base;
  const sampling: Record<string, number> = {};
  for (const [key, name] of Object.entries(SAMPLING))
    if (typeof generationConfig[key] === 'number') sampling[name] = generationConfig[key];
  // Ollama would punish repetition by 1.1, which no training has seen.
  const penalty = generationConfig.repetition_penalty;
  sampling.repeat_penalty = typeof penalty === 'number' ? penalty : 1;
  return formatModelfile({
    model,
    // Without turns the text goes in as it is.
    template: template ? textOf(template) : '{{ .Prompt }}',
    system: template?.defaultSystem ?? '',
    stop: (template?.stopIds ?? []).map((id) => tokenizer.decode([id]) || (tokenizer.idToToken(id) ?? '')),
    contextSize: Math.min(config.maxPositions, Math.max(CONTEXT, args.cutoff_len)),
    sampling,
    license: await licenseOf(base.dir),
  });
}

function textOf(template: ResolvedTemplate): string {
  const text = template.ollama();
  if (text !== null) return text;
  throw new FactoryError({
    code: 'EXPORT_UNSUPPORTED',
    message: `template ${template.name} writes the number of every turn, for which Ollama's templates have no arithmetic`,
    remedy: 'Export with --to gguf and serve the file with tunesmith serve.',
  });
}
