import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LogEntry } from '#factory/records/train-events.ts';
import { evalLossPlot, lossPlot, renderPng, smooth, writeLossPlots } from './loss-plot.ts';

const history: LogEntry[] = [];
for (let step = 10; step <= 500; step += 10) {
  history.push({
    step,
    epoch: step / 100,
    loss: 3 / (1 + step / 100),
    grad_norm: 1,
    learning_rate: 1e-4 * (1 - step / 500),
  });
  if (step % 100 === 0) history.push({ step, epoch: step / 100, eval_loss: 3.2 / (1 + step / 100) });
}
const options = { title: 'sft <demo> & "more"', subtitle: 'tiny model', bestStep: 500 };

test('smoothing is the exponential mean of LLaMA-Factory', () => {
  // From its smooth() on [4, 2, 3], n = 3: weight 1.8·(1/(1+e^-0.15) − 0.5) = 0.0673736…
  const weight = 1.8 * (1 / (1 + Math.exp(-0.15)) - 0.5);
  const second = 4 * weight + 2 * (1 - weight);
  expect(
    smooth([
      [1, 4],
      [2, 2],
      [3, 3],
    ]),
  ).toEqual([
    [1, 4],
    [2, second],
    [3, second * weight + 3 * (1 - weight)],
  ]);
  expect(weight).toBeCloseTo(0.067374, 6);
  expect(smooth([])).toEqual([]);
});

test('the picture has both curves, both panels, the best step and escaped words', () => {
  const { svg } = lossPlot(history, options);
  expect(svg.match(/<polyline/g)).toHaveLength(4);
  for (const words of [
    'smoothed loss',
    'evaluation loss',
    'learning rate',
    'best 0.5333 at step 500',
    '&lt;demo&gt; &amp; &quot;more&quot;',
  ]) {
    expect(svg).toContain(words);
  }
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(lossPlot(history, options).svg).toBe(svg);
});

test('a spike does not flatten the curve', () => {
  const spiked = history.map((entry) =>
    entry.step === 250 && entry.loss ? { ...entry, loss: 4321 } : entry,
  );
  expect(lossPlot(spiked, options).svg).not.toMatch(/>[45]000</);
});

test.each([
  ['nothing', []],
  ['one entry', [{ step: 1, epoch: 1, loss: 0.5 }]],
  ['values that are not numbers', [{ step: 1, epoch: 1, loss: Number.NaN, learning_rate: 0 }]],
  [
    'equal values',
    [
      { step: 1, epoch: 1, loss: 2 },
      { step: 2, epoch: 1, loss: 2 },
    ],
  ],
] as [string, LogEntry[]][])('%s still gives a picture', async (_, entries) => {
  const { svg } = lossPlot(entries, { title: 'x\u0007y' });
  expect(svg).not.toMatch(/NaN|Infinity|undefined/);
  expect(svg).toContain('>xy</text>');
  expect((await renderPng(svg)).length).toBeGreaterThan(1000);
});

test('files under the known names; PNGs of twice the size, the same bytes each time', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tunesmith-plot-'));
  try {
    const paths = await writeLossPlots(dir, history, options);
    expect(paths).toEqual(
      ['training_loss.png', 'training_loss.svg', 'training_eval_loss.png', 'training_eval_loss.svg'].map(
        (n) => join(dir, n),
      ),
    );
    const png = readFileSync(paths[0]);
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([2240, 1320]);
    const sum = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(sum(await renderPng(lossPlot(history, options).svg))).toBe(sum(png));
    // The words are drawn: without the font the picture differs.
    const bare = lossPlot(history, options).svg.replace(/<text[^>]*>[^<]*<\/text>/g, '');
    expect(sum(await renderPng(bare))).not.toBe(sum(png));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test('no evaluation, no second picture', () => {
  expect(
    evalLossPlot(
      history.filter((entry) => entry.loss !== undefined),
      options,
    ),
  ).toBeNull();
});
