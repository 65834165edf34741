import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ALL_RESULTS_FILE, readResults, writeResults } from './results.ts';

test('each phase has its file, and all_results.json is their union, the later phase winning', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tunesmith-results-'));
  const read = (name: string) => readFileSync(join(dir, name), 'utf8');
  try {
    await writeResults(dir, 'train', {
      train_loss: 1,
      epoch: 3,
      num_input_tokens_seen: 100,
      total_flos: 2e15,
    });
    await writeResults(dir, 'eval', { epoch: 2.5, eval_loss: 0.5 });
    expect(read('train_results.json')).toBe(
      '{\n    "epoch": 3.0,\n    "num_input_tokens_seen": 100,\n    "total_flos": 2000000000000000.0,\n    "train_loss": 1.0\n}',
    );
    expect(read('eval_results.json')).toBe('{\n    "epoch": 2.5,\n    "eval_loss": 0.5\n}');
    expect(await readResults(dir)).toEqual({
      epoch: 2.5,
      eval_loss: 0.5,
      num_input_tokens_seen: 100,
      total_flos: 2e15,
      train_loss: 1,
    });
    for (const text of ['', '{"a"', '[1]', 'null']) {
      writeFileSync(join(dir, ALL_RESULTS_FILE), text);
      expect(await readResults(dir)).toEqual({});
    }
    await writeResults(dir, 'predict', { predict_runtime: 2 });
    expect(read(ALL_RESULTS_FILE)).toBe('{\n    "predict_runtime": 2.0\n}');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
