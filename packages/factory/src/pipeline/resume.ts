// In: an output folder and the arguments. Out: the checkpoint to go on from, or null for a fresh start; or a refusal that
// says what differs. Nothing is deleted before the decision is made.
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { discardCheckpointsAfter, newestGoodCheckpoint, readCheckpoint } from '#factory/store/checkpoint.ts';
import { describeChange, diffConfigs, readResolvedConfig } from '#factory/store/resolved-config.ts';
import { deleteTrainerLog } from '#factory/store/trainer-log.ts';

export interface ResumePoint {
  dir: string;
  step: number;
  files: Map<string, Uint8Array>;
}

export async function findResumePoint(
  args: TrainArgs,
  note: (text: string) => void,
): Promise<ResumePoint | null> {
  const wanted = args.resume_from_checkpoint;
  if (typeof wanted === 'string') return openPoint(wanted, args, note);
  if (args.overwrite_output_dir && wanted !== true) {
    for (const dir of await discardCheckpointsAfter(args.output_dir, -1))
      note(`deleted ${dir} (overwrite_output_dir)`);
    deleteTrainerLog(args.output_dir);
    return null;
  }
  if (wanted === false) {
    await refuseUsedFolder(args);
    return null;
  }
  const newest = await newestGoodCheckpoint(args.output_dir);
  for (const { dir, reason } of newest.rejected) note(`passed over ${dir}: ${reason}`);
  if (newest.dir) return openPoint(newest.dir, args, note);
  if (wanted === true || newest.rejected.length > 0)
    throw new FactoryError({
      code: 'STORE_NO_CHECKPOINT',
      message: `${args.output_dir} holds no checkpoint that can be resumed${newest.rejected.length > 0 ? ': all are damaged' : ''}`,
      remedy: 'Set overwrite_output_dir to start again from the first step, or set another output_dir.',
      details: { rejected: newest.rejected },
    });
  await refuseUsedFolder(args);
  return null;
}

/** A folder with weights but no checkpoint is somebody's result. */
async function refuseUsedFolder({ output_dir }: TrainArgs): Promise<void> {
  const names = await readdir(output_dir).catch(() => []);
  const found = names.find(
    (name) => /^(adapter_model|model.*)\.(safetensors|bin)$/.test(name) || /^checkpoint-\d+$/.test(name),
  );
  if (found)
    throw new FactoryError({
      code: 'TRAIN_OUTPUT_EXISTS',
      message: `${join(output_dir, found)} is there already, from another run`,
      remedy: 'Set another output_dir, or set overwrite_output_dir to replace what is there.',
    });
}

async function openPoint(dir: string, args: TrainArgs, note: (text: string) => void): Promise<ResumePoint> {
  const { step, files } = await readCheckpoint(dir);
  const stored = await readResolvedConfig(args.output_dir);
  const changes = stored ? diffConfigs(stored.args, args) : [];
  const isLength = (key: string) => key === 'num_train_epochs' || key === 'max_steps';
  const refused = changes.filter((c) => c.drifts && !args.allow_drift && !(args.extend && isLength(c.key)));
  if (refused.length > 0)
    throw new FactoryError({
      code: 'TRAIN_DRIFT',
      message: `${dir} was trained with other settings:\n${refused.map((c) => `  ${describeChange(c)}`).join('\n')}`,
      remedy: refused.every((c) => isLength(c.key))
        ? 'Add --extend to lengthen the run on purpose, or set another output_dir.'
        : 'Take the changes back, add --allow-drift to go on with them, or set another output_dir.',
      details: { changes: refused },
    });
  for (const change of changes) note(`changed since the checkpoint: ${describeChange(change)}`);
  await discardCheckpointsAfter(args.output_dir, step);
  return { dir, step, files };
}
