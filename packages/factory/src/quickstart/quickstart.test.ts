// The whole story on the shipped model, a few steps long. Skipped where the weights or the mails are not installed.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import type { QuickstartDeps } from './quickstart.ts';
import { SPAM_PACKAGE } from './spam-task.ts';

const weights = new URL('../../base/tunesmith-tiny/model.safetensors', import.meta.url);
const isReady = (() => {
  try {
    createRequire(import.meta.url).resolve(`${SPAM_PACKAGE}/package.json`);
    return existsSync(weights);
  } catch {
    return false;
  }
})();
const folder = mkdtempSync(join(tmpdir(), 'quickstart-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function recorder(
  signal = new AbortController().signal,
): QuickstartDeps & { text: string[]; steps: number[] } {
  const text: string[] = [];
  const steps: number[] = [];
  return {
    text,
    steps,
    out: (line) => text.push(line),
    err: () => {},
    env: {},
    now: Date.now,
    readFile: (path) => readFileSync(path, 'utf8'),
    signal,
    onEvent: (event) => {
      if (event.kind === 'step') steps.push(event.step);
    },
  };
}

describe.skipIf(!isReady)('runQuickstart', () => {
  it('scores, trains, scores again, and leaves what it names', async () => {
    const { runQuickstart } = await import('./quickstart.ts');
    const deps = recorder();
    const status = await runQuickstart(['--smoke', '--json', '--output_dir', folder], deps);
    expect(status).toBe(0);
    expect(deps.steps).toEqual([1, 2, 3, 4]);
    const result = JSON.parse(deps.text.join(''));
    expect(result).toEqual(JSON.parse(readFileSync(join(folder, 'quickstart.json'), 'utf8')));
    expect(result.before.rows).toBe(16);
    expect(result.after.confusion.flat().reduce((a: number, b: number) => a + b)).toBe(16);
    expect(existsSync(join(result.adapter, 'adapter_model.safetensors'))).toBe(true);
    expect(existsSync(result.lossPlot)).toBe(true);
    expect(existsSync(result.deployed.path)).toBe(true);
    expect(result.deployed).toMatchObject({ type: 'q8_0', report: { rows: 16 } });
    expect(result.deployed.parity.topTokenAgreement).toBeGreaterThan(0.95);
    expect(result.served.model).toBe('model-q8_0');
    expect(result.served.text).not.toBe('');
    expect(result.served.commands[1]).toContain(JSON.stringify(result.served.question));
    expect(result.data.acrossSplit).toMatchObject({ exact: 0, near: 0 });
  }, 240_000);

  it('stops when told, with the status of an interrupt', async () => {
    const { runQuickstart } = await import('./quickstart.ts');
    const deps = recorder(AbortSignal.abort());
    expect(await runQuickstart(['--smoke', '--output_dir', join(folder, 'stopped')], deps)).toBe(130);
    expect(deps.text).toEqual([]);
  }, 120_000);
});
