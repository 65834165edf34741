// In: a Parquet file, any of its compressions. Out: rows, one row group in memory at a time.
import { stat } from 'node:fs/promises';
import {
  asyncBufferFromFile,
  type Compressors,
  type FileMetaData,
  parquetMetadataAsync,
  parquetReadObjects,
} from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { FactoryError } from '#factory/errors.ts';
import type { RawRow } from './raw-row.ts';
import { badFile } from './text-stream.ts';

/** A page is about 1 MB by default; a damaged header must not take the memory. */
const MAX_PAGE_BYTES = 2 ** 30;

export async function* readParquet(path: string): AsyncGenerator<RawRow> {
  const size = await fileSize(path);
  if (size < 12) throw badFile(path, 'is too short for a Parquet file', 'Write or download the file again.');
  const file = await asyncBufferFromFile(path);
  const metadata = await guarded(path, () => parquetMetadataAsync(file));
  let rowStart = 0;
  for (const rowEnd of groupEnds(path, metadata)) {
    const start = rowStart;
    const rows = await guarded(path, () =>
      parquetReadObjects({ file, metadata, compressors: checkedCompressors, rowStart: start, rowEnd }),
    );
    if (rows.length !== rowEnd - rowStart) {
      throw badFile(
        path,
        `expected ${rowEnd - rowStart} rows in a row group, found ${rows.length}`,
        'Write or download the file again.',
      );
    }
    for (const columns of rows) yield { row: rowStart++, columns };
  }
}

function groupEnds(path: string, metadata: FileMetaData): number[] {
  const ends: number[] = [];
  let end = 0;
  for (const group of metadata.row_groups) {
    const rows = Number(group.num_rows);
    if (!Number.isSafeInteger(rows) || rows < 0 || rows > 2 ** 31) {
      throw badFile(path, `a row group claims ${rows} rows`, 'Write or download the file again.');
    }
    end += rows;
    if (rows > 0) ends.push(end);
  }
  return ends;
}

async function fileSize(path: string): Promise<number> {
  try {
    return (await stat(path)).size;
  } catch (cause) {
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `${path}: no such file`,
      remedy: 'Check the path, and "file_name" in dataset_info.json.',
      cause,
    });
  }
}

async function guarded<T>(path: string, read: () => Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (cause) {
    throw badFile(
      path,
      `is not a readable Parquet file (${(cause as Error).message})`,
      'Write or download the file again.',
      cause,
    );
  }
}

/** Empty pages (all values null) are decompressed here: the lz4 decompressor takes them for damaged ones. */
const checkedCompressors: Compressors = Object.fromEntries(
  Object.entries(compressors).map(([codec, decompress]) => [
    codec,
    (input: Uint8Array, outputLength: number) => {
      if (outputLength === 0) return new Uint8Array(0);
      if (outputLength > MAX_PAGE_BYTES) {
        throw new FactoryError({
          code: 'DATA_BAD_FILE',
          message: `a page claims ${outputLength} bytes`,
          remedy: 'Write or download the file again.',
        });
      }
      return decompress(input, outputLength);
    },
  ]),
);
