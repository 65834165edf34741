// In: the model arguments and a type. Out: everything that the GGUF file of the merged model consists of, ready to be written
// tensor by tensor; nothing of it is on the disk. Who calls it writes, quantises or uploads it, and closes it.
import { basename } from 'node:path';
import { ggufModelFields } from '#factory/model/gguf/gguf-fields.ts';
import { checkGgufLimits } from '#factory/model/gguf/gguf-limits.ts';
import { GGUF_ARCHITECTURE } from '#factory/model/gguf/gguf-names.ts';
import { type GgufFileType, ggufTensors } from '#factory/model/gguf/gguf-tensors.ts';
import type { GgufField, GgufFields } from '#factory/records/gguf.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type GgufTensorToWrite, ggufFileBytes } from '#factory/store/gguf-format.ts';
import { ggufTemplateFields, servedJinja } from '#factory/tokens/gguf-template.ts';
import { ggufVocabulary } from '#factory/tokens/gguf-vocabulary.ts';
import type { ResolvedTemplate } from '#factory/tokens/template.ts';
import { templateOf } from './choose-template.ts';
import { openFullBase } from './export-base.ts';
import { mergeModel } from './merge-model.ts';
import type { Base, BaseDeps } from './open-base.ts';
import { requireTrainedBase, withTrainedTemplate } from './trained-base.ts';
import { companionFiles, licenseOf } from './write-outputs.ts';

export interface GgufSourceOptions {
  /** Null keeps the type of the base. */
  fileType: GgufFileType | null;
  /** llama.cpp's name of the pre-tokenizer, where it cannot be found. */
  preTokenizer: string | null;
  /** Go on where an adapter was trained on another base. */
  force: boolean;
}

export interface GgufSource {
  base: Base;
  /** That of the training; null for text without turns. */
  template: ResolvedTemplate | null;
  fileType: GgufFileType;
  fields: GgufFields;
  tensors: readonly GgufTensorToWrite[];
  /** What the file takes. */
  bytes: number;
  changedTensors: number;
  close(): Promise<void>;
}

export async function openGgufSource(
  args: TrainArgs,
  options: GgufSourceOptions,
  deps: BaseDeps,
): Promise<GgufSource> {
  const base = await openFullBase(args, deps);
  try {
    await requireTrainedBase(args, base, options.force);
    // Changed tensors stay in float32 until they become the file's type.
    const merged = await mergeModel(base, args.adapter_name_or_path, 'exact');
    const close = async () => {
      await merged.close();
      await base.weights.close();
    };
    try {
      for (const text of checkGgufLimits(merged.config)) deps.note(text);
      const fileType = options.fileType ?? ownType(base);
      const template = await templateOfTraining(args, base);
      const fields = new Map([
        ...ggufModelFields(merged.config, fileType),
        ...(await nameFields(args, base)),
        ...(await vocabularyFields(
          args,
          base,
          template,
          merged.config.vocabSize,
          options.preTokenizer,
          deps,
        )),
      ]);
      const tensors = ggufTensors(merged.config, merged.weights, fileType);
      const bytes = ggufFileBytes(fields, tensors);
      const changedTensors = merged.changed.size;
      return { base, template, fileType, fields, tensors, bytes, changedTensors, close };
    } catch (error) {
      await merged.close();
      throw error;
    }
  } catch (error) {
    await base.weights.close();
    throw error;
  }
}

/** That of its first matrix. */
function ownType({ weights }: Base): GgufFileType {
  return [...weights.tensors.values()].find(({ shape }) => shape.length > 1)?.dtype ?? 'F32';
}

async function nameFields(args: TrainArgs, base: Base): Promise<GgufFields> {
  const license = await licenseOf(base.dir);
  const last = args.adapter_name_or_path.at(-1) ?? args.model_name_or_path;
  return new Map<string, GgufField>([
    ['general.name', { type: 'string', value: basename(last) || 'model' }],
    ...(license ? [['general.license', { type: 'string', value: license } as GgufField] as const] : []),
  ]);
}

async function templateOfTraining(args: TrainArgs, base: Base): Promise<ResolvedTemplate | null> {
  const own = await withTrainedTemplate(args, base);
  const hasTemplate = own.template !== null || base.tokenizer.chatTemplate !== null;
  return hasTemplate ? templateOf(own, base) : null;
}

async function vocabularyFields(
  args: TrainArgs,
  base: Base,
  template: ResolvedTemplate | null,
  rows: number,
  preTokenizer: string | null,
  { note }: BaseDeps,
): Promise<GgufFields> {
  const served = template ? servedJinja(template, base.tokenizer) : { jinja: null, isOwn: true };
  if (template && !served.isOwn)
    note(
      served.jinja === null
        ? `template ${template.name} cannot be written as a Jinja template: other servers than tunesmith get none`
        : `other servers than tunesmith get a Jinja template made of ${template.name}, without tools`,
    );
  const files = await companionFiles(base, { ...args, finetuning_type: 'lora' });
  const vocabulary = ggufVocabulary(files, base.tokenizer, {
    rows,
    architecture: GGUF_ARCHITECTURE[base.config.architecture],
    config: base.config.raw,
    chatTemplate: served.jinja,
    preTokenizer,
    dir: base.dir,
  });
  return new Map([...vocabulary, ...(template ? ggufTemplateFields(template) : [])]);
}
