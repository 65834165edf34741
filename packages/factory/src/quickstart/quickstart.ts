// In: the words after `tunesmith quickstart`. Out: a fine-tuned adapter, and held-out figures before and after.
// It uses the same pipeline and the same files as `tunesmith train`; nothing here is a short cut for the demo.
import { join, relative } from 'node:path';
import { parseTrainArgs } from '#factory/arguments/parse.ts';
import { FactoryError } from '#factory/errors.ts';
import { classificationReport } from '#factory/eval/classification-report.ts';
import { openGenerator, openScorer, runTraining } from '#factory/pipeline.ts';
import type { ClassificationReport } from '#factory/records/scorecard.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { TrainEvent } from '#factory/records/train-events.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { askServed, type ServedAnswer } from './ask-served.ts';
import { type CleanedTask, type CleanMailsDeps, cleanMails } from './clean-mails.ts';
import { type DeployedModel, deployTuned } from './deploy-tuned.ts';
import { type QuickstartOptions, quickstartOptions } from './quickstart-options.ts';
import { nextCommands, QUESTION, resultText, type Sample, serveCommands } from './result-text.ts';
import { SPAM_LABELS, type SpamRow, type SpamTask } from './spam-task.ts';
import { TRAIN_DATASET, writeTaskFiles } from './task-files.ts';

export interface QuickstartDeps {
  /** Results. */
  out(text: string): void;
  /** Progress. */
  err(text: string): void;
  env: Readonly<Record<string, string | undefined>>;
  readFile(path: string): string;
  /** Milliseconds since 1970. */
  now(): number;
  signal: AbortSignal;
  onEvent(event: TrainEvent): void;
}

export interface QuickstartResult {
  kind: 'quickstart';
  model: string;
  before: ClassificationReport;
  after: ClassificationReport;
  samples: Sample[];
  data: SpamTask['report'];
  cleaning: CleanedTask['cleaning'];
  adapter: string;
  lossPlot: string;
  deployed: DeployedModel;
  served: ServedAnswer & { question: string; commands: string[] };
  seconds: { total: number; training: number };
  nextCommands: string[];
}

/** Longest prompt in tokens; the mails of the task fit, but for a few that are mostly symbols. */
const CUTOFF = 256;

/** Resolves to the exit status: 0, or 130 when interrupted. */
export async function runQuickstart(words: readonly string[], deps: QuickstartDeps): Promise<number> {
  const started = performance.now();
  const seconds = (since: number): number => Math.round((performance.now() - since) / 100) / 10;
  const options = quickstartOptions(words);
  const say = (text: string): void => {
    if (!options.json) deps.err(`${text}\n`);
  };

  say(`1/5  cleaning 6,000 raw e-mails (spam or ham)`);
  const task = await prepareData(options, { ...deps, say });
  if (task === null) return 130;
  const parsed = parseTrainArgs(trainingWords(options), deps);
  say(
    `     ${task.train.length} to learn from, ${task.test.length} held out; texts in both parts: exact ${task.report.acrossSplit.exact}, near ${task.report.acrossSplit.near}`,
  );

  say(`2/5  asking the base model about the held-out mails`);
  const shown = SPAM_LABELS.map((label) => task.test.find((row) => row.output === label)!);
  const base = answersOnly(parsed.args, []);
  const before = await score(base, task.test, deps.env);
  const answersBefore = await answers(base, shown, deps.env);
  if (deps.signal.aborted) return 130;

  say(`3/5  fine-tuning with LoRA`);
  const trainingStarted = performance.now();
  const { args, notes, given } = parsed;
  const run = await runTraining(args, { ...deps, notes, given });
  const trainingSeconds = seconds(trainingStarted);
  if (run.stopped === 'interrupted') return 130;

  say(`4/5  asking the fine-tuned model about the same mails`);
  const tuned = answersOnly(args, [args.output_dir]);
  const after = await score(tuned, task.test, deps.env);
  const answersAfter = await answers(tuned, shown, deps.env);

  if (deps.signal.aborted) return 130;

  say(`5/5  exporting to GGUF in 8 bits, and serving it`);
  const rescore = (own: TrainArgs) => score(own, task.test, deps.env);
  const deployed = await deployTuned(tuned, join(options.outputDir, 'gguf'), after, rescore, deps);
  const answer = await askServed(deployed.path, QUESTION, deps);

  const result: QuickstartResult = {
    kind: 'quickstart',
    model: options.model,
    before,
    after,
    samples: shown.map((row, i) => ({
      mail: row.input,
      truth: row.output,
      before: answersBefore[i]!,
      after: answersAfter[i]!,
    })),
    data: task.report,
    cleaning: task.cleaning,
    adapter: args.output_dir,
    lossPlot: join(args.output_dir, 'training_loss.png'),
    deployed,
    served: { ...answer, question: QUESTION, commands: serveCommands(deployed.path, answer.model) },
    seconds: { total: seconds(started), training: trainingSeconds },
    nextCommands: nextCommands(shortPath(options.model), args.output_dir),
  };
  await writeAtomic(join(options.outputDir, 'quickstart.json'), `${JSON.stringify(result, null, 2)}\n`);
  deps.out(options.json ? `${JSON.stringify(result)}\n` : resultText(result));
  return 0;
}

