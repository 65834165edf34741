// In: folders of texts, if there are any, and a Python with ftfy and datasketch, if there is one. Out: rows per second and peak
// memory of `tunesmith data clean` with the default recipe on a million short rows, how many planted duplicates it finds, and
// the rate of the rival on the first rows of the same file, before and after.
import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CleanLedger } from '../../packages/factory/src/store/clean-ledger.ts';
import { machineFacts } from '../machine.ts';
import { makeRows, type Truth } from './make-rows.ts';
import { readTexts } from './read-texts.ts';

const THRESHOLD = 0.75;

export async function bench(words: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args: words,
    options: {
      rows: { type: 'string', default: '1000000' },
      texts: { type: 'string' },
      python: { type: 'string' },
      'rival-rows': { type: 'string', default: '10000' },
      recipe: { type: 'string', default: 'sft-safe' },
      seed: { type: 'string', default: '1' },
    },
  });
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const folder = mkdtempSync(join(tmpdir(), 'clean-bench-'));
  try {
    const rows = Number(values.rows);
    const file = join(folder, 'rows.jsonl');
    const truth = await makeRows(file, readTexts(values.texts ?? null), rows, Number(values.seed));
    say(`${rows} rows, ${(statSync(file).size / 1e6).toFixed(0)} MB`);
    const rival = () =>
      values.python
        ? (JSON.parse(
            execFileSync(
              values.python,
              [
                new URL('./rival.py', import.meta.url).pathname,
                file,
                values['rival-rows'],
                String(THRESHOLD),
              ],
              { encoding: 'utf8' },
            ),
          ) as { rows: number; seconds: number; cpu_seconds: number })
        : null;
    const before = rival();
    if (before) say(`rival ${(before.rows / before.seconds).toFixed(0)} rows/s`);
    const ours = await clean(file, join(folder, 'run'), values.recipe);
    say(
      `ours  ${(rows / ours.seconds).toFixed(0)} rows/s, ${ours.seconds.toFixed(1)} s, ${(ours.peak / 1e9).toFixed(2)} GB`,
    );
    const after = rival();
    if (after) say(`rival ${(after.rows / after.seconds).toFixed(0)} rows/s`);
    const rivalCpu =
      before && after ? (before.cpu_seconds + after.cpu_seconds) / (before.rows + after.rows) : null;
    const rivalRate = before && after ? (before.rows + after.rows) / (before.seconds + after.seconds) : null;
    return {
      benchmark: 'clean',
      recipe: values.recipe,
      rows,
      seconds: Number(ours.seconds.toFixed(1)),
      rows_per_second: Math.round(rows / ours.seconds),
      cpu_seconds: Number(ours.cpu.toFixed(1)),
      peak_rss_gb: Number((ours.peak / 1e9).toFixed(2)),
      ...(await compare(join(folder, 'run'), truth)),
      counts: ours.counts,
      rival_rows_per_second: rivalRate === null ? null : Math.round(rivalRate),
      ratio_to_rival: rivalRate === null ? null : Number((rows / ours.seconds / rivalRate).toFixed(1)),
      rival_cpu_seconds_per_million: rivalCpu === null ? null : Math.round(rivalCpu * 1e6),
      ...machineFacts(),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The whole command in a process of its own. Peak memory is the resident set's high-water mark, as Linux keeps it. */
async function clean(file: string, outputDir: string, recipe: string) {
  const main = new URL('../../packages/factory/src/cli/main.ts', import.meta.url).pathname;
  const started = performance.now();
  const child = spawn(
    process.execPath,
    [main, 'data', 'clean', file, '--output_dir', outputDir, '--recipe', recipe, '--json'],
    { stdio: ['ignore', 'pipe', 'ignore'] },
  );
  let text = '';
  child.stdout!.setEncoding('utf8').on('data', (piece: string) => {
    text += piece;
  });
  let peak = 0;
  let cpu = 0;
  const status = `/proc/${child.pid}/status`;
  const timer = setInterval(() => {
    if (!existsSync(status)) return;
    const found = /VmHWM:\s+(\d+) kB/.exec(readFileSync(status, 'utf8'));
    if (found) peak = Math.max(peak, Number(found[1]) * 1024);
    const times = /\) (.*)/.exec(readFileSync(`/proc/${child.pid}/stat`, 'utf8'))?.[1]?.split(' ');
    // Fields 14 and 15 of stat: user and system time in hundredths of a second.
    if (times) cpu = Math.max(cpu, (Number(times[11]) + Number(times[12])) / 100);
  }, 100);
  const code = await new Promise((resolve) => child.on('close', resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`tunesmith data clean ended with ${code}`);
  const { counts } = JSON.parse(text) as { counts: Record<string, number> };
  return { seconds: (performance.now() - started) / 1000, cpu, peak, counts };
}

/**
 * Precision: merged rows whose survivor says the same, over all merged rows. Recall: planted duplicates that are gone; what
 * stays of a planted group beyond one row was missed, and counts against the near ones.
 */
async function compare(run: string, { base, fault }: Truth) {
  const ledger = await CleanLedger.open(run, false);
  const lines: number[] = [];
  for (const { n, line } of await ledger.query('select n, line from rows'))
    lines[n as number] = line as number;
  let merged = 0;
  let right = 0;
  const gone = new Set<number>();
  for (const { n, survivor } of await ledger.query('select n, survivor from decisions where survivor >= 0')) {
    const row = lines[n as number]!;
    merged++;
    gone.add(row);
    if (base[row] === base[lines[survivor as number]!]) right++;
  }
  ledger.close();
  const left = new Map<number, number>();
  let planted = 0;
  for (const [row, kind] of fault.entries()) {
    if (kind === 'near') planted++;
    if ((kind === 'none' || kind === 'exact' || kind === 'near') && !gone.has(row))
      left.set(base[row]!, (left.get(base[row]!) ?? 0) + 1);
  }
  let missed = 0;
  for (const rows of left.values()) missed += rows - 1;
  return {
    near_planted: planted,
    merged,
    precision: Number((right / merged).toFixed(5)),
    near_recall: Number((1 - missed / planted).toFixed(5)),
  };
}
