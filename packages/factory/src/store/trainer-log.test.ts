import { appendFileSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  appendTrainerLog,
  deleteTrainerLog,
  formatDuration,
  formatTrainerLogLine,
  readTrainerLog,
  TRAINER_LOG_FILE,
  truncateTrainerLog,
} from './trainer-log.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tunesmith-log-'));
});
afterEach(() => {
  rmSync(dir, { recursive: true, force: true });
});
const path = () => join(dir, TRAINER_LOG_FILE);
const log = (step: number, more: object = {}) =>
  appendTrainerLog(dir, {
    currentSteps: step,
    totalSteps: 40,
    loss: 1 / step,
    lr: 5e-5,
    epoch: step / 20,
    elapsedSeconds: step,
    ...more,
  });

test('a line has the keys, order and number formats of LLaMA-Factory', () => {
  expect(
    formatTrainerLogLine({
      currentSteps: 10,
      totalSteps: 30,
      loss: 2,
      lr: 0.00005,
      epoch: 1,
      elapsedSeconds: 65.9,
    }),
  ).toBe(
    '{"current_steps": 10, "total_steps": 30, "loss": 2.0, "lr": 5e-05, "epoch": 1.0, "percentage": 33.33, "elapsed_time": "0:01:05", "remaining_time": "0:02:11"}',
  );
  const full = {
    currentSteps: 3,
    totalSteps: 96,
    loss: 0.1,
    evalLoss: 0.2,
    predictLoss: 0.3,
    reward: 0.4,
    accuracy: 0.5,
    lr: 0,
    epoch: 0.25,
    elapsedSeconds: 4,
    remainingSeconds: 90_061,
    inputTokensSeen: 1000,
  };
  // 3 of 96 is 3.125 %: Python rounds ties to even.
  expect(formatTrainerLogLine(full)).toBe(
    '{"current_steps": 3, "total_steps": 96, "loss": 0.1, "eval_loss": 0.2, "predict_loss": 0.3, "reward": 0.4, "accuracy": 0.5, "lr": 0.0, "epoch": 0.25, "percentage": 3.12, "elapsed_time": "0:00:04", "remaining_time": "1 day, 1:01:01", "throughput": 250.0, "total_tokens": 1000}',
  );
  expect(formatTrainerLogLine({ currentSteps: 0, totalSteps: 0, loss: null, elapsedSeconds: 0 })).toBe(
    '{"current_steps": 0, "total_steps": 0, "percentage": 100.0, "elapsed_time": "0:00:00", "remaining_time": "0:00:00"}',
  );
});

test.each([
  [0, '0:00:00'],
  [3599.99, '0:59:59'],
  [36_000, '10:00:00'],
  [86_400, '1 day, 0:00:00'],
  [273_906, '3 days, 4:05:06'],
  [-5, '0:00:00'],
  [Number.POSITIVE_INFINITY, '0:00:00'],
])('%s seconds are %s', (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test('a killed and resumed run has each step once', async () => {
  for (let step = 5; step <= 30; step += 5) log(step);
  appendFileSync(path(), '{"current_steps": 35, "tot');
  expect(await truncateTrainerLog(dir, 20)).toBe(4);
  for (let step = 25; step <= 40; step += 5) log(step);
  expect(readTrainerLog(dir).map((line) => line.current_steps)).toEqual([5, 10, 15, 20, 25, 30, 35, 40]);
  expect(readFileSync(path(), 'utf8').split('\n').at(-1)).toBe('');
});

test('a line of the same step that came after the checkpoint goes when the number of lines is known', async () => {
  log(20);
  log(20, { evalLoss: 0.4 });
  log(20, { loss: null });
  expect(await truncateTrainerLog(dir, 20, 2)).toBe(2);
  expect(readTrainerLog(dir)).toHaveLength(2);
});

test('truncation to zero empties, an absent log stays absent, an untouched one is not rewritten', async () => {
  expect(await truncateTrainerLog(dir, 10)).toBe(0);
  expect(readTrainerLog(dir)).toEqual([]);
  log(5);
  const before = statSync(path()).ino;
  await truncateTrainerLog(dir, 5);
  expect(statSync(path()).ino).toBe(before);
  await truncateTrainerLog(dir, 0);
  expect(readFileSync(path(), 'utf8')).toBe('');
  deleteTrainerLog(dir);
  deleteTrainerLog(dir);
  expect(readTrainerLog(dir)).toEqual([]);
});

test('lines of garbage are dropped, lines with other keys are kept as they are', async () => {
  writeFileSync(
    path(),
    '\0\0\n[1]\n{"current_steps": 1, "mine":  2}\nnull\n{"loss": 1}\n{"current_steps": "2"}\n',
  );
  expect(await truncateTrainerLog(dir, 9)).toBe(1);
  expect(readFileSync(path(), 'utf8')).toBe('{"current_steps": 1, "mine":  2}\n');
});

test('a file in place of the folder is a typed error', () => {
  writeFileSync(path(), '');
  expect(() => appendTrainerLog(path(), { currentSteps: 1, totalSteps: 1, elapsedSeconds: 0 })).toThrow(
    expect.objectContaining({ code: 'STORE_UNWRITABLE' }),
  );
});
