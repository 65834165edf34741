// In: a base, adapters and a folder. Out: the merged model as one GGUF file in that folder, with a manifest and, where it can be
// read back here, a comparison of answers. The folder is whole or not there.
import { join, resolve } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import { canReadGguf } from '#factory/model/gguf/gguf-config.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { writeExportManifest } from '#factory/store/export-manifest.ts';
import { encodeGguf } from '#factory/store/gguf-format.ts';
import { requireSpace, writeWholeFolder } from '#factory/store/whole-folder.ts';
import type { ExportResult } from './export-model.ts';
import { parentsOf } from './export-parents.ts';
import { compareExport, PARITY_FILE, probeModel } from './export-parity.ts';
import { type GgufSourceOptions, openGgufSource } from './gguf-source.ts';
import type { BaseDeps } from './open-base.ts';
import { ownVersion } from './write-outputs.ts';

export interface GgufExportOptions extends GgufSourceOptions {
  exportDir: string;
  /** Compare answers before and after. */
  verify: boolean;
}

/** In float32 only the order of sums differs. */
const EXACT_KL = 1e-6;

export async function exportGguf(
  args: TrainArgs,
  { exportDir, verify, ...options }: GgufExportOptions,
  deps: BaseDeps,
): Promise<ExportResult> {
  const dir = resolve(exportDir);
  const source = await openGgufSource(args, options, deps);
  const { base, fileType, fields, tensors } = source;
  const name = `model-${fileType.toLowerCase()}.gguf`;
  try {
    await requireSpace(dir, source.bytes);
    const isRead = canReadGguf(fields.get('general.architecture')?.value);
    if (verify && !isRead)
      deps.note(`${args.model_name_or_path}: GGUF files of this architecture are not compared yet`);
    const before = verify && isRead ? await probeModel(args, base, deps) : null;
    return await writeWholeFolder(
      dir,
      async (temporary) => {
        const file = join(temporary, name);
        await writeAtomic(file, encodeGguf(fields, tensors));
        const own = { ...args, model_name_or_path: file, adapter_name_or_path: [] };
        const parity = before ? await compareExport(before, own, deps) : null;
        if (parity && fileType === 'F32' && !(parity.meanKl <= EXACT_KL)) throw differs(parity.meanKl);
        if (parity) await writeAtomic(join(temporary, PARITY_FILE), `${JSON.stringify(parity, null, 2)}\n`);
        const manifest = await writeExportManifest(temporary, {
          kind: 'gguf',
          tunesmith: await ownVersion(),
          parents: await parentsOf(args, base),
          settings: { type: fileType.toLowerCase() },
        });
        const bytes = Object.values(manifest.files).reduce((n, { bytes: size }) => n + size, 0);
        return { exportDir: dir, files: [name], bytes, changedTensors: source.changedTensors, parity };
      },
      'export_dir',
    );
  } finally {
    await source.close();
  }
}

function differs(meanKl: number): FactoryError {
  return new FactoryError({
    code: 'EXPORT_DIFFERS',
    message: `the GGUF file answers otherwise than the model it was made from: mean KL ${meanKl}, expected at most ${EXACT_KL} in float32; nothing was kept`,
    remedy: 'Report this with the config.json of the model; --verify false exports all the same.',
  });
}
