// In: an output folder and the arguments. Out: the checkpoint to go on from, or null for a fresh start; or a refusal that
// says what differs. Nothing is deleted before the decision is made.
import { readdir, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { discardCheckpointsAfter, newestGoodCheckpoint, readCheckpoint } from '#factory/store/checkpoint.ts';
import { diskError } from '#factory/store/disk-error.ts';
import { describeChange, diffConfigs, readResolvedConfig } from '#factory/store/resolved-config.ts';
import { ALL_RESULTS_FILE } from '#factory/store/results.ts';
import { deleteTrainerLog } from '#factory/store/trainer-log.ts';
import { readTrainerState, TRAINER_STATE_FILE } from '#factory/store/trainer-state.ts';

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
  if (typeof wanted === 'string') {
    const isElsewhere = dirname(resolve(wanted)) !== resolve(args.output_dir);
    if (isElsewhere && !args.overwrite_output_dir) await refuseUsedFolder(args);
    return openPoint(wanted, args, note);
  }
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
  const stored = (await readResolvedConfig(dir)) ?? (await readResolvedConfig(args.output_dir));
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
  return { dir, step, files };
}

/** What is written last by each phase; without it the phase has been cut short. */
const RESULTS = {
  do_train: TRAINER_STATE_FILE,
  do_eval: 'eval_results.json',
  do_predict: 'predict_results.json',
};

/** Whether everything that the run leaves behind after step `step` is there. */
export async function hasAllResults(args: TrainArgs, step: number): Promise<boolean> {
  const names = await readdir(args.output_dir);
  const phases = (['do_train', 'do_eval', 'do_predict'] as const).filter((phase) => args[phase]);
  if (!phases.every((phase) => names.includes(RESULTS[phase]))) return false;
  return (await readTrainerState(args.output_dir)).global_step === step;
}

/** Deletes the results of an earlier sitting, so that they never stand beside weights that they do not describe. */
export async function clearResults(outputDir: string): Promise<void> {
  for (const name of [...Object.values(RESULTS), 'train_results.json', ALL_RESULTS_FILE]) {
    await rm(join(outputDir, name), { force: true }).catch((error) => {
      throw diskError(error, 'delete', join(outputDir, name));
    });
  }
}
