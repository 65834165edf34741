// In: the files of one training step. Out: a folder `checkpoint-N` that is whole or not there, with a manifest of
// SHA-256 sums, and the search for the newest one that is undamaged. It does not know what the files mean.
import { mkdir, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { FactoryError, invariant } from '#factory/errors.ts';
import { type FileContent, isLeftover, syncFolder, temporaryName, writeSynced } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';
import { sha256Of } from './file-sum.ts';

/** Written last: a folder without it, or that differs from it, is not a checkpoint to resume from. */
export const MANIFEST_FILE = 'tunesmith_checkpoint.json';

export interface CheckpointManifest {
  format: 1;
  step: number;
  /** By relative path, `/` as separator, sorted. */
  files: Record<string, { bytes: number; sha256: string }>;
}

export interface CheckpointRef {
  dir: string;
  step: number;
}

export interface CheckpointRotation {
  /** How many to keep (`save_total_limit`); null keeps all. The best and the newest are kept whatever it says. */
  limit: number | null;
  /** The step of the best checkpoint so far, if one is known. */
  bestStep?: number | null;
}

export type Verdict = { ok: true; manifest: CheckpointManifest } | { ok: false; reason: string };

const NAME = /^checkpoint-(\d+)$/;
const TEMPORARY = /^checkpoint-(\d+)\.tmp-\d+-\d+$/;
/** What the Python trainers leave in a checkpoint folder and we never write. */
const FOREIGN_FILES = ['training_args.bin', 'optimizer.pt', 'scheduler.pt', 'rng_state.pth', 'latest'];

/**
 * Writes `checkpoint-<step>` in `outputDir`: all files and the manifest into a temporary folder, synced, then one
 * rename. An existing folder of that step is replaced. Then older checkpoints are deleted as `rotation` says.
 */
export async function writeCheckpoint(
  outputDir: string,
  step: number,
  files: Record<string, FileContent>,
  rotation: CheckpointRotation,
): Promise<CheckpointRef> {
  const dir = checkpointDir(outputDir, step);
  const temporary = temporaryName(dir);
  try {
    await mkdir(temporary, { recursive: true });
    const manifest: CheckpointManifest = { format: 1, step, files: {} };
    for (const name of Object.keys(files).sort()) {
      const path = join(temporary, checkedName(name));
      await mkdir(dirname(path), { recursive: true });
      manifest.files[name] = await writeSynced(path, files[name]);
      await syncFolder(dirname(path));
    }
    await writeSynced(join(temporary, MANIFEST_FILE), `${JSON.stringify(manifest, null, 2)}\n`);
    await syncFolder(temporary);
    await install(temporary, dir);
    await syncFolder(outputDir);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw diskError(error, 'write checkpoint', dir);
  }
  await rotate(outputDir, step, rotation);
  return { dir, step };
}

/** Checkpoint folders of `outputDir` by step, oldest first, whether damaged or not. */
export async function listCheckpoints(outputDir: string): Promise<CheckpointRef[]> {
  const found: CheckpointRef[] = [];
  for (const entry of await entriesOf(outputDir)) {
    const match = NAME.exec(entry.name);
    if (match && entry.isDirectory())
      found.push({ dir: join(outputDir, entry.name), step: Number(match[1]) });
  }
  return found.sort((a, b) => a.step - b.step);
}

/** Compares every file of a checkpoint with its manifest. A reason is one sentence part, fit to follow the folder's name. */
export async function verifyCheckpoint(dir: string): Promise<Verdict> {
  const read = await readManifest(dir);
  if (!read.ok) return read;
  for (const [name, expected] of Object.entries(read.manifest.files)) {
    try {
      const { size } = await stat(join(dir, name));
      if (size !== expected.bytes) {
        return { ok: false, reason: `${name} has ${size} bytes where ${expected.bytes} were written` };
      }
      if ((await sha256Of(join(dir, name))) !== expected.sha256) {
        return { ok: false, reason: `${name} differs from its SHA-256 sum` };
      }
    } catch (error) {
      const why = errnoOf(error) === 'ENOENT' ? 'is missing' : `cannot be read (${errnoOf(error)})`;
      return { ok: false, reason: `${name} ${why}` };
    }
  }
  return read;
}

/**
 * The newest checkpoint whose every byte is as written, and the newer ones that were passed over, newest first.
 * `dir` is null and `step` is 0 where there is none.
 */
export async function newestGoodCheckpoint(
  outputDir: string,
): Promise<{ dir: string | null; step: number; rejected: { dir: string; reason: string }[] }> {
  const rejected: { dir: string; reason: string }[] = [];
  for (const { dir, step } of (await listCheckpoints(outputDir)).reverse()) {
    const verdict = await verifyCheckpoint(dir);
    if (verdict.ok) return { dir, step, rejected };
    rejected.push({ dir, reason: verdict.reason });
  }
  return { dir: null, step: 0, rejected };
}

/** All files of a checkpoint, checked while reading. Throws STORE_CHECKPOINT_DAMAGED or STORE_NO_CHECKPOINT. */
export async function readCheckpoint(dir: string): Promise<{ step: number; files: Map<string, Uint8Array> }> {
  const verdict = await verifyCheckpoint(dir);
  if (!verdict.ok) {
    const exists = (await entriesOf(dir)).length > 0;
    throw new FactoryError({
      code: exists ? 'STORE_CHECKPOINT_DAMAGED' : 'STORE_NO_CHECKPOINT',
      message: `${dir} cannot be resumed from: ${verdict.reason}`,
      remedy:
        'Set resume_from_checkpoint to another checkpoint, or unset it to use the newest good one in output_dir.',
      details: { dir, reason: verdict.reason },
    });
  }
  const files = new Map<string, Uint8Array>();
  try {
    for (const name of Object.keys(verdict.manifest.files)) files.set(name, await readFile(join(dir, name)));
  } catch (error) {
    throw diskError(error, 'read checkpoint', dir);
  }
  return { step: verdict.manifest.step, files };
}

/** Deletes checkpoints above `step`: after a resume from there, they belong to a future that will be written anew. */
export async function discardCheckpointsAfter(outputDir: string, step: number): Promise<string[]> {
  const gone = (await listCheckpoints(outputDir)).filter((checkpoint) => checkpoint.step > step);
  for (const { dir } of gone) await removeFolder(dir);
  return gone.map(({ dir }) => dir);
}

/**
 * Clears what a killed process left: a temporary folder that was complete and only lacked its rename is put in place
 * where no checkpoint of that step is, any other is deleted. Call it once at start, holding the run lock.
 */
export async function recoverCheckpoints(outputDir: string): Promise<void> {
  try {
    for (const entry of await entriesOf(outputDir)) {
      if (!isLeftover(entry.name)) continue;
      const path = join(outputDir, entry.name);
      const step = TEMPORARY.exec(entry.name)?.[1];
      const target = step === undefined ? null : checkpointDir(outputDir, Number(step));
      const taken = target !== null && (await exists(target));
      if (target !== null && !taken && (await verifyCheckpoint(path)).ok) await rename(path, target);
      else await rm(path, { recursive: true, force: true });
    }
    if (await exists(outputDir)) await syncFolder(outputDir);
  } catch (error) {
    throw diskError(error, 'clear temporary folders in', outputDir);
  }
}

export function checkpointDir(outputDir: string, step: number): string {
  return join(outputDir, `checkpoint-${step}`);
}

/** Replaces `dir` by `temporary`. Between the two renames the new folder is complete, so `recoverCheckpoints` mends it. */
async function install(temporary: string, dir: string): Promise<void> {
  if (await exists(dir)) await removeFolder(dir);
  await rename(temporary, dir);
}

async function rotate(
  outputDir: string,
  newest: number,
  { limit, bestStep }: CheckpointRotation,
): Promise<void> {
  if (limit === null || limit <= 0) return;
  const all = await listCheckpoints(outputDir);
  let surplus = all.length - limit;
  for (const { dir, step } of all) {
    if (surplus <= 0) return;
    if (step === newest || step === bestStep) continue;
    await removeFolder(dir);
    surplus--;
  }
}

/** Renames first, so that a folder is never half deleted under its own name, nor put back by `recoverCheckpoints`. */
async function removeFolder(dir: string): Promise<void> {
  const aside = temporaryName(join(dirname(dir), `deleted-${basename(dir)}`));
  try {
    await rename(dir, aside);
    await rm(aside, { recursive: true, force: true });
  } catch (error) {
    throw diskError(error, 'delete', dir);
  }
}

async function readManifest(dir: string): Promise<Verdict> {
  const names = (await entriesOf(dir)).map((entry) => entry.name);
  if (names.length === 0) return { ok: false, reason: 'the folder is missing or empty' };
  if (!names.includes(MANIFEST_FILE)) return { ok: false, reason: foreignReason(names) };
  try {
    const value = JSON.parse(await readFile(join(dir, MANIFEST_FILE), 'utf8')) as CheckpointManifest | null;
    if (value?.format !== 1) return { ok: false, reason: `${MANIFEST_FILE} has an unknown format` };
    const files = Object.entries(value.files ?? {});
    const wellFormed = files.every(
      ([name, file]) =>
        isPlainName(name) && Number.isSafeInteger(file?.bytes) && typeof file?.sha256 === 'string',
    );
    if (!Number.isSafeInteger(value.step) || files.length === 0 || !wellFormed) {
      return { ok: false, reason: `${MANIFEST_FILE} has not the expected fields` };
    }
    return { ok: true, manifest: value };
  } catch (error) {
    return { ok: false, reason: `${MANIFEST_FILE} cannot be read (${(error as Error).message})` };
  }
}

function foreignReason(names: string[]): string {
  const foreign = names.find(
    (name) => FOREIGN_FILES.includes(name) || /^(rng_state_\d+\.pth|global_step\d+)$/.test(name),
  );
  return foreign === undefined
    ? `${MANIFEST_FILE} is missing, so its files cannot be checked`
    : `it was written by LLaMA-Factory or transformers (it has ${foreign} and no ${MANIFEST_FILE}): their optimiser and ` +
        'random state cannot be continued exactly; name it in adapter_name_or_path to start anew from its weights';
}

function isPlainName(name: string): boolean {
  return (
    name !== '' &&
    !name.startsWith('/') &&
    !/[\\:\0]/.test(name) &&
    !name.split('/').some((p) => p === '..' || p === '')
  );
}

function checkedName(name: string): string {
  invariant(
    isPlainName(name) && name !== MANIFEST_FILE,
    `${JSON.stringify(name)} cannot name a checkpoint file`,
  );
  return name;
}

async function entriesOf(dir: string) {
  try {
    return await readdir(dir, { withFileTypes: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error))) return [];
    throw diskError(error, 'list', dir);
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}
