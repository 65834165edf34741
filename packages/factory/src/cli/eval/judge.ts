// In: the words after `tunesmith eval judge`. Out: answers of one or two evaluations judged by a language model: a report on
// stdout, judge.json and judgements.jsonl in a folder. Every answer of the judge is cached, so that a run can be replayed.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readCommandWords } from '#factory/arguments/command-words.ts';
import { FactoryError } from '#factory/errors.ts';
import { type EvaluationSide, type PairedRows, pairRows } from '#factory/eval/compare/pair-rows.ts';
import { judgePairs, judgeScores } from '#factory/eval/judge/judge.ts';
import { readRubric } from '#factory/eval/judge/read-rubric.ts';
import { agreementReport, judgeWarnings, pairReport, scoreReport } from '#factory/eval/judge/report.ts';
import type { IntervalSettings } from '#factory/eval/metrics/aggregate.ts';
import { judgeByEndpoint } from '#factory/pipeline/ask-judge.ts';
import { openEvaluation } from '#factory/pipeline/open-evaluation.ts';
import type { EndpointArgs } from '#factory/records/eval-args.ts';
import type { JudgeReport, Rubric } from '#factory/records/judgement.ts';
import { openAnswerCache } from '#factory/store/answer-cache.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { readError } from '#factory/store/read-error.ts';
import type { CommandContext } from '../command.ts';
import { EVAL_ACTIONS } from './actions.ts';
import { judgeText } from './judge-text.ts';
import { readLabels } from './read-labels.ts';

interface JudgeOptions extends EndpointArgs {
  labels: string | null;
  cache: string | null;
  offline: boolean;
  max_samples: number | null;
  price_prompt: number | null;
  price_new: number | null;
  level: number;
  resamples: number;
  seed: number;
  output_dir: string | null;
}

export async function judgeCommand({ words, json, terminal, env }: CommandContext): Promise<number> {
  const { things, options } = readCommandWords(words, EVAL_ACTIONS.judge.keys, 'tunesmith eval judge');
  const wish = options as unknown as JudgeOptions;
  const [rubricPath, ...folders] = things;
  const rubric = await openRubric(rubricPath, folders, wish);
  const [base, candidate] = await Promise.all(folders.map(openEvaluation));
  const pair = firstRows(
    candidate ? pairRows(base, candidate) : { base: base.rows, candidate: base.rows },
    wish.max_samples,
  );
  const dir = wish.output_dir ?? join(folders.at(-1)!, 'judge');
  const judge = judgeByEndpoint({
    args: { ...wish, model: wish.model! },
    key: env[wish.api_key_env],
    cache: await openAnswerCache(wish.cache ?? join(dir, 'cache.jsonl')),
    maxTokens: rubric.max_tokens,
    offline: wish.offline,
  });
  let shown = 0;
  const ports = {
    ask: judge.ask,
    concurrency: wish.concurrency,
    onRow(done: number, total: number) {
      const tenth = Math.floor((10 * done) / total);
      if (tenth > shown) terminal.err(`judged ${done}/${total} rows\n`);
      shown = Math.max(shown, tenth % 10);
    },
  };
  const settings = { ...wish, method: 'percentile' } as const;
  const labels = wish.labels === null ? new Map<string, string>() : await readLabels(wish.labels, rubric);
  const found = await judged(rubric, pair, candidate !== undefined, ports, settings);
  const last = found.judgements.filter(({ side }) => side !== 'base' || candidate === undefined);
  const agreement = agreementReport(rubric, last, labels, pair.base, settings);
  const { paidPromptTokens, paidNewTokens, ...counts } = judge.counts;
  const known = {
    judge: { model: wish.model!, endpoint: wish.offline ? null : wish.endpoint },
    base: sideOf(base),
    candidate: candidate ? sideOf(candidate) : null,
    pairs: found.pairs,
    agreement,
  };
  const report: JudgeReport = {
    rubric,
    ...known,
    rows: pair.base.length,
    failed: new Set(found.judgements.filter((one) => one.failure !== undefined).map(({ row }) => row)).size,
    scores: found.scores,
    cost: {
      ...counts,
      price:
        wish.price_prompt === null || wish.price_new === null
          ? null
          : (paidPromptTokens * wish.price_prompt + paidNewTokens * wish.price_new) / 1e6,
    },
    warnings: judgeWarnings(known),
  };
  await writeAtomic(
    join(dir, 'judgements.jsonl'),
    found.judgements.map((one) => `${JSON.stringify(one)}\n`).join(''),
  );
  await writeAtomic(join(dir, 'judge.json'), `${JSON.stringify(report, null, 2)}\n`);
  terminal.out(json ? `${JSON.stringify(report)}\n` : judgeText(report, dir));
  return 0;
}

async function judged(
  rubric: Rubric,
  pair: PairedRows,
  hasTwo: boolean,
  ports: Parameters<typeof judgePairs>[2],
  settings: IntervalSettings,
) {
  if (rubric.kind === 'pairwise') {
    const judgements = await judgePairs(rubric, pair, ports);
    return { judgements, pairs: pairReport(judgements, pair, settings), scores: null };
  }
  const first = await judgeScores(rubric, pair.base, 'base', ports);
  const second = hasTwo ? await judgeScores(rubric, pair.candidate, 'candidate', ports) : null;
  return {
    judgements: [...first, ...(second ?? [])],
    pairs: null,
    scores: scoreReport(rubric, first, second, pair, settings),
  };
}

async function openRubric(
  path: string | undefined,
  folders: readonly string[],
  { model, endpoint, offline }: JudgeOptions,
): Promise<JudgeReport['rubric']> {
  const missing = (what: string): FactoryError =>
    new FactoryError({
      code: 'ARGS_MISSING',
      message: `tunesmith eval judge: ${what}`,
      remedy: `Write "tunesmith eval judge ${EVAL_ACTIONS.judge.usage}".`,
    });
  if (path === undefined || folders.length === 0 || folders.length > 2)
    throw missing('expected a rubric and one or two evaluations');
  if (model === null) throw missing('expected model, the name of the judge at the endpoint');
  if (endpoint === null && !offline) throw missing('expected endpoint, or offline with a cache');
  try {
    const bytes = await readFile(path);
    const rubric = readRubric(path, bytes.toString('utf8'));
    if (rubric.kind === 'pairwise' && folders.length !== 2)
      throw missing('expected two evaluations for a pairwise rubric');
    return { ...rubric, path, sha256: createHash('sha256').update(bytes).digest('hex') };
  } catch (error) {
    throw readError(error, path, 'EVAL_BAD_RUBRIC');
  }
}

const sideOf = ({ folder, record }: EvaluationSide) => ({
  folder,
  name: record.name,
  model: record.model.path,
});

function firstRows({ base, candidate }: PairedRows, most: number | null): PairedRows {
  return most === null
    ? { base, candidate }
    : { base: base.slice(0, most), candidate: candidate.slice(0, most) };
}
