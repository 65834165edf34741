// In: the messages of inference-log.ts, in a thread of its own. Out: written batches, and a reply to each. The file is opened
// when the first batch comes, and again after a failure, so that a disk that comes back is used.
import type { MessagePort } from 'node:worker_threads';
import { asReply, type WriterData, type WriterMessage } from './inference-log.ts';
import { type InferenceWriter, openInferenceWriter, type Redact } from './inference-table.ts';
import { databaseError } from './sqlite.ts';

const DAY_MS = 86_400_000;
const PRUNE_EVERY_MS = 3_600_000;

/** `redact` is used where the data say so. `port` is the thread's own. */
export function runInferenceWriter(port: MessagePort, data: WriterData, redact: Redact): void {
  const { path, busyMs, retentionDays } = data;
  let writer: InferenceWriter | null = null;
  let prunedMs = Number.NEGATIVE_INFINITY;

  port.on('message', async (message: WriterMessage) => {
    if (message.kind === 'close') {
      await writer?.close();
      port.close();
      return;
    }
    try {
      writer ??= openInferenceWriter(path, busyMs, data.redact ? redact : null);
      writer.write(message.entries);
      prune(message.entries.at(-1)?.timeMs ?? 0);
      port.postMessage({ kind: 'written' });
    } catch (error) {
      await writer?.close().catch(() => {});
      writer = null;
      port.postMessage(asReply(databaseError(error, 'write the inference log', path)));
    }
  });

  /** The clock is that of the newest entry. */
  function prune(nowMs: number): void {
    if (retentionDays === null || nowMs - prunedMs < PRUNE_EVERY_MS) return;
    // A part at a time: the next batch goes on, so that none waits long.
    const isMore = writer?.prune(nowMs - retentionDays * DAY_MS);
    if (!isMore) prunedMs = nowMs;
  }
}
