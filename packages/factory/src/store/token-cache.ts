// In: a tokenised data set. Out: one compact checksummed file named by its fingerprint, and back in a few milliseconds.
// A damaged file is a miss with a note, never an error: tokenising again gives the same ids.
//
// Layout, little-endian: 8 bytes magic, 32 bytes SHA-256 of all that follows, u32 header length, JSON header (padded
// with spaces to 4 bytes), then the payload:
// row lengths (u32 each), ids (u16 where all fit, else u32; padded to 4 bytes), label runs (u32 lengths, masked and
// labelled in turn over all rows), exceptions (pairs of u32 position and i32 label), and where rows have borders inside
// (`starts`): u32 counts per row, then the starts.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { invariant } from '#factory/errors.ts';
import { type EncodedDataset, type EncodedExample, IGNORE_INDEX } from '#factory/records/encoded.ts';
import { writeAtomic } from './atomic-file.ts';
import { errnoOf } from './disk-error.ts';

interface Header {
  fingerprint: string;
  totals: EncodedDataset['totals'];
  rows: number;
  tokens: number;
  idBytes: 2 | 4;
  runs: number;
  exceptions: number;
  /** All starts together; absent where no row has any. */
  starts?: number;
  sequencesPerRow: 1 | 2;
  /** One digit per row: 1 where the answer is desirable. */
  desirable?: string;
}

export interface CacheLookup {
  dataset: EncodedDataset | null;
  /** Why a file that exists could not be used; null on a hit and on a plain miss. */
  note: string | null;
}

const MAGIC = Buffer.from('TSTOKEN1', 'latin1');
/** Bytes before the JSON header. */
const START = 44;

export function tokenCachePath(cacheDir: string, fingerprint: string): string {
  invariant(/^[0-9a-f]{8,128}$/.test(fingerprint), `fingerprint ${fingerprint} is not hexadecimal`);
  return join(cacheDir, `${fingerprint}.tokens`);
}

export async function writeTokenCache(cacheDir: string, dataset: EncodedDataset): Promise<string> {
  const path = tokenCachePath(cacheDir, dataset.fingerprint);
  await writeAtomic(path, encodeDataset(dataset));
  return path;
}

