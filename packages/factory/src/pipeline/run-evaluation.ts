// In: the model, the data and what is to be measured. Out: an evaluation folder: answered rows, scorecard, failures, and all
// that identifies them. The walk in order: rows, questions, metrics, model, overlap, answers, scores. It goes on where an
// earlier run of the same evaluation stopped.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadEvaluation } from '#factory/data/load-evaluation.ts';
import { FactoryError } from '#factory/errors.ts';
import { loadBusinessMetrics } from '#factory/eval/business/load.ts';
import { detectableEffect } from '#factory/eval/detectable.ts';
import { planMetrics } from '#factory/eval/plan-metrics.ts';
import { scoreEvaluation } from '#factory/eval/score-evaluation.ts';
import { buildQuestions } from '#factory/eval/task/build-questions.ts';
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { EvalEvent } from '#factory/records/eval-events.ts';
import type { EvalQuestion } from '#factory/records/eval-question.ts';
import type { EvaluationRecord, Scorecard, StoredPrediction } from '#factory/records/evaluation.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import {
  discardEvaluation,
  findEvaluation,
  openPredictions,
  replacePredictions,
  writeEvaluation,
  writeScorecard,
} from '#factory/store/evaluation-files.ts';
import { withoutSecrets } from '#factory/store/resolved-config.ts';
import { acquireRunLock } from '#factory/store/run-lock.ts';
import { answerByEndpoint } from './evaluate/answer-by-endpoint.ts';
import type { Answerer } from './evaluate/answerer.ts';
import { checkOverlap } from './evaluate/check-overlap.ts';
import {
  describeData,
  describeMachine,
  describeVersions,
  hashFile,
  hashText,
} from './evaluate/describe-evaluation.ts';
import { metricPorts } from './evaluate/metric-ports.ts';
import { type OpenedModel, openLocal } from './evaluate/open-local.ts';

export interface EvaluationDeps {
  given: Record<string, unknown>;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  /** Milliseconds since 1970. */
  now(): number;
  onEvent(event: EvalEvent): void;
  /** Loads a file of business metrics. */
  importModule(path: string): Promise<unknown>;
  /** Further folders that say what the model was trained on, as of adapters that are folded into it. */
  trainedFolders?: readonly string[];
}

export interface EvaluationResult {
  outputDir: string;
  stopped: 'finished' | 'interrupted';
  record: EvaluationRecord;
  /** Null when the run was interrupted. */
  scorecard: Scorecard | null;
}

