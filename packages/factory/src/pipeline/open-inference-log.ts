// In: where the log of inferences is and how much it keeps. Out: the sink that a server records into.
import { mkdirSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { InferenceLogLevel, InferenceSink } from '#factory/records/inference.ts';
import { diskError } from '#factory/store/disk-error.ts';
import { noInferenceLog, openInferenceLog } from '#factory/store/inference-log.ts';

export interface InferenceLogSettings {
  path: string;
  level: InferenceLogLevel;
  /** Null keeps all. */
  retentionDays: number | null;
  redact: boolean;
}

export function openInferenceSink(
  { path, level, retentionDays, redact }: InferenceLogSettings,
  note: (text: string) => void,
): InferenceSink {
  if (level === 'off') return noInferenceLog();
  const file = resolve(path);
  try {
    mkdirSync(dirname(file), { recursive: true });
  } catch (error) {
    throw diskError(error, 'make the folder of', file);
  }
  const worker = new URL('./inference-log-worker.ts', import.meta.url);
  return openInferenceLog({ path: file, level, worker, retentionDays, redact, note });
}
