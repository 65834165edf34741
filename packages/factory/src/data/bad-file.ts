// In: a file, what was found in it and what to do. Out: the error DATA_BAD_FILE.
import { FactoryError } from '#factory/errors.ts';

/** Longest row in characters: a guard against files that are not what their name says. */
export const MAX_ROW_CHARS = 64 * 1024 * 1024;

export function badFile(path: string, found: string, remedy: string, cause?: unknown): FactoryError {
  return new FactoryError({ code: 'DATA_BAD_FILE', message: `${path}: ${found}`, remedy, cause });
}

export function rowTooLong(path: string, row: number): FactoryError {
  return badFile(
    path,
    `row ${row + 1} is longer than ${MAX_ROW_CHARS / 1024 / 1024} million characters`,
    'Check that the file is what its name says, or split the row.',
  );
}
