// In: a base, adapters and a folder. Out: the merged model as one GGUF file in that folder, quantised where that is asked for, for
// Ollama with a Modelfile, with a manifest and a comparison of our answers with llama.cpp's. The folder is whole or not there.
import { rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { QuantType } from '#factory/export/quantise/types.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { exportedBytes, writeExportManifest } from '#factory/store/export-manifest.ts';
import { encodeGguf } from '#factory/store/gguf-format.ts';
import { requireSpace, writeWholeFolder } from '#factory/store/whole-folder.ts';
import { type ExportRecipe, metricsOfExport, type RecipeDeps } from './evaluate-export.ts';
import type { ExportResult } from './export-model.ts';
import { parentsOf } from './export-parents.ts';
import { PARITY_FILE } from './export-parity.ts';
import { type GgufSourceOptions, openGgufSource } from './gguf-source.ts';
import { MODELFILE, modelfileOf } from './ollama-modelfile.ts';
import type { BaseDeps } from './open-base.ts';
import { openHeader, quantiseFile } from './quantise-file.ts';
import { requireParity } from './require-parity.ts';
import { parityRows, servingParity } from './serving-parity.ts';
import { gateByVerdict, refusedByVerdict, type VerdictGate } from './verdict-gate.ts';
import { ownVersion } from './write-outputs.ts';

const EVALUATION = 'evaluation';

export interface GgufExportOptions extends GgufSourceOptions {
  exportDir: string;
  /** What llama.cpp makes of the file, which then is the only one; null keeps it as it is. */
  quantization: { type: QuantType; threads: number } | null;
  /** Compare answers before and after. */
  verify: boolean;
  /** Write a Modelfile too. */
  ollama: boolean;
  checks?: ExportChecks;
}

export interface ExportChecks {
  /** Measured before and after. */
  recipe: ExportRecipe | null;
  /** The file must pass what its model has passed. */
  gate: VerdictGate | null;
  deps: RecipeDeps;
}

export async function exportGguf(
  args: TrainArgs,
  { exportDir, quantization, verify, ollama, checks, ...options }: GgufExportOptions,
  deps: BaseDeps,
): Promise<ExportResult> {
  const dir = resolve(exportDir);
  const source = await openGgufSource(args, options, deps);
  const { base, template, fileType, fields, tensors } = source;
  const type = quantization?.type.name ?? fileType;
  const name = `model-${type.toLowerCase()}.gguf`;
  try {
    await requireSpace(dir, source.bytes);
    const modelfile = ollama ? await modelfileOf(args, base, template, name) : null;
    return await writeWholeFolder(
      dir,
      async (temporary) => {
        const file = join(temporary, name);
        const whole = quantization ? join(temporary, 'whole.gguf') : file;
        await writeAtomic(whole, encodeGguf(fields, tensors));
        const quantised = quantization
          ? await quantiseFile(
              { input: whole, output: file, ...quantization, allowRequantize: false },
              await openHeader(whole),
              deps,
            )
          : null;
        if (quantised) await rm(whole);
        if (modelfile !== null) await writeAtomic(join(temporary, MODELFILE), modelfile);
        const rows = parityRows(base, template);
        const parity = verify ? await servingParity(args, base, rows, file, deps.note) : null;
        if (parity) requireParity(parity, type);
        const evaluation = join(temporary, EVALUATION);
        const metrics =
          checks?.recipe && (await metricsOfExport(checks.recipe, args, file, evaluation, checks.deps));
        if (parity || metrics) {
          const report = { ...parity, ...(metrics ? { metrics } : {}) };
          await writeAtomic(join(temporary, PARITY_FILE), `${JSON.stringify(report, null, 2)}\n`);
        }
        const made =
          checks?.gate &&
          (await gateByVerdict(checks.gate, args, base.dir, file, join(evaluation, 'verdict'), checks.deps));
        if (made) await writeAtomic(join(temporary, 'verdict.json'), `${JSON.stringify(made, null, 2)}\n`);
        if (made && made.decision !== 'ship') {
          const refused = refusedByVerdict(made, name);
          if (!options.force) throw refused;
          deps.note(`${refused.message}; kept because force is set`);
        }
        const manifest = await writeExportManifest(temporary, {
          kind: ollama ? 'ollama' : 'gguf',
          tunesmith: await ownVersion(),
          parents: await parentsOf(args, base),
          settings: {
            type: type.toLowerCase(),
            ...(quantised && {
              from: fileType.toLowerCase(),
              llamaCpp: quantised.release,
              fallbacks: quantised.fallbacks,
            }),
          },
        });
        const bytes = exportedBytes(manifest);
        return {
          exportDir: dir,
          files: [name],
          bytes,
          changedTensors: source.changedTensors,
          parity,
          metrics,
          decision: made?.decision ?? null,
        };
      },
      'export_dir',
    );
  } finally {
    await source.close();
  }
}
