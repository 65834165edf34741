// In: messages of store/inference-log.ts. Out: written rows. It begins that log's thread, and gives it what finds personal data.
// Nothing imports this file.
import { parentPort, workerData } from 'node:worker_threads';
import { redactText } from '#factory/data/pii/redact-text.ts';
import { invariant } from '#factory/errors.ts';
import type { WriterData } from '#factory/store/inference-log.ts';
import { runInferenceWriter } from '#factory/store/inference-writer.ts';

invariant(parentPort, 'this file runs as a thread');
runInferenceWriter(parentPort, workerData as WriterData, redactText);
