// A quantised file has to pass the verdict that its model has passed. Everything is done by commands, on the shipped model: right is
// what it answers itself, and the base of the verdict is the model in Q2_K: Q8_0 is shown to gain on that, and Q2_K cannot.
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { evaluate } from '../../packages/factory/src/cli/commands/eval.ts';
import { exportHere, readJson, readLines } from './tiny-world.ts';

const BASE = fileURLToPath(new URL('../../packages/factory/base/tunesmith-tiny', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'export-verdict-'));
const at = (...names: string[]) => join(folder, ...names);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const THINGS = ['invoice', 'meeting', 'price list', 'software', 'report', 'newsletter', 'account', 'offer'];
const rows = Array.from({ length: 48 }, (_, i) => ({
  instruction: `Write to the ${THINGS[(i * 3 + 1) % 8]} team about the ${THINGS[i % 8]} of ${1 + (i % 28)} March.`,
  input: '',
  output: '?',
}));

async function evaluation(...words: string[]): Promise<number> {
  const console = { outIsTty: false, errIsTty: false, columns: 100 };
  const terminal = { ...console, out: () => {}, err: () => {} };
  return await evaluate({ words, json: false, terminal, env: { HF_HUB_OFFLINE: '1' } });
}
const measured = (model: string, output: string) =>
  evaluation(
    ...[
      '--model_name_or_path',
      model,
      '--file',
      at('rows.json'),
      '--task',
      'generation',
      '--max_new_tokens',
      '24',
    ],
    ...['--metrics', 'exact_match', '--resamples', '200', '--latency_rows', '0', '--output_dir', at(output)],
  );
const matches = (output: string) =>
  readJson<{ metrics: { values: { value: number }[] }[] }>(at(output), 'scorecard.json').metrics[0].values[0]
    .value;
const exported = (type: string, output: string, ...more: string[]) =>
  exportHere([
    ...['--to', 'gguf', '--model_name_or_path', BASE, '--export_dir', at(output), '--verify', 'false'],
    ...['--export_quantization', type, '--json', ...more],
  ]);

test.skipIf(!existsSync(join(BASE, 'model.safetensors')))(
  'Q8_0 passes, Q2_K is refused with the numbers, and force keeps it',
  async () => {
    writeFileSync(at('rows.json'), JSON.stringify(rows));
    expect(await measured(BASE, 'answers')).toBe(0);
    const answers = readLines(at('answers', 'predictions.jsonl')).map(({ prediction }) => String(prediction));
    writeFileSync(at('rows.json'), JSON.stringify(rows.map((row, i) => ({ ...row, output: answers[i] }))));
    const worse = await exported('q2_k', 'worse');
    expect([worse.status, worse.status === 0 ? '' : worse.err]).toEqual([0, '']);
    expect(await measured(at('worse', 'model-q2_k.gguf'), 'base')).toBe(0);
    expect(await measured(BASE, 'parent')).toBe(0);
    const gain = matches('parent') - matches('base');
    expect(gain).toBeGreaterThan(0.3);
    const rules = {
      name: 'its own answers',
      minimum_rows: 40,
      goals: [{ metric: 'exact_match@trim', gain_at_least: 0 }],
    };
    writeFileSync(at('rules.yaml'), JSON.stringify(rules));
    expect(
      await evaluation('verdict', at('rules.yaml'), at('base'), at('parent'), '--resamples', '500'),
    ).toBe(0);

    const verdict = ['--verdict', at('parent', 'verdict', 'verdict.json')];
    const good = await exported('q8_0', 'good', ...verdict);
    expect([good.status, good.status === 0 ? '' : good.err]).toEqual([0, '']);
    expect(JSON.parse(good.out)).toMatchObject({ decision: 'ship', files: ['model-q8_0.gguf'] });
    expect(readJson(at('good'), 'verdict.json')).toMatchObject({
      decision: 'ship',
      candidate: { data: { rows: 48 } },
    });

    const refused = await exported('q2_k', 'refused', ...verdict);
    expect([refused.status, refused.err]).toEqual([
      1,
      expect.stringMatching(
        /EXPORT_VERDICT: model-q2_k\.gguf does not pass .*"its own answers".*exact_match@trim: expected gain above 0/,
      ),
    ]);
    expect(existsSync(at('refused'))).toBe(false);
    const forced = await exported('q2_k', 'refused', ...verdict, '--force', 'true');
    expect([forced.status, forced.err]).toEqual([0, expect.stringMatching(/kept because force is set/)]);
    expect(existsSync(at('refused', 'model-q2_k.gguf'))).toBe(true);

    const recipe = {
      file: at('rows.json'),
      metrics: 'exact_match',
      max_new_tokens: 24,
      resamples: 200,
      latency_rows: 0,
    };
    writeFileSync(at('recipe.json'), JSON.stringify(recipe));
    const both = await exported('q8_0', 'both', '--eval', at('recipe.json'));
    expect([both.status, both.status === 0 ? '' : both.err]).toEqual([0, '']);
    const [metric] = readJson<{ metrics: { name: string; before: number; after: number }[] }>(
      at('both'),
      'export_parity.json',
    ).metrics;
    expect(metric.name).toBe('exact_match@trim');
    expect(metric.before).toBeCloseTo(matches('parent'), 4);
    expect(metric.after).toBeGreaterThan(matches('base'));
    expect((await exportHere(['verify', at('both')])).status).toBe(0);
  },
  600_000,
);

test('a verdict of another model, or none, is refused by name', async () => {
  const run = await exported('q8_0', 'none', '--verdict', at('none.json'));
  expect([run.status, run.err]).toEqual([2, expect.stringMatching(/none\.json/)]);
  writeFileSync(at('broken.json'), '{"format": 1}');
  const broken = await exported('q8_0', 'none', '--verdict', at('broken.json'));
  expect([broken.status, broken.err]).toEqual([2, expect.stringMatching(/EXPORT_BAD_VERDICT.*decision/)]);
  if (!existsSync(at('parent', 'verdict'))) return;
  const verdict = JSON.parse(readFileSync(at('parent', 'verdict', 'verdict.json'), 'utf8'));
  verdict.candidate.model.sha256 = 'f'.repeat(64);
  writeFileSync(at('other.json'), JSON.stringify(verdict));
  const other = await exported('q8_0', 'none', '--verdict', at('other.json'));
  expect([other.status, other.err]).toEqual([2, expect.stringMatching(/EXPORT_BAD_VERDICT.*another model/)]);
  const merged = await exportHere([
    '--model_name_or_path',
    BASE,
    '--export_dir',
    at('none'),
    '--verdict',
    at('other.json'),
  ]);
  expect([merged.status, merged.err]).toEqual([
    2,
    expect.stringMatching(/verdict: expected --to gguf or ollama/),
  ]);
  expect(existsSync(at('none'))).toBe(false);
}, 120_000);
