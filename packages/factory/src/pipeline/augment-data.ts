// In: training rows, methods and limits, perhaps a model behind an endpoint. Out: a folder with the synthetic rows, their parents
// and the ledger of every candidate: taken, or the gate at which it failed. Answers are kept, so a stopped run goes on.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { answerOf, chooseParents, failingLabels } from '#factory/data/augment/choose-parents.ts';
import {
  applyCaps,
  type Candidate,
  checkVariant,
  GATES,
  type Method,
  similarity,
} from '#factory/data/augment/gates.ts';
import {
  type Ask,
  judgeMessages,
  MODEL_METHODS,
  type ModelMethod,
  modelVariant,
} from '#factory/data/augment/model-variants.ts';
import { TEXT_METHODS, type TextMethod } from '#factory/data/augment/text-variants.ts';
import { readInput } from '#factory/data/clean-input.ts';
import { exactKey } from '#factory/data/dedup/exact-key.ts';
import { describeInputs } from '#factory/data/describe-inputs.ts';
import { addFacts, layoutEntry, NO_ROWS, toRecord } from '#factory/data/export-layout.ts';
import { contentId } from '#factory/data/split/content-id.ts';
import { findSeal } from '#factory/data/split/sealed-rows.ts';
import { FactoryError } from '#factory/errors.ts';
import type { CleanRow } from '#factory/records/clean-row.ts';
import type { GateLimits } from '#factory/records/gate-limits.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import { type AnswerCache, openAnswerCache } from '#factory/store/answer-cache.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { readPredictions } from '#factory/store/evaluation-files.ts';
import { AS_IT_IS } from './split-data.ts';

export interface AugmentOptions {
  outputDir: string;
  methods: readonly Method[];
  perRow: number;
  select: readonly string[];
  share: number;
  edgeCases: readonly string[];
  /** Folder of an evaluation whose failing labels get the variants; null: all rows. */
  failures: string | null;
  /** Words that must survive besides what is found by itself. */
  keep: readonly string[];
  limits: GateLimits;
  judge: boolean;
  seal: string | null;
  /** The folder in which a seal is looked for when none is named. */
  sealDir: string;
  seed: number;
  concurrency: number;
}

export interface AugmentDeps {
  /** Null without an endpoint. `generator` names the model in the lineage. */
  model: { ask: Ask; generator: string } | null;
  signal: AbortSignal;
  progress(done: number, total: number): void;
}

export interface AugmentReport {
  rows: number;
  unreadable: number;
  parents: number;
  candidates: number;
  taken: number;
  /** Per method: how many came to each gate's end. */
  methods: Record<string, { candidates: number; taken: number; gates: Record<string, number> }>;
  failing_labels: { label: string; wrong: number; rows: number }[];
  asked: number;
  from_cache: number;
}

interface Draft extends Candidate {
  method: Method;
  edgeCase: string;
  /** A row without anything that the method could change is no candidate. */
  isApplicable: boolean;
}

