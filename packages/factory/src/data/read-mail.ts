// In: a file that holds one raw e-mail. Out: one row: subject, body, and the folder and name of the file.
import { readFileSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { badFile } from './bad-file.ts';
import { mailText } from './mail/mail-text.ts';
import type { RawRow } from './raw-row.ts';

export async function* readMail(path: string): AsyncGenerator<RawRow> {
  let bytes: Uint8Array;
  try {
    // Small files by the thousand: see describe-inputs.ts.
    bytes = readFileSync(path);
  } catch (cause) {
    throw badFile(path, `cannot be read (${(cause as Error).message})`, 'Check the path.', cause);
  }
  yield { row: 0, columns: { ...mailText(bytes), folder: basename(dirname(path)), file: basename(path) } };
}