export async function readTokenCache(cacheDir: string, fingerprint: string): Promise<CacheLookup> {
  const path = tokenCachePath(cacheDir, fingerprint);
  let bytes: Uint8Array<ArrayBuffer>;
  try {
    bytes = await readFile(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return { dataset: null, note: null };
    return {
      dataset: null,
      note: `token cache ${path} cannot be read (${errnoOf(error)}); tokenising again`,
    };
  }
  const decoded = decodeDataset(bytes, fingerprint);
  if (typeof decoded !== 'string') return { dataset: decoded, note: null };
  return { dataset: null, note: `token cache ${path} is damaged (${decoded}); tokenising again` };
}

function encodeDataset({
  examples,
  fingerprint,
  totals,
  sequencesPerRow,
  isDesirable,
}: EncodedDataset): Uint8Array[] {
  const lengths = new Uint32Array(examples.length);
  let tokens = 0;
  let largest = 0;
  for (const [row, { inputIds, labels }] of examples.entries()) {
    invariant(
      inputIds.length === labels.length,
      `row ${row}: ${inputIds.length} ids but ${labels.length} labels`,
    );
    lengths[row] = inputIds.length;
    tokens += inputIds.length;
    for (let i = 0; i < inputIds.length; i++) largest = Math.max(largest, inputIds[i] >>> 0);
  }
  const idBytes = largest < 65_536 ? 2 : 4;
  const ids = idBytes === 2 ? new Uint16Array(tokens + (tokens % 2)) : new Uint32Array(tokens);
  const runs: number[] = [];
  const exceptions: number[] = [];
  let position = 0;
  let runIsLabelled = false;
  let runLength = 0;
  for (const { inputIds, labels } of examples) {
    ids.set(inputIds, position);
    for (let i = 0; i < labels.length; i++, position++) {
      const isLabelled = labels[i] === inputIds[i];
      if (!isLabelled && labels[i] !== IGNORE_INDEX) exceptions.push(position, labels[i]);
      if (isLabelled !== runIsLabelled) {
        runs.push(runLength);
        runIsLabelled = isLabelled;
        runLength = 0;
      }
      runLength++;
    }
  }
  runs.push(runLength);
  const hasStarts = examples.some((example) => example.starts !== undefined);
  const starts = hasStarts ? examples.flatMap((example) => example.starts ?? []) : [];
  const startCounts = hasStarts ? examples.map((example) => example.starts?.length ?? 0) : [];
  const parts = [
    bytesOf(lengths),
    bytesOf(ids),
    bytesOf(Uint32Array.from(runs)),
    bytesOf(Int32Array.from(exceptions)),
    bytesOf(Uint32Array.from(startCounts)),
    bytesOf(Uint32Array.from(starts)),
  ];
  const header: Header = {
    fingerprint,
    totals,
    rows: examples.length,
    tokens,
    idBytes,
    runs: runs.length,
    exceptions: exceptions.length / 2,
    ...(hasStarts ? { starts: starts.length } : {}),
    sequencesPerRow,
    desirable: isDesirable?.map(Number).join(''),
  };
  const text = Buffer.from(JSON.stringify(header), 'utf8');
  const start = Buffer.alloc(START + Math.ceil(text.length / 4) * 4, 0x20);
  MAGIC.copy(start);
  start.writeUInt32LE(start.length - START, START - 4);
  text.copy(start, START);
  const hash = createHash('sha256').update(start.subarray(START - 4));
  for (const part of parts) hash.update(part);
  hash.digest().copy(start, MAGIC.length);
  return [start, ...parts];
}

/** The data set, or what is wrong with the file. */
function decodeDataset(bytes: Uint8Array<ArrayBuffer>, fingerprint: string): EncodedDataset | string {
  if (bytes.length < START || !MAGIC.equals(bytes.subarray(0, MAGIC.length)))
    return 'it is no token cache file';
  const sum = createHash('sha256')
    .update(bytes.subarray(START - 4))
    .digest();
  if (!sum.equals(bytes.subarray(MAGIC.length, START - 4))) return 'it differs from its SHA-256 sum';
  const headerLength = new DataView(bytes.buffer, bytes.byteOffset).getUint32(START - 4, true);
  const header = parseHeader(bytes.subarray(START, START + headerLength));
  if (header === null) return 'its header is of another version';
  if (header.fingerprint !== fingerprint) return 'it holds other data';
  // A copy, because the payload need not be aligned to 4 bytes where the file was read to.
  const words = new Uint8Array(bytes.subarray(START + headerLength)).buffer;
  const idWords = header.idBytes === 2 ? Math.ceil(header.tokens / 2) : header.tokens;
  const startWords = header.starts === undefined ? 0 : header.rows + header.starts;
  const expected = 4 * (header.rows + idWords + header.runs + 2 * header.exceptions + startWords);
  if (words.byteLength !== expected) return `it has ${words.byteLength} bytes of data, not ${expected}`;

  let offset = 0;
  const take = (count: number) => {
    const part = new Uint32Array(words, offset, count);
    offset += count * 4;
    return part;
  };
  const lengths = take(header.rows);
  const idPart = take(idWords);
  const ids = new Int32Array(header.tokens);
  ids.set(header.idBytes === 2 ? new Uint16Array(words, idPart.byteOffset, header.tokens) : idPart);
  const labels = new Int32Array(header.tokens).fill(IGNORE_INDEX);
  let position = 0;
  for (const [index, length] of take(header.runs).entries()) {
    if (index % 2 === 1) labels.set(ids.subarray(position, position + length), position);
    position += length;
  }
  const exceptions = take(2 * header.exceptions);
  for (let i = 0; i < exceptions.length; i += 2) labels[exceptions[i]] = exceptions[i + 1];

  const startCounts = startWords > 0 ? take(header.rows) : null;
  const examples: EncodedExample[] = new Array(header.rows);
  let start = 0;
  for (let row = 0; row < header.rows; row++) {
    const end = start + lengths[row];
    examples[row] = { inputIds: ids.subarray(start, end), labels: labels.subarray(start, end) };
    if (startCounts?.[row]) examples[row].starts = [...take(startCounts[row])];
    start = end;
  }
  const { totals, sequencesPerRow, desirable } = header;
  const isDesirable = desirable === undefined ? {} : { isDesirable: [...desirable].map((d) => d === '1') };
  return { examples, sequencesPerRow, ...isDesirable, fingerprint, totals };
}

function parseHeader(bytes: Uint8Array): Header | null {
  try {
    const header = JSON.parse(Buffer.from(bytes).toString('utf8')) as Header | null;
    const counts = [header?.rows, header?.tokens, header?.runs, header?.exceptions, header?.starts ?? 0];
    const isWhole = counts.every((count) => Number.isSafeInteger(count) && count! >= 0);
    const isKnown = [2, 4].includes(header!.idBytes) && [1, 2].includes(header!.sequencesPerRow);
    return isWhole && isKnown && header!.totals ? header : null;
  } catch {
    return null;
  }
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}
