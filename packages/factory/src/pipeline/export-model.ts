// In: a base, adapters and a folder. Out: the merged model in that folder, as Hugging Face lays one out, with a manifest and a
// comparison of what it answers with what the adapters on the base answer. The folder is whole or not there.
import { copyFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { formatConfig } from '#factory/model/format-config.ts';
import { writeShardedSafetensors } from '#factory/model/write-safetensors.ts';
import type { WeightTensor } from '#factory/records/model-config.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { Decision } from '#factory/records/verdict.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { exportedBytes, writeExportManifest } from '#factory/store/export-manifest.ts';
import { requireSpace, writeWholeFolder } from '#factory/store/whole-folder.ts';
import type { ExportedMetric } from './evaluate-export.ts';
import { openFullBase } from './export-base.ts';
import { parentsOf } from './export-parents.ts';
import { compareExport, type ExportParity, PARITY_FILE, probeModel } from './export-parity.ts';
import { mergeModel } from './merge-model.ts';
import type { Base, BaseDeps } from './open-base.ts';
import { requireTrainedBase, trainedTemplate } from './trained-base.ts';
import { companionFiles, ownVersion } from './write-outputs.ts';

export interface ExportOptions {
  exportDir: string;
  /** Null keeps the types of the checkpoint. */
  dtype: WeightTensor['dtype'] | null;
  maxShardBytes: number;
  /** Compare answers before and after. */
  verify: boolean;
  /** Go on where an adapter was trained on another base. */
  force: boolean;
}

export interface ExportResult {
  exportDir: string;
  files: string[];
  bytes: number;
  changedTensors: number;
  parity: ExportParity | null;
  /** Of an evaluation recipe, before and after. */
  metrics?: ExportedMetric[] | null;
  /** By the rules that the model before has passed; null where it was not judged. */
  decision?: Decision | null;
}

const TORCH_NAME = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' } as const;
/** In float32 only the order of sums differs. */
const EXACT_KL = 1e-6;

export async function exportModel(
  args: TrainArgs,
  { exportDir, dtype, maxShardBytes, verify, force }: ExportOptions,
  deps: BaseDeps,
): Promise<ExportResult> {
  const dir = resolve(exportDir);
  const base = await openFullBase(args, deps);
  try {
    await requireTrainedBase(args, base, force);
    const template = await trainedTemplate(args, base, deps.note);
    const merged = await mergeModel(base, args.adapter_name_or_path, dtype);
    try {
      await requireSpace(dir, bytesOf(merged.weights.tensors.values()));
      const before = verify ? await probeModel(args, base, deps) : null;
      return await writeWholeFolder(
        dir,
        async (temporary) => {
          const files = await writeShardedSafetensors(temporary, merged.weights, { maxShardBytes });
          const companions = await companionFiles(base, { ...args, finetuning_type: 'full' });
          const config = formatConfig(configOf(merged.config.raw, merged.config.tieEmbeddings, dtype));
          for (const [name, content] of Object.entries({ ...companions, ...template, 'config.json': config }))
            await writeAtomic(join(temporary, name), content);
          await copyValueHead(args, base, temporary);
          const own = { ...args, model_name_or_path: temporary, adapter_name_or_path: [] };
          const parity = before ? await compareExport(before, own, deps) : null;
          if (parity) {
            if (dtype === 'F32' && !(parity.meanKl <= EXACT_KL)) throw differs(parity);
            await writeAtomic(join(temporary, PARITY_FILE), `${JSON.stringify(parity, null, 2)}\n`);
          }
          const manifest = await writeExportManifest(temporary, {
            kind: 'merged',
            tunesmith: await ownVersion(),
            parents: await parentsOf(args, base),
            settings: { dtype: dtype ? TORCH_NAME[dtype] : 'as in the base', maxShardBytes },
          });
          const bytes = exportedBytes(manifest);
          return { exportDir: dir, files, bytes, changedTensors: merged.changed.size, parity };
        },
        'export_dir',
      );
    } finally {
      await merged.close();
    }
  } finally {
    await base.weights.close();
  }
}

function bytesOf(tensors: Iterable<{ dtype: WeightTensor['dtype']; shape: number[] }>): number {
  let bytes = 0;
  for (const { dtype, shape } of tensors)
    bytes += shape.reduce((n, size) => n * size, 1) * (dtype === 'F32' ? 4 : 2);
  return bytes;
}

function configOf(
  raw: Readonly<Record<string, unknown>>,
  tieEmbeddings: boolean,
  dtype: WeightTensor['dtype'] | null,
): Record<string, unknown> {
  const config: Record<string, unknown> = { ...raw };
  if (raw.tie_word_embeddings !== undefined || !tieEmbeddings) config.tie_word_embeddings = tieEmbeddings;
  // transformers 5 writes dtype, earlier ones torch_dtype.
  if (dtype) config['dtype' in raw ? 'dtype' : 'torch_dtype'] = TORCH_NAME[dtype];
  return config;
}

async function copyValueHead(args: TrainArgs, base: Base, to: string): Promise<void> {
  const name = 'value_head.safetensors';
  for (const from of [...args.adapter_name_or_path.toReversed(), base.dir]) {
    try {
      await copyFile(join(from, name), join(to, name));
      return;
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}

function differs(parity: ExportParity): FactoryError {
  return new FactoryError({
    code: 'EXPORT_DIFFERS',
    message: `the merged model answers otherwise than the adapters on the base: mean KL ${parity.meanKl}, expected at most ${EXACT_KL} in float32; nothing was kept`,
    remedy: 'Report this with the adapter_config.json of the adapters; --verify false exports all the same.',
  });
}
