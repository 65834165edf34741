// In: the path of a text file, plain or compressed. Out: its text in chunks or lines, decoded strictly, without a byte order mark.
// The encoding is found from the first bytes that are not ASCII; what is then not in it ends in DATA_BAD_FILE.
import { badFile, MAX_ROW_CHARS, rowTooLong } from './bad-file.ts';
import { readBytes } from './byte-stream.ts';
import { byteOrderMark, detectEncoding, type Encoding } from './detect-encoding.ts';

export type TextEncoding = Encoding | 'ascii';

export async function* readTextChunks(path: string): AsyncGenerator<string> {
  for await (const { text } of decodeFile(path)) if (text.length > 0) yield text;
}

/** The encoding of a text file; reads only as far as the first bytes that are not ASCII. */
export async function encodingOf(path: string): Promise<TextEncoding> {
  for await (const { encoding } of decodeFile(path)) if (encoding !== 'ascii') return encoding;
  return 'ascii';
}

/** A piece may end inside a character; so as not to judge by half of one, two pieces are held until the encoding is known. */
async function* decodeFile(path: string): AsyncGenerator<{ text: string; encoding: TextEncoding }> {
  let encoding: TextEncoding = 'ascii';
  let decoder = new TextDecoder('utf-8', { fatal: true });
  let lines = 0;
  const decode = (bytes: Uint8Array, stream: boolean): string => {
    let text: string;
    try {
      text = decoder.decode(bytes, { stream });
    } catch (cause) {
      const name = encoding === 'ascii' ? 'utf-8' : encoding;
      throw badFile(
        path,
        `expected text in ${name.toUpperCase()}, found other bytes after line ${lines + 1}`,
        'Save the file as UTF-8.',
        cause,
      );
    }
    const nul = text.indexOf('\0');
    if (nul >= 0) {
      throw badFile(
        path,
        `expected text, found a NUL byte near line ${lines + countNewlines(text, nul) + 1}`,
        'Give a text file, not a binary one.',
      );
    }
    lines += countNewlines(text, text.length);
    return text;
  };

  let held: Uint8Array | null = null;
  const settle = (bytes: Uint8Array, isEnd: boolean): void => {
    if (encoding !== 'ascii') return;
    const found =
      byteOrderMark(bytes) ?? (isAscii(bytes) && !bytes.includes(0) ? null : detectEncoding(bytes, isEnd));
    if (found === null) {
      if (isAscii(bytes)) return;
      throw badFile(
        path,
        `expected text in UTF-8, UTF-16, GB18030, Big5 or Windows-1252, found other bytes after line ${lines + 1}`,
        'Save the file as UTF-8.',
      );
    }
    encoding = found;
    decoder = new TextDecoder(found, { fatal: true });
  };
  for await (const bytes of readBytes(path)) {
    if (held !== null) {
      settle(held, false);
      yield { text: decode(held, true), encoding };
    }
    held = bytes;
  }
  if (held !== null) {
    settle(held, true);
    yield { text: decode(held, true), encoding };
  }
  decode(new Uint8Array(0), false);
}

function isAscii(bytes: Uint8Array): boolean {
  for (let at = 0; at < bytes.length; at++) if (bytes[at]! >= 0x80) return false;
  return true;
}

/** Lines without their ends (`\n` or `\r\n`); `line` counts from zero, blank lines included. */
export async function* readLines(path: string): AsyncGenerator<{ line: number; text: string }> {
  let pending = '';
  let line = 0;
  for await (const chunk of readTextChunks(path)) {
    let start = 0;
    for (let end = chunk.indexOf('\n'); end >= 0; end = chunk.indexOf('\n', start)) {
      const text = pending + chunk.slice(start, end);
      yield { line: line++, text: text.endsWith('\r') ? text.slice(0, -1) : text };
      pending = '';
      start = end + 1;
    }
    pending += chunk.slice(start);
    if (pending.length > MAX_ROW_CHARS) throw rowTooLong(path, line);
  }
  if (pending.length > 0) yield { line, text: pending.endsWith('\r') ? pending.slice(0, -1) : pending };
}

function countNewlines(text: string, end: number): number {
  let count = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < end; at = text.indexOf('\n', at + 1)) count++;
  return count;
}
