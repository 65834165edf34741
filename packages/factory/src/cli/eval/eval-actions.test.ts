// `tunesmith eval compare` and `verdict` as they are typed, on folders as the runner writes them: exit statuses, files,
// texts, and what is refused.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Planted, plantedRows, plantedSide } from '#factory/eval/compare/planted-sides.ts';
import { readRubric } from '#factory/eval/judge/read-rubric.ts';
import { readRules } from '#factory/eval/verdict/read-rules.ts';
import { openPredictions, writeEvaluation, writeScorecard } from '#factory/store/evaluation-files.ts';
import { evaluate } from '../commands/eval.ts';

const root = mkdtempSync(join(tmpdir(), 'eval-actions-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const at = (name: string) => join(root, name);

async function plant(name: string, isRight: (i: number) => boolean, planted: Planted = {}): Promise<void> {
  const rows = plantedRows(
    Array.from({ length: 120 }, (_, i) => isRight(i)),
    (i) => ({
      prompt: i === 0 ? '<script>alert("x")</script> & 退款？' : `question ${i}`,
      slices: { language: i % 3 === 0 ? 'zh' : 'en' },
      timings: { firstTokenMs: 10 + (i % 7), lastTokenMs: 40 + (i % 11), outputTokens: 2 },
    }),
  );
  const side = plantedSide(name, rows, planted);
  mkdirSync(at(name));
  await writeEvaluation(at(name), side.record);
  const file = await openPredictions(at(name), () => true);
  file.append(rows.map((row) => ({ ...row, promptTokens: 5, newTokens: 1 })));
  file.close();
  await writeScorecard(at(name), side.scorecard, []);
}

beforeAll(async () => {
  await plant('base', (i) => i % 3 === 1);
  await plant('tuned', (i) => i % 10 !== 1);
  await plant('spoiled', () => false);
  await plant('leaky', () => true, { data: { overlap: 2 } });
  writeFileSync(
    at('rules.yaml'),
    [
      'name: questions, 客服',
      'minimum_rows: 100',
      'goals: [{ metric: accuracy, gain_at_least: 0.1 }]',
      'guardrails: [{ metric: validity_rate, at_least: 0.9 }, { metric: accuracy, loss_at_most: 0.05, slices: [language] }]',
      'limits: { latency_p95_ms: 100, memory: 4GB }',
    ].join('\n'),
  );
  // Before the planted evaluations began.
  utimesSync(at('rules.yaml'), new Date('2026-01-01'), new Date('2026-01-01'));
});

async function run(words: string[], json = false) {
  let out = '';
  const status = await evaluate({
    words: [...words, ...(words[0] === 'judge' ? [] : ['--resamples', '200'])],
    json,
    env: {},
    terminal: {
      out: (text: string) => {
        out += text;
      },
      err: () => {},
    } as never,
  });
  return { status, out };
}

describe('tunesmith eval verdict', () => {
  it('ends with 0 to ship, writes the dossier, and says why', async () => {
    const { status, out } = await run(['verdict', at('rules.yaml'), at('base'), at('tuned')]);
    expect(status).toBe(0);
    expect(out).toMatch(/^SHIP: tuned in place of base, by "questions, 客服" on 120 rows\n/);
    expect(out).toMatch(/goal: accuracy +gain at least 10\.0 pp +\+5\d\.\d pp \(4\d\.\d … \d\d\.\d\) +met/);
    const written = JSON.parse(readFileSync(join(at('tuned'), 'verdict', 'verdict.json'), 'utf8'));
    expect(written).toMatchObject({ decision: 'ship', exitStatus: 0, warnings: [] });
    expect(written.rules.sha256).toMatch(/^[0-9a-f]{64}$/);
  });

  it('ends with 1 not to ship', async () => {
    const { status, out } = await run(['verdict', at('rules.yaml'), at('base'), at('spoiled')]);
    expect([status, out.split(':')[0]]).toEqual([1, 'DO NOT SHIP']);
  });

  it('ends with 3 where more rows are needed, and says how many', async () => {
    const strict = at('strict.yaml');
    writeFileSync(strict, readFileSync(at('rules.yaml'), 'utf8').replace('100', '500'));
    const { status, out } = await run(
      ['verdict', strict, at('base'), at('tuned'), '--output_dir', at('few')],
      true,
    );
    const { decision, moreRows, warnings } = JSON.parse(out);
    expect([status, decision, moreRows]).toEqual([3, 'not_enough_evidence', 380]);
    expect(warnings.map(({ kind }: { kind: string }) => kind)).toEqual(['rules_newer']);
  });

  it('refuses a model that was trained on the rows', async () => {
    await expect(run(['verdict', at('rules.yaml'), at('base'), at('leaky')])).rejects.toMatchObject({
      code: 'EVAL_OVERLAP',
      exitCode: 1,
    });
  });
});

describe('the pages', () => {
  it('have the decision in both languages, need no other file, and run nothing that is in the data', async () => {
    await run(['verdict', at('rules.yaml'), at('base'), at('tuned'), '--output_dir', at('page')]);
    const html = readFileSync(join(at('page'), 'verdict.html'), 'utf8');
    expect(html).toContain('<span lang="en">Ship</span><span lang="zh">可以上线</span>');
    expect(html).toContain('&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; &amp; 退款？');
    expect(html.match(/<script/g)).toHaveLength(1);
    expect(html).not.toMatch(/\b(src|href)=|url\(|@import|https?:\/\//);
    expect(html.match(/<svg/g)!.length).toBeGreaterThan(5);
  });

  it('are written for a comparison too', async () => {
    const { status, out } = await run(['compare', at('base'), at('tuned'), '--html', at('compare.html')]);
    expect(status).toBe(0);
    expect(out).toMatch(/accuracy +33\.3 % \(25\.5 … 42\.2\) +90\.0 %/);
    expect(out).toContain('by accuracy: the candidate mends 72 rows and breaks 4');
    expect(readFileSync(at('compare.html'), 'utf8')).toContain('<span lang="zh">对比</span>');
  });
});

it('has example files that can be read', () => {
  const example = (name: string) =>
    readFileSync(new URL(`../../../../../examples/ship-or-not/${name}`, import.meta.url), 'utf8');
  expect(readRules('rules.yaml', example('rules.yaml')).minimum_rows).toBe(150);
  expect(readRubric('rubric.yaml', example('rubric.yaml')).kind).toBe('pairwise');
});

it('refuses what it cannot read, by code', async () => {
  const code = async (...words: string[]) =>
    run(words).then(
      () => null,
      (error: { code: string }) => error.code,
    );
  expect(await code('compare', at('base'))).toBe('ARGS_MISSING');
  expect(await code('compare', at('base'), at('nowhere'))).toBe('EVAL_BAD_FOLDER');
  expect(await code('verdict', at('no.yaml'), at('base'), at('tuned'))).toBe('EVAL_BAD_RULES');
  expect(await code('compare', at('base'), at('tuned'), '--corection', 'bh')).toBe('ARGS_UNKNOWN_KEY');
  expect(await code('compare', at('base'), at('tuned'), '--correction', 'none')).toBe('ARGS_BAD_VALUE');
});
