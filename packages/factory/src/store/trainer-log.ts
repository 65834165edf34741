// In: one progress entry at a time. Out: `trainer_log.jsonl` with LLaMA-Factory's keys in its order, one line an entry,
// and its truncation to the checkpoint that a run goes on from, so that a resumed run repeats no line.
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { writeAtomic } from './atomic-file.ts';
import { diskError, errnoOf } from './disk-error.ts';
import { pythonJson } from './python-json.ts';

export const TRAINER_LOG_FILE = 'trainer_log.jsonl';

/** What is undefined or null is left out of the line. Evaluation progress has only the steps and the times. */
export interface TrainerLogEntry {
  currentSteps: number;
  totalSteps: number;
  loss?: number | null;
  evalLoss?: number | null;
  predictLoss?: number | null;
  reward?: number | null;
  accuracy?: number | null;
  lr?: number | null;
  epoch?: number | null;
  elapsedSeconds: number;
  /** Defaults to the elapsed time scaled by the steps that are left. */
  remainingSeconds?: number;
  /** Tokens since the start; written as `total_tokens` and `throughput` (tokens/s). */
  inputTokensSeen?: number | null;
}

const FLOAT_KEYS = new Set([
  'loss',
  'eval_loss',
  'predict_loss',
  'reward',
  'accuracy',
  'lr',
  'epoch',
  'percentage',
  'throughput',
]);

/** Appends one line and syncs it: what is logged before a checkpoint is on the disk before that checkpoint. */
export function appendTrainerLog(outputDir: string, entry: TrainerLogEntry): void {
  const path = join(outputDir, TRAINER_LOG_FILE);
  try {
    mkdirSync(outputDir, { recursive: true });
    const file = openSync(path, 'a');
    try {
      const bytes = Buffer.from(`${formatTrainerLogLine(entry)}\n`, 'utf8');
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw diskError(error, 'append to', path);
  }
}

export function formatTrainerLogLine(entry: TrainerLogEntry): string {
  const { currentSteps, totalSteps, elapsedSeconds, inputTokensSeen } = entry;
  const remaining =
    entry.remainingSeconds ??
    (currentSteps > 0 ? (elapsedSeconds / currentSteps) * (totalSteps - currentSteps) : 0);
  const line: Record<string, unknown> = {
    current_steps: currentSteps,
    total_steps: totalSteps,
    loss: entry.loss,
    eval_loss: entry.evalLoss,
    predict_loss: entry.predictLoss,
    reward: entry.reward,
    accuracy: entry.accuracy,
    lr: entry.lr,
    epoch: entry.epoch,
    percentage: totalSteps > 0 ? round2((currentSteps / totalSteps) * 100) : 100,
    elapsed_time: formatDuration(elapsedSeconds),
    remaining_time: formatDuration(remaining),
  };
  if (inputTokensSeen) {
    line.throughput = round2(elapsedSeconds > 0 ? inputTokensSeen / elapsedSeconds : 0);
    line.total_tokens = inputTokensSeen;
  }
  const present = Object.fromEntries(
    Object.entries(line).filter(([, value]) => value !== undefined && value !== null),
  );
  return pythonJson(present, { indent: null, sortKeys: false, floatKeys: FLOAT_KEYS });
}

/** Seconds as Python's `str(timedelta(seconds=int(s)))`: `0:02:05`, `1 day, 0:00:00`, `3 days, 4:05:06`. */
export function formatDuration(seconds: number): string {
  const whole = Number.isFinite(seconds) ? Math.max(0, Math.trunc(seconds)) : 0;
  const days = Math.trunc(whole / 86_400);
  const pad = (value: number) => String(value).padStart(2, '0');
  const clock = `${Math.trunc((whole % 86_400) / 3600)}:${pad(Math.trunc((whole % 3600) / 60))}:${pad(whole % 60)}`;
  return days === 0 ? clock : `${days} day${days === 1 ? '' : 's'}, ${clock}`;
}

/** The lines as objects; lines that are not JSON objects (a torn last line) are left out. */
export function readTrainerLog(outputDir: string): Record<string, unknown>[] {
  return readLines(join(outputDir, TRAINER_LOG_FILE)).map(({ value }) => value);
}

/**
 * Keeps the lines up to `step`, and of these at most the first `lines` where given (the number of lines when the
 * checkpoint was written). Without a file, or with nothing to cut, nothing is written. Returns the lines left.
 */
export async function truncateTrainerLog(outputDir: string, step: number, lines?: number): Promise<number> {
  const path = join(outputDir, TRAINER_LOG_FILE);
  const kept: string[] = [];
  for (const { text, value } of readLines(path)) {
    if (typeof value.current_steps === 'number' && value.current_steps <= step) kept.push(text);
  }
  if (lines !== undefined) kept.length = Math.min(kept.length, lines);
  const content = kept.map((line) => `${line}\n`).join('');
  if (content !== readOrEmpty(path)) await writeAtomic(path, content);
  return kept.length;
}

/** Deletes the log, as a start with `overwrite_output_dir` does. */
export function deleteTrainerLog(outputDir: string): void {
  const path = join(outputDir, TRAINER_LOG_FILE);
  try {
    rmSync(path, { force: true });
  } catch (error) {
    throw diskError(error, 'delete', path);
  }
}

function readLines(path: string): { text: string; value: Record<string, unknown> }[] {
  const lines: { text: string; value: Record<string, unknown> }[] = [];
  for (const text of readOrEmpty(path).split('\n')) {
    try {
      const value = JSON.parse(text) as unknown;
      if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
        lines.push({ text, value: value as Record<string, unknown> });
      }
    } catch {
      // A process killed while appending leaves half a line; it carries nothing that can be trusted.
    }
  }
  return lines;
}

function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return '';
    throw diskError(error, 'read', path);
  }
}

/** Python's `round(value, 2)`: exact, with ties (only odd multiples of 1/8 are any) going to the even hundredth. */
function round2(value: number): number {
  const isTie = Number.isInteger(value * 8) && !Number.isInteger(value * 4);
  if (!isTie) return Number(value.toFixed(2));
  const below = Math.floor(value * 100);
  return (below % 2 === 0 ? below : below + 1) / 100;
}
