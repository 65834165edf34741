// In: the arguments of an export and its opened base. Out: what the artefact is made from, with the sums of the files.
import { basename } from 'node:path';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { type ExportManifest, fileSums } from '#factory/store/export-manifest.ts';
import type { Base } from './open-base.ts';
import { licenseOf } from './write-outputs.ts';

export async function parentsOf(args: TrainArgs, base: Base): Promise<ExportManifest['parents']> {
  const file = base.tokenizerFiles ? basename(args.model_name_or_path) : null;
  const isWeights = (name: string) =>
    file === null ? /\.safetensors$|^config\.json$/.test(name) : name === file;
  const parents: ExportManifest['parents'] = [
    {
      role: 'base',
      name: args.model_name_or_path,
      license: await licenseOf(base.dir),
      files: await fileSums(base.dir, isWeights),
    },
  ];
  for (const dir of args.adapter_name_or_path)
    parents.push({
      role: 'adapter',
      name: dir,
      license: await licenseOf(dir),
      files: await fileSums(dir, (name) => /^adapter_(model\.safetensors|config\.json)$/.test(name)),
    });
  return parents;
}
