// In: the path of a Parquet file (workerData). Out: messages: first the size of each row group, then, one per request,
// its rows. It runs in a thread of its own, because a damaged file can make the decoder loop or reject out of reach;
// read-parquet.ts ends the thread then. Nothing else may import this file.
import { parentPort, workerData } from 'node:worker_threads';
import { asyncBufferFromFile, type Compressors, parquetMetadataAsync, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { FactoryError } from '#factory/errors.ts';

export type ParquetReply =
  | { kind: 'groups'; groups: { rows: number; bytes: number }[] }
  | { kind: 'rows'; rows: Record<string, unknown>[] }
  | { kind: 'failed'; message: string };

/** A page is about 1 MB by default; a damaged header must not take the memory. */
const MAX_PAGE_BYTES = 2 ** 30;

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

const reply = (message: ParquetReply) => parentPort?.postMessage(message);

async function serve(path: string): Promise<void> {
  const file = await asyncBufferFromFile(path);
  const metadata = await parquetMetadataAsync(file);
  const groups = metadata.row_groups.map((group) => ({
    rows: Number(group.num_rows),
    bytes: Number(group.total_byte_size),
  }));
  let rowStart = 0;
  parentPort?.on('message', (index: number) => {
    const rowEnd = rowStart + groups[index]!.rows;
    const range = { rowStart, rowEnd };
    rowStart = rowEnd;
    parquetReadObjects({ file, metadata, compressors: checkedCompressors, ...range }).then(
      (rows) => reply({ kind: 'rows', rows }),
      fail,
    );
  });
  reply({ kind: 'groups', groups });
}

function fail(cause: unknown): void {
  reply({ kind: 'failed', message: cause instanceof Error ? cause.message : String(cause) });
}

serve(workerData as string).catch(fail);