export async function augmentData(
  inputs: readonly string[],
  options: AugmentOptions,
  deps: AugmentDeps,
): Promise<AugmentReport> {
  const needsModel = options.judge || options.methods.some((one) => isModelMethod(one));
  if (needsModel && deps.model === null)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: `methods ${options.methods.join(', ')}${options.judge ? ' and judge' : ''} ask a model, and there is no endpoint`,
      remedy: 'Add --endpoint http://127.0.0.1:8000/v1 and --model, or choose methods without a model.',
    });
  const { rows, unreadable } = await readRows(inputs);
  const failing = options.failures === null ? [] : await failingOf(options.failures);
  const labels = options.failures === null ? null : new Set(failing.map(({ label }) => label));
  const parents = chooseParents(rows, { ...options, labels });
  const seal = findSeal(options.seal, options.sealDir);

  const cache = await openAnswerCache(join(options.outputDir, 'answers.jsonl'));
  const counts = { asked: 0, cached: 0 };
  const ask = cachedAsk(deps, cache, counts);
  const drafts: Draft[] = parents.flatMap((parent) =>
    options.methods.flatMap((method) =>
      Array.from({ length: options.perRow }, (_, at) => ({
        ...{ parent, method, text: '', gate: null, isApplicable: true, label: answerOf(rows[parent]!) },
        edgeCase: options.edgeCases[(parent + at) % options.edgeCases.length]!,
      })),
    ),
  );
  let done = 0;
  await inParallel(drafts.length, options.concurrency, async (at) => {
    deps.signal.throwIfAborted();
    await fillDraft(drafts[at]!, at % options.perRow, rows, options, ask);
    deps.progress(++done, drafts.length);
  });
  const candidates = drafts.filter(({ isApplicable }) => isApplicable);
  const labelRows = new Map<string, number>();
  for (const row of rows) labelRows.set(answerOf(row), (labelRows.get(answerOf(row)) ?? 0) + 1);
  applyCaps(candidates, rows.map(askedText), labelRows, seal, options.limits);
  await writeFolder(candidates, rows, options, deps.model?.generator ?? null);

  const report: AugmentReport = {
    ...{ rows: rows.length, unreadable, parents: parents.length, candidates: candidates.length },
    taken: candidates.filter(({ gate }) => gate === null).length,
    methods: {},
    ...{ failing_labels: failing, asked: counts.asked, from_cache: counts.cached },
  };
  for (const method of options.methods) {
    const own = candidates.filter((one) => one.method === method);
    const gates = GATES.map((gate) => [gate, own.filter((one) => one.gate === gate).length] as const);
    report.methods[method] = {
      candidates: own.length,
      taken: own.filter(({ gate }) => gate === null).length,
      gates: Object.fromEntries(gates.filter(([, n]) => n > 0)),
    };
  }
  await writeAtomic(
    join(options.outputDir, 'augment-report.json'),
    `${JSON.stringify({ ...report, asked: undefined, from_cache: undefined }, null, 2)}\n`,
  );
  return report;
}

async function fillDraft(
  draft: Draft,
  at: number,
  rows: readonly CleanRow[],
  { keep, limits, judge, seed }: AugmentOptions,
  ask: Ask,
): Promise<void> {
  const { parent, method, edgeCase, label } = draft;
  const text = askedText(rows[parent]!);
  const names = [...keep, ...(text.includes(label) ? [label] : [])];
  if (isModelMethod(method)) {
    const found = await modelVariant(text, method, { names, edgeCase, seed: seed + at }, ask);
    if ('gate' in found) {
      draft.gate = found.gate;
      return;
    }
    draft.text = found.text;
  } else {
    const random = seededRandom(`augment/${seed}/${contentId(rows[parent]!)}/${method}/${at}`);
    const found = TEXT_METHODS[method as TextMethod](text, random);
    draft.isApplicable = found !== null;
    if (found === null) return;
    draft.text = found;
  }
  draft.gate = checkVariant(text, draft.text, method, method === 'script' ? [] : names, limits);
  if (draft.gate !== null || !judge) return;
  // Both orders must agree: judges lean to the first text.
  for (const isSwapped of [false, true]) {
    const verdict = await ask(judgeMessages(text, draft.text, isSwapped), seed);
    if (/^\W*(yes|是)/i.test(verdict)) continue;
    draft.gate = 'judge';
    return;
  }
}

function isModelMethod(method: Method): method is ModelMethod {
  return MODEL_METHODS.includes(method as ModelMethod);
}

/** The last turn of the user: what a variant changes. */
function askedText(row: CleanRow): string {
  return row.prompt.at(-1)?.content ?? '';
}

