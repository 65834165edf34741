// In: whatever a file operation threw, and what was being done to which path. Out: the typed error with its remedy.
// It never retries and never hides an error that is already typed.
import { FactoryError } from '#factory/errors.ts';

const FULL = new Set(['ENOSPC', 'EDQUOT']);
const UNWRITABLE = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'EISDIR',
  'ENAMETOOLONG',
  'ELOOP',
]);

/** The errno name of a Node file error, such as `ENOENT`, or the empty string. */
export function errnoOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

/** Turns a Node file error into a FactoryError. `doing` reads like `write checkpoint file`. */
export function diskError(error: unknown, doing: string, path: string): FactoryError {
  if (error instanceof FactoryError) return error;
  const errno = errnoOf(error);
  const found = error instanceof Error ? error.message : String(error);
  const details = { path, errno };
  if (FULL.has(errno)) {
    return new FactoryError({
      code: 'STORE_DISK_FULL',
      message: `could not ${doing} ${path}: the disk or its quota is full (${errno}); nothing that was there before has changed`,
      remedy: 'Free disk space or set output_dir to a larger disk, then run the same command again.',
      details,
      cause: error,
    });
  }
  if (UNWRITABLE.has(errno)) {
    return new FactoryError({
      code: 'STORE_UNWRITABLE',
      message: `could not ${doing} ${path}: expected a folder that may be written to, found ${errno} (${found})`,
      remedy:
        'Set output_dir to a folder that you may write to, or mend its permissions or the file in its way.',
      details,
      cause: error,
    });
  }
  return new FactoryError({
    code: 'STORE_IO',
    message: `could not ${doing} ${path}: ${found}`,
    remedy: 'Check that the disk and the path are there and healthy, then run the same command again.',
    details,
    cause: error,
  });
}
