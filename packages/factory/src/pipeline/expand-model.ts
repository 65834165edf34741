// In: a model folder or hub id and a number of blocks. Out: a folder with the model expanded by that many identity blocks,
// whole or not there, after a forward pass has shown that it computes what the base computes.
import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { openBackend } from '@tunesmith/engine';
import { FactoryError, invariant } from '#factory/errors.ts';
import { codedBits } from '#factory/model/bitsandbytes/stored-codes.ts';
import { buildDecoder } from '#factory/model/build-decoder.ts';
import { expandBlocks } from '#factory/model/llama-pro.ts';
import { type OpenModel, openModel } from '#factory/model/open-model.ts';
import { packBatch } from '#factory/model/packed-batch.ts';
import { writeShardedSafetensors } from '#factory/model/write-safetensors.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { isLeftover, syncFolder, temporaryName, writeAtomic } from '#factory/store/atomic-file.ts';
import { diskError } from '#factory/store/disk-error.ts';
import { type BaseDeps, hubOptions } from './open-base.ts';
import { companionFiles } from './write-outputs.ts';

export interface ExpandOptions {
  numExpand: number;
  maxShardBytes: number;
  /** Compare the logits of both models. */
  verify: boolean;
}

export interface ExpandResult {
  outputDir: string;
  layers: number;
  inserted: number[];
  files: string[];
  /** Largest difference of any logit, or null when it was not checked. */
  logitDifference: number | null;
}

export async function expandModel(
  args: TrainArgs,
  { numExpand, maxShardBytes, verify }: ExpandOptions,
  deps: BaseDeps,
): Promise<ExpandResult> {
  const outputDir = resolve(args.output_dir);
  await refuseFullFolder(outputDir);
  const base = await openModel(args.model_name_or_path, hubOptions(args, deps));
  if (codedBits(base.config)) {
    await base.weights.close();
    throw new FactoryError({
      code: 'MODEL_BAD_CONFIG',
      message: `${base.dir}: expected weights in full precision to copy, found a checkpoint that bitsandbytes has quantised`,
      remedy: 'Use the checkpoint that is not quantised.',
    });
  }
  for (const text of base.notes) deps.note(text);
  const temporary = temporaryName(outputDir);
  try {
    const { config, weights, inserted } = expandBlocks(
      base.config,
      base.weights,
      numExpand,
      join(base.dir, 'config.json'),
    );
    await clearLeftovers(outputDir);
    const files = await writeShardedSafetensors(temporary, weights, { maxShardBytes });
    const companions = await companionFiles(base, { ...args, finetuning_type: 'full' });
    const text = `${JSON.stringify(config.raw, null, 2)}\n`;
    for (const [name, content] of Object.entries({ ...companions, 'config.json': text }))
      await writeAtomic(join(temporary, name), content);
    const logitDifference = verify ? await compareLogits(base, temporary, args, deps) : null;
    await install(temporary, outputDir);
    return { outputDir, layers: config.layers, inserted, files: [...files, 'config.json'], logitDifference };
  } finally {
    await base.weights.close();
    await rm(temporary, { recursive: true, force: true });
  }
}

/** One model in memory at a time. */
async function compareLogits(
  base: OpenModel,
  expandedDir: string,
  args: TrainArgs,
  deps: BaseDeps,
): Promise<number> {
  const before = await someLogits(base, args);
  const expanded = await openModel(expandedDir, hubOptions(args, deps));
  try {
    const after = await someLogits(expanded, args);
    let most = 0;
    let largest = 0;
    for (let i = 0; i < before.length; i++) {
      // Math.max keeps a NaN, which must not pass for equal.
      most = Math.max(most, Math.abs(after[i] - before[i]));
      largest = Math.max(largest, Math.abs(before[i]));
    }
    invariant(most <= 1e-5 * largest, `the expanded model computes other logits: they differ by ${most}`);
    return most;
  } finally {
    await expanded.weights.close();
  }
}

/** Logits after every token of two short rows of random ids. */
async function someLogits({ config, weights }: OpenModel, args: TrainArgs): Promise<Float32Array> {
  const backend = await openBackend(args.backend);
  try {
    const decoder = await buildDecoder({
      backend,
      config,
      source: weights,
      trained: new Set(),
      lora: null,
      halfStorage: args.fp16 || args.bf16,
    });
    const random = seededRandom('expand/probe');
    const rows = [7, 12].map((length) => {
      const ids = Int32Array.from({ length: Math.min(length, config.maxPositions) }, () =>
        Math.floor(random.next() * config.vocabSize),
      );
      return { inputIds: ids, labels: ids };
    });
    const batch = packBatch(rows);
    return await decoder.head.logits(await decoder.forward(batch), batch.targets.length);
  } finally {
    await backend.dispose();
  }
}

async function refuseFullFolder(dir: string): Promise<void> {
  const names = await readdir(dir).catch(() => []);
  if (names.length > 0)
    throw new FactoryError({
      code: 'TRAIN_OUTPUT_EXISTS',
      message: `output_dir ${dir} is not empty: it has ${names[0]}`,
      remedy: 'Set output_dir to a folder that does not exist yet.',
    });
}

/** What a killed run left beside the folder. */
async function clearLeftovers(dir: string): Promise<void> {
  const parent = dirname(dir);
  const names = await readdir(parent).catch(() => []);
  for (const name of names)
    if (name.startsWith(`${basename(dir)}.tmp-`) && isLeftover(name))
      await rm(join(parent, name), { recursive: true, force: true });
}

async function install(temporary: string, dir: string): Promise<void> {
  try {
    await mkdir(dirname(dir), { recursive: true });
    await rmdir(dir).catch(() => undefined);
    await syncFolder(temporary);
    await rename(temporary, dir);
    await syncFolder(dirname(dir));
  } catch (error) {
    throw diskError(error, 'put in place', dir);
  }
}