/** Null when stopped. */
async function prepareData(options: QuickstartOptions, deps: CleanMailsDeps): Promise<CleanedTask | null> {
  let whole: CleanedTask;
  try {
    whole = await cleanMails(join(options.outputDir, 'cleaned'), deps);
  } catch (error) {
    if (error instanceof FactoryError && error.code === 'DATA_INTERRUPTED') return null;
    throw error;
  }
  const { counts, report } = whole.cleaning;
  deps.say(
    `     ${counts.read} mails read, ${counts.edited} edited, ${counts.dropped} dropped (${whole.report.duplicates} duplicates, ${whole.report.contradictory} with both labels, ${whole.report.empty} empty); every one is in ${report}`,
  );
  const task = {
    ...whole,
    train: balanced(whole.train, options.trainRows),
    test: balanced(whole.test, options.testRows),
  };
  await writeTaskFiles(join(options.outputDir, 'data'), task);
  return task;
}

/** The first rows of each label, so that a smaller run uses a part of the same split. */
function balanced(rows: readonly SpamRow[], count: number): SpamRow[] {
  const left = new Map(SPAM_LABELS.map((label) => [label, Math.floor(count / 2)]));
  return rows.filter((row) => {
    const more = left.get(row.output)!;
    left.set(row.output, more - 1);
    return more > 0;
  });
}

/** The command that a user would type after `tunesmith train`. */
function trainingWords(options: QuickstartOptions): string[] {
  return [
    ...['--model_name_or_path', options.model, '--stage', 'sft', '--do_train'],
    ...[
      '--dataset',
      TRAIN_DATASET,
      '--dataset_dir',
      join(options.outputDir, 'data'),
      '--cutoff_len',
      String(CUTOFF),
    ],
    ...['--finetuning_type', 'lora', '--lora_target', 'all', '--lora_rank', '16'],
    ...['--output_dir', join(options.outputDir, 'adapter'), '--overwrite_output_dir'],
    ...['--lr_scheduler_type', 'cosine', '--warmup_ratio', '0.05', '--gradient_accumulation_steps', '1'],
    ...['--per_device_eval_batch_size', '32'],
    ...['--logging_steps', '5', '--save_strategy', 'epoch', '--save_total_limit', '1', '--plot_loss'],
    ...['--seed', String(options.seed)],
    ...options.training,
  ];
}

function answersOnly(args: TrainArgs, adapters: string[]): TrainArgs {
  return { ...args, do_train: false, adapter_name_or_path: adapters };
}

/** The label with the higher log-probability is the answer; a tie goes to the first. */
async function score(
  args: TrainArgs,
  rows: readonly SpamRow[],
  env: QuickstartDeps['env'],
): Promise<ClassificationReport> {
  const scorer = await openScorer(args, env);
  try {
    const asked = rows.map((row) => ({ messages: question(row) }));
    const scores = await scorer.scoreLabels(asked, [...SPAM_LABELS]);
    const answered = rows.map((row, i) => ({
      id: `${i}`,
      prompt: row.input,
      prediction: SPAM_LABELS[scores[i]!.indexOf(Math.max(...scores[i]!))]!,
      references: [row.output],
    }));
    return classificationReport(answered, { labels: SPAM_LABELS, label_match: 'exact' });
  } finally {
    await scorer.close();
  }
}

async function answers(
  args: TrainArgs,
  rows: readonly SpamRow[],
  env: QuickstartDeps['env'],
): Promise<string[]> {
  const generator = await openGenerator(args, env);
  try {
    const texts: string[] = [];
    for (const row of rows) {
      const answer = await generator.generate(question(row), {
        maxNewTokens: 24,
        doSample: false,
        temperature: 1,
        topP: 1,
        topK: 0,
        repetitionPenalty: 1,
        stop: [],
        seed: 0,
        onText: () => {},
        signal: new AbortController().signal,
      });
      texts.push(answer.text.trim());
    }
    return texts;
  } finally {
    await generator.close();
  }
}

/** As the alpaca reader joins instruction and input. */
function question(row: SpamRow): { role: 'user'; content: string }[] {
  return [{ role: 'user', content: `${row.instruction}\n${row.input}` }];
}

/** The shipped model by the path that works from here, where that is shorter. */
function shortPath(model: string): string {
  const fromHere = relative(process.cwd(), model);
  return model.startsWith('/') && !fromHere.startsWith('..') ? fromHere : model;
}
