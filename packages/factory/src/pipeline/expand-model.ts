// In: a model folder or hub id and a number of blocks. Out: a folder with the model expanded by that many identity blocks,
// whole or not there, after a forward pass has shown that it computes what the base computes.
import { join, resolve } from 'node:path';
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
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { writeWholeFolder } from '#factory/store/whole-folder.ts';
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
  try {
    const { config, weights, inserted } = expandBlocks(
      base.config,
      base.weights,
      numExpand,
      join(base.dir, 'config.json'),
    );
    return await writeWholeFolder(outputDir, async (temporary) => {
      const files = await writeShardedSafetensors(temporary, weights, { maxShardBytes });
      const companions = await companionFiles(base, { ...args, finetuning_type: 'full' });
      const text = `${JSON.stringify(config.raw, null, 2)}\n`;
      for (const [name, content] of Object.entries({ ...companions, 'config.json': text }))
        await writeAtomic(join(temporary, name), content);
      const logitDifference = verify ? await compareLogits(base, temporary, args, deps) : null;
      return {
        outputDir,
        layers: config.layers,
        inserted,
        files: [...files, 'config.json'],
        logitDifference,
      };
    });
  } finally {
    await base.weights.close();
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
