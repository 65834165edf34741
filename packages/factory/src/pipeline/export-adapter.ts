// In: a base and one adapter on it. Out: a PEFT folder that PEFT and vLLM load on the original base, with the tokenizer, the chat
// template it was trained with, a manifest and a comparison of answers. The folder is whole or not there; the base is not in it.
import { readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { matrixProduct, openBackend } from '@tunesmith/engine';
import { convertPissa } from '#factory/adapters/convert-pissa.ts';
import { loraScale } from '#factory/adapters/merge.ts';
import { checkAdapterFits, readPeftAdapter, writePeftAdapter } from '#factory/adapters/peft.ts';
import { FactoryError } from '#factory/errors.ts';
import { adaptedTensors } from '#factory/model/expected-tensors.ts';
import { floatsOf } from '#factory/model/load-weights.ts';
import { takePrincipalPair } from '#factory/model/principal-pair.ts';
import { untieHead } from '#factory/model/untie-head.ts';
import type { LoraAdapter, LoraPair } from '#factory/records/adapter.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { exportedBytes, writeExportManifest } from '#factory/store/export-manifest.ts';
import { requireSpace, writeWholeFolder } from '#factory/store/whole-folder.ts';
import type { ExportResult } from './export-model.ts';
import { parentsOf } from './export-parents.ts';
import { compareExport, PARITY_FILE, probeModel } from './export-parity.ts';
import { onlyAdapter } from './only-adapter.ts';
import { type Base, type BaseDeps, openBase } from './open-base.ts';
import { requireTrainedBase, trainedTemplate } from './trained-base.ts';
import { baseFile, companionFiles, ownVersion } from './write-outputs.ts';

export interface AdapterExportOptions {
  exportDir: string;
  verify: boolean;
  /** Go on where the adapter was trained on another base. */
  force: boolean;
}

/** The same weights in another form differ by the order of float32 sums alone. */
const EXACT_KL = 1e-6;

export async function exportAdapter(
  args: TrainArgs,
  { exportDir, verify, force }: AdapterExportOptions,
  deps: BaseDeps,
): Promise<ExportResult> {
  const dir = resolve(exportDir);
  const from = onlyAdapter(args, '--to adapter', 'Export with --to merged');
  const base = await openBase(args, 'infer', deps);
  try {
    await requireTrainedBase(args, base, force);
    const read = await readPeftAdapter(from);
    checkAdapterFits(read, adaptedTensors(base.config));
    const adapter = await onOriginalBase(read, base, from);
    for (const line of limitsOf(adapter)) deps.note(line);
    await requireSpace(dir, bytesOf(adapter));
    const before = verify ? await probeModel(args, base, deps) : null;
    const template = await trainedTemplate(args, base, deps.note);
    return await writeWholeFolder(
      dir,
      async (temporary) => {
        await writePeftAdapter(temporary, adapter, {
          baseModel: args.model_name_or_path,
          revision: args.model_revision === 'main' ? null : args.model_revision,
        });
        const lora = { ...args, finetuning_type: 'lora' as const };
        const files = {
          ...(await companionFiles(base, lora)),
          ...template,
          ...(await baseFile(base, lora)),
          ...(await cardOf(from)),
        };
        for (const [name, content] of Object.entries(files))
          await writeAtomic(join(temporary, name), content);
        const own = { ...args, adapter_name_or_path: [temporary] };
        const parity = before ? await compareExport(before, own, deps) : null;
        if (parity && !(parity.meanKl <= EXACT_KL)) throw differs(parity.meanKl);
        if (parity) await writeAtomic(join(temporary, PARITY_FILE), `${JSON.stringify(parity, null, 2)}\n`);
        const manifest = await writeExportManifest(temporary, {
          kind: 'adapter',
          tunesmith: await ownVersion(),
          parents: await parentsOf(args, base),
          settings: { rank: adapter.rank, alpha: adapter.alpha, start: read.start ?? null },
        });
        const bytes = exportedBytes(manifest);
        return {
          exportDir: dir,
          files: Object.keys(manifest.files),
          bytes,
          changedTensors: adapter.pairs.length + (adapter.whole?.length ?? 0),
          parity,
        };
      },
      'export_dir',
    );
  } finally {
    await base.weights.close();
  }
}

/** PiSSA's pairs belong to a base without its principal part; as LoRA of twice the rank they belong to the base itself. */
async function onOriginalBase(adapter: LoraAdapter, base: Base, dir: string): Promise<LoraAdapter> {
  if (adapter.loftqIterations)
    throw new FactoryError({
      code: 'EXPORT_UNSUPPORTED',
      message: `adapter ${dir}: LoftQ of more than one iteration belongs to the base in 4 bits, not to its full weights`,
      remedy: 'Serve it on the 4-bit base, or train with loftq_iter 1, whose adapter any base takes.',
    });
  if (!adapter.start) return adapter;
  const backend = await openBackend('cpu');
  try {
    const product = matrixProduct(backend);
    const { source } = untieHead(
      base,
      adapter.pairs.map(({ module }) => `${module}.weight`),
    );
    const initial = new Map<string, Pick<LoraPair, 'a' | 'b'>>();
    for (const pair of adapter.pairs) {
      const weight = floatsOf(await source.read(`${pair.module}.weight`));
      const sizes = { rank: pair.rank, scale: loraScale(adapter, pair) };
      const shape = [pair.outFeatures, pair.inFeatures];
      initial.set(pair.module, await takePrincipalPair(weight, shape, sizes, product));
    }
    return convertPissa(adapter, initial);
  } finally {
    await backend.dispose();
  }
}

/** What vLLM's LoRA loader refuses; PEFT takes both. */
function limitsOf({ useDora, whole }: LoraAdapter): string[] {
  const names = [...(useDora ? ['DoRA'] : []), ...(whole?.length ? ['modules that are saved whole'] : [])];
  return names.map((name) => `vLLM loads no adapters with ${name}: for vLLM export with --to merged`);
}

/** Of the weight file. */
function bytesOf({ pairs, whole }: LoraAdapter): number {
  let values = 0;
  for (const { a, b, magnitude } of pairs) values += a.length + b.length + (magnitude?.length ?? 0);
  for (const { data } of whole ?? []) values += data.length;
  return 4 * values;
}

/** The model card of the run, which names the base and the licence. */
async function cardOf(dir: string): Promise<Record<string, Uint8Array>> {
  try {
    return { 'README.md': await readFile(join(dir, 'README.md')) };
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {};
    throw error;
  }
}

function differs(meanKl: number): FactoryError {
  return new FactoryError({
    code: 'EXPORT_DIFFERS',
    message: `the exported adapter answers otherwise than the one it was made from: mean KL ${meanKl}, expected at most ${EXACT_KL}; nothing was kept`,
    remedy: 'Report this with the adapter_config.json of the adapter; --verify false exports all the same.',
  });
}