async function readRows(inputs: readonly string[]): Promise<{ rows: CleanRow[]; unreadable: number }> {
  const plan = await describeInputs(inputs, AS_IT_IS);
  const rows: CleanRow[] = [];
  let unreadable = 0;
  for (const [at, source] of plan.sources.entries()) {
    const format = plan.formats[at];
    if (!format) continue;
    for await (const { clean } of readInput(source, format, AS_IT_IS)) {
      if (clean === null) unreadable++;
      else rows.push(clean);
    }
  }
  const other = rows.find(({ kind }) => kind !== rows[0]!.kind);
  if (rows.length > 0 && other === undefined) return { rows, unreadable };
  throw new FactoryError({
    code: rows.length === 0 ? 'DATA_NO_ROWS' : 'DATA_UNSUPPORTED_FORMAT',
    message:
      rows.length === 0
        ? `${inputs.join(', ')}: no row can be used`
        : `${inputs.join(', ')}: rows of ${rows[0]!.kind} and of ${other!.kind} together`,
    remedy: 'Give files with rows of one kind.',
  });
}

async function failingOf(folder: string) {
  const rows = await readPredictions(folder);
  if (rows.length === 0)
    throw new FactoryError({
      code: 'DATA_NOT_FOUND',
      message: `failures: ${folder} has no predictions`,
      remedy: 'Give the folder that "tunesmith eval" wrote.',
    });
  return failingLabels(
    rows.map(({ prediction, references, label }) => ({
      label: label ?? references[0] ?? '',
      isRight: [...(label === undefined ? references : [label])].some(
        (r) => exactKey(r) === exactKey(prediction),
      ),
    })),
  );
}

function cachedAsk(
  { model }: AugmentDeps,
  cache: AnswerCache,
  counts: { asked: number; cached: number },
): Ask {
  return async (messages, seed) => {
    const question = JSON.stringify([model!.generator, seed, messages]);
    const key = createHash('sha256').update(question).digest('hex').slice(0, 32);
    const known = cache.get(key);
    if (known !== undefined) {
      counts.cached++;
      return known.text;
    }
    const answer = await model!.ask(messages, seed);
    counts.asked++;
    cache.add(key, { text: answer, promptTokens: 0, newTokens: 0 });
    return answer;
  };
}

async function inParallel(count: number, width: number, work: (at: number) => Promise<void>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(width, count) }, worker));
}

/** `parents` is a column of the rows, so that a later split keeps children beside their parents. */
async function writeFolder(
  candidates: readonly Draft[],
  rows: readonly CleanRow[],
  { outputDir, judge }: AugmentOptions,
  generator: string | null,
): Promise<void> {
  const facts = rows.reduce(addFacts, NO_ROWS);
  const layout = facts.toolTurns === 0 ? 'alpaca' : 'sharegpt';
  const entry = layoutEntry('augmented.jsonl', layout, rows[0]!.kind, facts);
  const lines: string[] = [];
  const ledger: string[] = [];
  for (const { parent, method, text, gate, edgeCase } of candidates) {
    const row = rows[parent]!;
    const id = contentId(row);
    const detail = {
      parents: [id],
      method,
      ...(method === 'edge_case' ? { edge_case: edgeCase } : {}),
      ...(isModelMethod(method) ? { generator } : {}),
    };
    const original = askedText(row);
    const near = text === '' ? null : Number(similarity(original, text).toFixed(4));
    ledger.push(
      `${JSON.stringify({ verdict: gate === null ? 'create' : 'drop', gate, ...detail, similarity: near, before: original, after: text })}\n`,
    );
    if (gate !== null) continue;
    const child = { ...row, prompt: row.prompt.with(-1, { ...row.prompt.at(-1)!, content: text }) };
    // A model that changes what is asked may change the right answer: people look at it, unless a judge did.
    const needsReview = method === 'edge_case' && !judge;
    const record = { ...toRecord(child, entry, layout), ...detail, needs_review: needsReview };
    lines.push(`${JSON.stringify(record)}\n`);
  }
  await writeAtomic(join(outputDir, 'augmented.jsonl'), lines.join(''));
  await writeAtomic(join(outputDir, 'augment-ledger.jsonl'), ledger.join(''));
  await writeAtomic(
    join(outputDir, 'dataset_info.json'),
    `${JSON.stringify({ augmented: entry }, null, 2)}\n`,
  );
}
