// In: tensors. Out: safetensors files on disk, whole or not at all; equal tensors give equal bytes.
// Big models are cut into shards with an index, named and laid out as transformers does it.
import { join } from 'node:path';
import { invariant } from '#factory/errors.ts';
import type { WeightSource, WeightTensor } from '#factory/records/model-config.ts';
import { type WrittenFile, writeAtomic } from '#factory/store/atomic-file.ts';
import { encodeSafetensors } from '#factory/store/safetensors-format.ts';

/** transformers asks for this entry. */
const METADATA = { format: 'pt' };
/** transformers' default shard size in bytes. */
const SHARD_BYTES = 5e9;

export function writeSafetensors(
  path: string,
  tensors: Iterable<WeightTensor>,
  metadata: Record<string, string> = METADATA,
): Promise<WrittenFile> {
  return writeAtomic(path, encodeSafetensors(checked(tensors), metadata));
}

/**
 * Writes a whole model into `dir` as `model.safetensors`, or as shards of at most `maxShardBytes` with their index (one
 * larger tensor gets a shard of its own). One shard is in memory at a time. Returns the file names, weights first.
 */
export async function writeShardedSafetensors(
  dir: string,
  source: Pick<WeightSource, 'tensors' | 'read'>,
  { maxShardBytes = SHARD_BYTES }: { maxShardBytes?: number } = {},
): Promise<string[]> {
  const { shards, totalBytes, totalParameters } = planShards(source, maxShardBytes);
  const files = shards.map((_, i) => shardName(i, shards.length));
  const weightMap: Record<string, string> = {};
  for (const [i, names] of shards.entries()) {
    const tensors: WeightTensor[] = [];
    for (const name of names) {
      tensors.push(await source.read(name));
      weightMap[name] = files[i];
    }
    await writeSafetensors(join(dir, files[i]), tensors);
  }
  if (shards.length === 1) return files;
  const index = {
    metadata: { total_parameters: totalParameters, total_size: totalBytes },
    weight_map: Object.fromEntries(Object.entries(weightMap).sort(([a], [b]) => (a < b ? -1 : 1))),
  };
  const indexName = 'model.safetensors.index.json';
  await writeAtomic(join(dir, indexName), `${JSON.stringify(index, null, 2)}\n`);
  return [...files, indexName];
}

function planShards(source: Pick<WeightSource, 'tensors'>, maxShardBytes: number) {
  const shards: string[][] = [[]];
  let shardBytes = 0;
  let totalBytes = 0;
  let totalParameters = 0;
  for (const [name, { dtype, shape }] of source.tensors) {
    const count = shape.reduce((total, size) => total * size, 1);
    const bytes = count * (dtype === 'F32' ? 4 : 2);
    if (shardBytes + bytes > maxShardBytes && shardBytes > 0) {
      shards.push([]);
      shardBytes = 0;
    }
    shards.at(-1)!.push(name);
    shardBytes += bytes;
    totalBytes += bytes;
    totalParameters += count;
  }
  return { shards, totalBytes, totalParameters };
}

function shardName(i: number, count: number): string {
  if (count === 1) return 'model.safetensors';
  const five = (n: number) => String(n).padStart(5, '0');
  return `model-${five(i + 1)}-of-${five(count)}.safetensors`;
}

function* checked(tensors: Iterable<WeightTensor>): Generator<WeightTensor> {
  const seen = new Set<string>();
  for (const tensor of tensors) {
    const count = tensor.shape.reduce((total, size) => total * size, 1);
    const isFloat = tensor.data instanceof Float32Array;
    invariant(
      tensor.data.length === count,
      `tensor ${tensor.name}: ${tensor.data.length} values for [${tensor.shape}]`,
    );
    invariant(isFloat === (tensor.dtype === 'F32'), `tensor ${tensor.name}: wrong array for ${tensor.dtype}`);
    invariant(!seen.has(tensor.name), `two tensors named ${tensor.name}`);
    seen.add(tensor.name);
    yield tensor;
  }
}
