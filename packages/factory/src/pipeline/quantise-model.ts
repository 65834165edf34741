// In: a GGUF file and a type. Out: the same model in that type beside its manifest, whole or not there. What is not to be
// quantised, or would be written over, is refused first.
import { realpath } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { GgufHeader } from '#factory/model/gguf/header.ts';
import { sumOf, writeFileManifest } from '#factory/store/export-manifest.ts';
import {
  openHeader,
  type QuantiseDeps,
  type QuantisedFile,
  type QuantiseFileOptions,
  quantiseFile,
} from './quantise-file.ts';
import { ownVersion } from './write-outputs.ts';

export interface QuantiseResult extends Omit<QuantisedFile, 'sum'> {
  output: string;
  type: string;
  bytes: number;
  sourceBytes: number;
}

export async function quantiseModel(
  options: QuantiseFileOptions,
  deps: QuantiseDeps,
): Promise<QuantiseResult> {
  const input = resolve(options.input);
  const output = resolve(options.output);
  const source = await openHeader(input);
  refuseSource(source, options);
  await refuseOutput(input, output);
  const { sum, ...facts } = await quantiseFile({ ...options, input, output }, source, deps);
  const sourceSum = await sumOf(input);
  await writeFileManifest(output, sum, {
    kind: 'gguf',
    tunesmith: await ownVersion(),
    parents: [
      {
        role: 'base',
        name: options.input,
        license: licenseOf(source),
        files: { [basename(input)]: sourceSum },
      },
    ],
    settings: { type: options.type.name, llamaCpp: facts.release, fallbacks: facts.fallbacks },
  });
  return {
    ...facts,
    output: options.output,
    type: options.type.name,
    bytes: sum.bytes,
    sourceBytes: sourceSum.bytes,
  };
}

function refuseSource(
  { metadata, tensors }: GgufHeader,
  { input, allowRequantize }: QuantiseFileOptions,
): void {
  const kind = metadata.get('general.type');
  if (kind === 'adapter' || tensors.size === 0)
    throw new FactoryError({
      code: 'EXPORT_UNSUPPORTED',
      message: `${input}: expected a GGUF file of a model, found ${kind === 'adapter' ? 'an adapter, which stays in full precision' : 'no tensors'}`,
      remedy: 'Name the GGUF file of a model.',
    });
  const parts = Number(metadata.get('split.count') ?? 1);
  if (parts > 1)
    throw new FactoryError({
      code: 'EXPORT_UNSUPPORTED',
      message: `${input}: expected a model in one file, found one of ${parts} parts`,
      remedy: 'Join the parts with llama-gguf-split --merge.',
    });
  const packed = [...tensors].filter(([, { type }]) => type.plain === null);
  if (packed.length === 0 || allowRequantize) return;
  const [name, { type }] = packed[0];
  throw new FactoryError({
    code: 'EXPORT_REQUANTISE',
    message: `${input}: expected tensors in F32, F16 or BF16, found ${packed.length} of ${tensors.size} quantised already (${name} is ${type.name}); quantised once more they lose more than from the original`,
    remedy: 'Quantise the original file, or add --allow_requantize.',
    details: { quantised: packed.length, tensors: tensors.size },
  });
}

async function refuseOutput(input: string, output: string): Promise<void> {
  const found = await realpath(output).catch(() => null);
  if (found === null) return;
  const isSame = found === (await realpath(input));
  throw new FactoryError({
    code: 'TRAIN_OUTPUT_EXISTS',
    message: isSame
      ? `${output}: expected another file than the source`
      : `${output}: expected a file that does not exist yet, found one`,
    remedy: isSame ? 'Name another output file.' : 'Remove it, or name another output file.',
  });
}

const licenseOf = ({ metadata }: GgufHeader) => {
  const license = metadata.get('general.license');
  return typeof license === 'string' ? license : null;
};
