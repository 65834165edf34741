import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogEntry, TrainEvent } from '#factory/records/train-events.ts';
import {
  createProgress,
  formatBytes,
  formatCount,
  formatDuration,
  formatEntry,
  formatStep,
} from './progress.ts';

const step = {
  kind: 'step',
  step: 10,
  totalSteps: 110,
  epoch: 0.25,
  loss: 1.23456,
  gradNorm: 0.5,
  learningRate: 5e-5,
  tokens: 1000,
  labelTokens: 400,
  seconds: 2,
  rssBytes: 1_234_000_000,
} satisfies TrainEvent;

const start: TrainEvent = {
  kind: 'start',
  totalSteps: 110,
  totalEpochs: 3,
  trainableParameters: 1_000_000,
  allParameters: 100_000_000,
  resumedFrom: 40,
};

const entry = {
  step: 10,
  epoch: 0.25,
  loss: 1.5,
  grad_norm: 0.25,
  learning_rate: 4e-5,
} as unknown as LogEntry;

function record(
  options: { json?: boolean; isTty?: boolean; columns?: number },
  events: TrainEvent[],
): string {
  let text = '';
  const progress = createProgress({
    json: options.json ?? false,
    isTty: options.isTty ?? false,
    columns: () => options.columns ?? 200,
    line: (part) => {
      text += part;
    },
  });
  for (const event of events) progress.show(event);
  progress.close();
  return text;
}

describe('formats', () => {
  it.each([
    [0, '0:00:00'],
    [59.6, '0:01:00'],
    [3599, '0:59:59'],
    [3600, '1:00:00'],
    [360_000, '100:00:00'],
    [Number.NaN, '-:--:--'],
    [-1, '-:--:--'],
    [Number.POSITIVE_INFINITY, '-:--:--'],
  ])('%d seconds as %s', (seconds, text) => expect(formatDuration(seconds)).toBe(text));

  it('reads back every duration', () => {
    fc.assert(
      fc.property(fc.nat(10_000_000), (seconds) => {
        const [hours, minutes, rest] = formatDuration(seconds).split(':').map(Number);
        expect(hours! * 3600 + minutes! * 60 + rest!).toBe(seconds);
      }),
    );
  });

  it.each([
    [0, '0 B'],
    [999, '999 B'],
    [999.7, '1 kB'],
    [1_234_000, '1 MB'],
    [3_456_000_000, '3.5 GB'],
    [Number.NaN, '? B'],
  ])('%d bytes as %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

  it('groups digits', () => {
    expect([0, 999, 1000, 1234567].map(formatCount)).toEqual(['0', '999', '1,000', '1,234,567']);
  });

  it('puts a step into one line', () => {
    expect(formatStep(step, [step])).toBe(
      'step 10/110  epoch 0.25  loss 1.2346  lr 5.00e-5  grad 0.5000  500 tok/s  1.2 GB  0:03:20 left',
    );
    expect(formatStep(step, [])).toMatch(/0 tok\/s .* 0:00:00 left$/);
    expect(formatStep({ ...step, loss: Number.NaN }, [step])).toMatch(/loss NaN/);
  });

  it('names every number of an evaluation', () => {
    expect(formatEntry({ step: 3, epoch: 1, eval_loss: 0.5, eval_rows: 20 } as unknown as LogEntry)).toBe(
      'step 3  epoch 1.00  eval_loss 0.5000  eval_rows 20',
    );
  });
});

describe('progress', () => {
  it('writes plain lines away from a terminal, one per log entry', () => {
    const text = record({}, [
      start,
      step,
      step,
      { kind: 'log', entry },
      { kind: 'evaluate', step: 10, done: 1, total: 2 },
      { kind: 'log', entry: { step: 10, epoch: 0.25, eval_loss: 2.5 } as unknown as LogEntry },
      { kind: 'sample', step: 10, prompt: 'a\nb', text: 'c' },
      { kind: 'checkpoint', step: 10, path: 'o/checkpoint-10' },
      { kind: 'note', text: 'n' },
      { kind: 'end', step: 10, stopped: 'interrupted' },
    ]);
    expect(text.split('\n')).toEqual([
      'training 1,000,000 of 100,000,000 parameters (1.00 %) for 110 steps, 3 epochs, going on after step 40',
      'step 10/110  epoch 0.25  loss 1.5000  lr 4.00e-5  grad 0.2500  500 tok/s  1.2 GB  0:03:20 left',
      'step 10  epoch 0.25  eval_loss 2.5000',
      'sample after step 10',
      '  > a',
      '    b',
      '  < c',
      'saved o/checkpoint-10',
      'note: n',
      'training was stopped at step 10',
      '',
    ]);
    expect(text).not.toContain('\u001b');
  });

  it('keeps one live line on a terminal, never wider than it', () => {
    const text = record({ isTty: true, columns: 40 }, [
      step,
      { kind: 'log', entry },
      { kind: 'note', text: 'hello' },
      step,
    ]);
    expect(text.match(/hello\n/g)).toHaveLength(1);
    for (const part of text.replaceAll('\r\u001b[2K', '\n').split('\n')) expect(part.length).toBeLessThan(40);
    expect(text.split('\n')).toHaveLength(3);
  });

  it('writes one JSON object per event for machines', () => {
    const lines = record({ json: true, isTty: true }, [start, step, { kind: 'log', entry }])
      .trim()
      .split('\n');
    expect(lines.map((line) => JSON.parse(line))).toEqual([start, step, { kind: 'log', entry }]);
  });
});