export async function runEvaluation(
  args: TrainArgs,
  evalArgs: EvalArgs,
  deps: EvaluationDeps,
): Promise<EvaluationResult> {
  const dir = args.output_dir;
  const note = (text: string) => deps.onEvent({ kind: 'note', text });
  const lock = acquireRunLock(dir, deps.now);
  let model: OpenedModel | null = null;
  try {
    const predict = predictionOf(evalArgs);
    const data = await loadRows(args, evalArgs);
    for (const text of data.notes) note(text);
    const { questions: all, labels, labelsFound } = buildQuestions(data.items, evalArgs, data.fewshot);
    const questions = drawn(all, args);
    if (labelsFound)
      note(
        `labels are taken from the answers of the rows: ${labels.length} (${labels.slice(0, 6).join(', ')}${labels.length > 6 ? ', …' : ''})`,
      );
    const plan = planMetrics(evalArgs, predict, labels);
    checkReferences(questions, plan.needsReferenceLogprobs || predict === 'reference');
    const ports = await metricPorts(plan.requests.map(({ name }) => name));
    const { business_metrics: file } = evalArgs;
    const business = file === null ? null : await loadBusinessMetrics(file, deps.importModule);
    const units = new Set(
      questions.map(({ cluster, id }) => (cluster === undefined ? `row ${id}` : `in ${cluster}`)),
    ).size;
    const detectable = detectableEffect(units, plan.requests);

    const folders = [
      ...args.adapter_name_or_path,
      args.model_name_or_path,
      ...(deps.trainedFolders ?? []),
    ].filter((one) => one !== '');
    const overlap = await checkOverlap(questions, folders, args, evalArgs, note);
    model =
      evalArgs.endpoint === null
        ? await openLocal(args, evalArgs, {
            predict,
            needsReferenceLogprobs: plan.needsReferenceLogprobs,
            env: deps.env,
            signal: deps.signal,
            note,
          })
        : null;
    const task = { kind: evalArgs.task, predict, labels };
    const described = await describeData(data.files, questions, data.dropped, overlap);
    const identity = model?.identity ?? {
      path: evalArgs.model as string,
      sha256: null,
      endpoint: evalArgs.endpoint,
      adapters: [],
      parameters: null,
      bytes: null,
    };
    const record: EvaluationRecord = {
      format: 1,
      name: evalArgs.name ?? nameOf(args, evalArgs),
      answersSha256: answersHash(args, evalArgs, {
        task,
        identity,
        content: described.contentSha256,
        needsReferenceLogprobs: plan.needsReferenceLogprobs,
      }),
      task,
      model: identity,
      data: described,
      metrics: plan.requests,
      business: business && { path: business.path, sha256: (await hashFile(business.path)).sha256 },
      slices: evalArgs.slices,
      intervals: {
        level: evalArgs.confidence_level,
        resamples: evalArgs.resamples,
        seed: args.seed,
        method: 'percentile',
      },
      seed: args.seed,
      config: withoutSecrets(deps.given),
      versions: await describeVersions(),
      machine: describeMachine(),
      startedAt: new Date(deps.now()).toISOString(),
      finishedAt: null,
      cost: null,
    };
    const before = await goOn(dir, record, args, note);
    const { rows, cost } = await answerAll(questions, record, before, {
      deps,
      detectable: detectable.text,
      dir,
      answerer:
        model?.answerer ??
        answerByEndpoint(args, evalArgs, { key: deps.env[evalArgs.api_key_env], signal: deps.signal }),
    });
    record.cost = cost;
    if (rows === null) {
      await writeEvaluation(dir, record);
      return { outputDir: dir, stopped: 'interrupted', record, scorecard: null };
    }
    await model?.answerer.close();
    model = null;
    await replacePredictions(dir, rows);
    const { scorecard, failures } = await scoreEvaluation(rows, record, {
      ports,
      business,
      detectable: detectable.record,
    });
    await writeScorecard(dir, scorecard, failures);
    record.finishedAt = new Date(deps.now()).toISOString();
    await writeEvaluation(dir, record);
    return { outputDir: dir, stopped: 'finished', record, scorecard };
  } finally {
    await model?.answerer.close();
    lock.release();
  }
}

function predictionOf({ task, predict, endpoint }: EvalArgs): EvaluationRecord['task']['predict'] {
  if (task === 'perplexity') return 'reference';
  return predict ?? (task === 'classification' && endpoint === null ? 'logprob' : 'generate');
}

async function loadRows(args: TrainArgs, evalArgs: EvalArgs) {
  const shared = {
    dataset_dir: args.dataset_dir,
    max_dropped_fraction: args.max_dropped_fraction,
    seed: args.seed,
  };
  const names = [...args.dataset, ...args.eval_dataset, ...evalArgs.file];
  const read = evalArgs.doc_to_text === null ? 'examples' : 'columns';
  const rows = await loadEvaluation({ ...shared, names, read });
  const { fewshot_file: file } = evalArgs;
  const fewshot = file === null ? null : await loadEvaluation({ ...shared, names: [file], read: 'columns' });
  return { ...rows, files: [...rows.files, ...(fewshot?.files ?? [])], fewshot: fewshot?.items ?? [] };
}

/** `max_samples` of all, without replacement, in the order of the files: these are often sorted. */
function drawn(questions: EvalQuestion[], { max_samples: count, seed }: TrainArgs): EvalQuestion[] {
  if (count === null || count >= questions.length) return questions;
  const numbers = seededRandom(`${seed}/evaluation-rows`).shuffle([...questions.keys()]);
  return numbers
    .slice(0, count)
    .sort((a, b) => a - b)
    .map((i) => questions[i]);
}

function checkReferences(questions: readonly EvalQuestion[], readsReference: boolean): void {
  const without = readsReference ? questions.find(({ references }) => !references[0]) : undefined;
  if (!without) return;
  throw new FactoryError({
    code: 'EVAL_BAD_ROW',
    message: `perplexity reads the answers of the rows, and row ${without.id} (${JSON.stringify(without.prompt.slice(0, 60))}) has none`,
    remedy: 'Give every row an answer, or set doc_to_target.',
  });
}

function nameOf(args: TrainArgs, { endpoint, model }: EvalArgs): string {
  const path =
    endpoint === null ? (args.adapter_name_or_path.at(-1) ?? args.model_name_or_path) : (model as string);
  return path
    .replace(/[/\\]+$/, '')
    .split(/[/\\]/)
    .slice(-2)
    .join('/');
}

