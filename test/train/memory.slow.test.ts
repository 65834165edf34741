// The promise of `tunesmith plan`: the planned peak is never below the measured one, nor more than a tenth above it, for
// every method on four shapes that differ in what memory depends on. Peaks are those of whole processes, as Linux counts.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { measureSmall } from '../../benchmarks/memory/small-case.ts';
import { MEASURED_METHODS, SMALL_SHAPES } from '../../benchmarks/memory/small-shapes.ts';

const folder = mkdtempSync(join(tmpdir(), 'memory-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** Their rounds take minutes; `npm run bench -- memory` measures them. */
const isQuick = (method: string) => !/ppo|grpo/.test(method);

describe.skipIf(!existsSync('/proc/self/status'))('planned and measured peaks', () => {
  for (const shape of Object.keys(SMALL_SHAPES))
    for (const method of Object.keys(MEASURED_METHODS).filter(isQuick))
      test(`${shape} by ${method}`, async () => {
        const { plannedBytes, peakBytes } = await measureSmall(folder, shape, method, 128);
        const ratio = plannedBytes / peakBytes;
        expect(ratio).toBeGreaterThanOrEqual(1);
        expect(ratio).toBeLessThanOrEqual(1.1);
      });
});
