// In: a base, one LoRA adapter on it and a folder. Out: the adapter as a GGUF file, which llama.cpp loads on the GGUF file of
// the base, with a manifest. What llama.cpp cannot apply is refused by name. The folder is whole or not there.
import { basename, join, resolve } from 'node:path';
import { loraScale } from '#factory/adapters/merge.ts';
import { checkAdapterFits, readPeftAdapter } from '#factory/adapters/peft.ts';
import { FactoryError } from '#factory/errors.ts';
import { adaptedTensors } from '#factory/model/expected-tensors.ts';
import { ggufAdapterFields, ggufAdapterTensors } from '#factory/model/gguf/gguf-adapter.ts';
import { checkGgufLimits } from '#factory/model/gguf/gguf-limits.ts';
import type { LoraAdapter } from '#factory/records/adapter.ts';
import type { GgufField } from '#factory/records/gguf.ts';
import type { ModelConfig, WeightTensor } from '#factory/records/model-config.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { exportedBytes, writeExportManifest } from '#factory/store/export-manifest.ts';
import { encodeGguf, ggufFileBytes } from '#factory/store/gguf-format.ts';
import { requireSpace, writeWholeFolder } from '#factory/store/whole-folder.ts';
import { ggufTemplateFields } from '#factory/tokens/gguf-template.ts';
import { templateOf } from './choose-template.ts';
import type { ExportResult } from './export-model.ts';
import { parentsOf } from './export-parents.ts';
import { onlyAdapter } from './only-adapter.ts';
import { type BaseDeps, openBase } from './open-base.ts';
import { requireTrainedBase, withTrainedTemplate } from './trained-base.ts';
import { ownVersion } from './write-outputs.ts';

export interface GgufAdapterOptions {
  exportDir: string;
  /** Null is float32. */
  dtype: WeightTensor['dtype'] | null;
  /** Go on where the adapter was trained on another base. */
  force: boolean;
}

export async function exportGgufAdapter(
  args: TrainArgs,
  { exportDir, dtype, force }: GgufAdapterOptions,
  deps: BaseDeps,
): Promise<ExportResult> {
  const dir = resolve(exportDir);
  const from = onlyAdapter(args, '--to gguf --adapter_only true', 'Leave out --adapter_only');
  const base = await openBase(args, 'infer', deps);
  try {
    await requireTrainedBase(args, base, force);
    const { config } = base;
    const adapter = await readPeftAdapter(from);
    checkAdapterFits(adapter, adaptedTensors(config));
    requirePlainLora(adapter, config, from);
    for (const text of checkGgufLimits(config)) deps.note(text);
    const type = dtype ?? 'F32';
    const name = `adapter-${type.toLowerCase()}.gguf`;
    const own = await withTrainedTemplate(args, base);
    const fields = new Map<string, GgufField>([
      ...ggufAdapterFields(adapter, config),
      ['general.name', { type: 'string', value: basename(from) || 'adapter' }],
      ...(own.template === null ? [] : ggufTemplateFields(templateOf(own, base))),
    ]);
    const tensors = ggufAdapterTensors(adapter, config, (pair) => loraScale(adapter, pair), type);
    await requireSpace(dir, ggufFileBytes(fields, tensors));
    return await writeWholeFolder(
      dir,
      async (temporary) => {
        await writeAtomic(join(temporary, name), encodeGguf(fields, tensors));
        const manifest = await writeExportManifest(temporary, {
          kind: 'gguf',
          tunesmith: await ownVersion(),
          parents: await parentsOf(args, base),
          settings: { type: type.toLowerCase(), adapterOnly: true },
        });
        const bytes = exportedBytes(manifest);
        return { exportDir: dir, files: [name], bytes, changedTensors: adapter.pairs.length, parity: null };
      },
      'export_dir',
    );
  } finally {
    await base.weights.close();
  }
}

/** llama.cpp adds s·B·A to a matrix, and nothing else. */
function requirePlainLora(adapter: LoraAdapter, { tieEmbeddings }: ModelConfig, dir: string): void {
  const found = adapter.useDora
    ? 'DoRA, which rescales rows of the base'
    : adapter.start
      ? `${adapter.start}, whose pairs belong to a changed base`
      : adapter.loftqIterations
        ? 'LoftQ of more than one iteration, whose pairs belong to the base in 4 bits'
        : adapter.whole?.length
          ? `modules that were saved whole (${adapter.modulesToSave?.join(', ')})`
          : tieEmbeddings && adapter.pairs.some(({ module }) => module === 'lm_head')
            ? 'a pair on the output head, which the base shares with the embedding'
            : null;
  if (found === null) return;
  throw new FactoryError({
    code: 'EXPORT_UNSUPPORTED',
    message: `adapter ${dir}: llama.cpp takes plain LoRA alone, found ${found}`,
    remedy: adapter.start
      ? 'Leave out --adapter_only, or export with --to adapter first, which makes plain LoRA of it.'
      : 'Leave out --adapter_only: the merged model has it.',
  });
}