/** All that answers depend on: two runs with the same hash may share them. */
function answersHash(
  args: TrainArgs,
  evalArgs: EvalArgs,
  parts: {
    task: unknown;
    identity: EvaluationRecord['model'];
    content: string;
    needsReferenceLogprobs: boolean;
  },
): string {
  const { sha256, endpoint, path, adapters } = parts.identity;
  const model = endpoint === null ? [sha256, adapters.map((adapter) => adapter.sha256)] : [endpoint, path];
  const { template, template_version, default_system, enable_thinking, tool_format, seed, quantization_bit } =
    args;
  const { do_sample, temperature, top_p, top_k, max_new_tokens, repetition_penalty } = args;
  const sampling = do_sample ? [temperature, top_p, top_k] : [];
  const generating = [
    do_sample,
    sampling,
    max_new_tokens,
    repetition_penalty,
    args.skip_special_tokens,
    evalArgs.stop,
  ];
  const prompt = [template, template_version, default_system, enable_thinking, tool_format];
  const rest = [
    evalArgs.length_normalization,
    evalArgs.target_delimiter,
    parts.needsReferenceLogprobs,
    quantization_bit,
  ];
  return hashText([JSON.stringify([parts.task, model, parts.content, generating, prompt, rest, seed])]);
}

/** What an earlier run of the same evaluation left; an evaluation of something else is refused. */
async function goOn(
  dir: string,
  record: EvaluationRecord,
  args: TrainArgs,
  note: (text: string) => void,
): Promise<EvaluationRecord | null> {
  const before = await findEvaluation(dir);
  if (before && !args.overwrite_output_dir) {
    if (before.answersSha256 !== record.answersSha256)
      throw new FactoryError({
        code: 'EVAL_OUTPUT_EXISTS',
        message: `${dir} holds the evaluation "${before.name}" of another model, of other rows, or with other settings of the answers`,
        remedy: 'Set another output_dir, or set overwrite_output_dir to replace what is there.',
      });
    if (before.finishedAt) note('these rows are answered already: they are scored anew');
    record.startedAt = before.startedAt;
  }
  if (args.overwrite_output_dir) await discardEvaluation(dir);
  await rm(join(dir, 'scorecard.json'), { force: true });
  await writeEvaluation(dir, record);
  return args.overwrite_output_dir ? null : before;
}

interface AnswerDeps {
  deps: EvaluationDeps;
  detectable: string;
  dir: string;
  answerer: Answerer;
}

/** `rows` in the order of the questions; null when the run was interrupted. */
async function answerAll(
  questions: readonly EvalQuestion[],
  record: EvaluationRecord,
  before: EvaluationRecord | null,
  { deps, detectable, dir, answerer }: AnswerDeps,
): Promise<{ rows: StoredPrediction[] | null; cost: NonNullable<EvaluationRecord['cost']> }> {
  const { endpoint } = record.model;
  // What an endpoint failed at is asked again.
  const file = await openPredictions(dir, ({ failure }) => endpoint === null || failure === undefined);
  const begun = performance.now();
  const answered = new Map(file.rows.map((row) => [row.id, row]));
  let fresh = 0;
  const failedOf = () => [...answered.values()].filter(({ failure }) => failure !== undefined).length;
  deps.onEvent({
    kind: 'start',
    name: record.name,
    rows: questions.length,
    answered: answered.size,
    detectable,
  });
  try {
    await answerer.answer(
      questions,
      (q) => !answered.has(questions[q].id),
      (rows) => {
        if (rows.length === 0) return;
        file.append(rows);
        for (const row of rows) answered.set(row.id, row);
        fresh += rows.length;
        const left = questions.length - answered.size;
        const secondsLeft = ((performance.now() - begun) / 1000 / fresh) * left;
        deps.onEvent({
          kind: 'progress',
          done: answered.size,
          total: questions.length,
          failed: failedOf(),
          secondsLeft,
        });
      },
    );
  } finally {
    file.close();
  }
  const rows = questions.flatMap(({ id }) => answered.get(id) ?? []);
  const total = (key: 'promptTokens' | 'newTokens') => rows.reduce((sum, row) => sum + row[key], 0);
  const cost = {
    seconds: (before?.cost?.seconds ?? 0) + (performance.now() - begun) / 1000,
    promptTokens: total('promptTokens'),
    newTokens: total('newTokens'),
    peakMemoryBytes: endpoint === null ? 1024 * process.resourceUsage().maxRSS : null,
  };
  return { rows: rows.length === questions.length ? rows : null, cost };
}
