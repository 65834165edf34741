// In: the data arguments, a tokenizer and a template. Out: encoded rows for training and evaluation, from the cache where
// the same rows were encoded before, and the account of every row that was changed or left out.
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { LoadedData } from '#factory/data/load-datasets.ts';
import { reportRows, writeIssues } from '#factory/data/report-rows.ts';
import { FactoryError } from '#factory/errors.ts';
import type { ChatTemplate } from '#factory/records/chat-template.ts';
import type { EncodedDataset } from '#factory/records/encoded.ts';
import type { Example, RowIssue } from '#factory/records/message.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { readTokenCache, writeTokenCache } from '#factory/store/token-cache.ts';
import { type EncodeOptions, encodeRows, encodingFingerprint } from '#factory/tokens/encode.ts';
import { checkVocabulary } from './check-vocabulary.ts';

export const ISSUES_FILE = 'row_issues.jsonl';

export interface PreparedRows {
  train: EncodedDataset | null;
  evaluation: { name: string; dataset: EncodedDataset; examples: Example[] }[];
  data: LoadedData;
  /** Of stages that write answers themselves: the rows behind each prompt, in the order of the prompts. */
  asked: ReadonlyMap<EncodedDataset, Example[]>;
  /** One hash over everything that the run trains on. */
  fingerprint: string;
}

export interface PrepareDeps {
  tokenizer: TextTokenizer;
  template: ChatTemplate | null;
  /** Of the model; an id beyond it is an error. */
  vocabSize: number;
  cacheDir: string;
  note(text: string): void;
}

export async function prepareRows(
  args: TrainArgs,
  data: LoadedData,
  deps: PrepareDeps,
): Promise<PreparedRows> {
  const issues: RowIssue[] = [...data.issues];
  const asked = new Map<EncodedDataset, Example[]>();
  const encode = async (examples: Example[], use: 'train' | 'eval') => {
    const options = encodeOptions(args, deps);
    // Packing joins rows to train on them; to score rows one by one they stay apart.
    if (use === 'eval' && args.stage === 'sft') options.packing = false;
    const result = await encodeCached(examples, options, args, deps);
    issues.push(...result.issues);
    for (const { inputIds } of result.dataset.examples)
      checkVocabulary(inputIds, deps.tokenizer, deps.vocabSize);
    if (args.stage === 'ppo' || args.stage === 'grpo')
      asked.set(result.dataset, withoutDropped(examples, result.issues));
    return result.dataset;
  };
  const train = data.train.length > 0 ? await encode(data.train, 'train') : null;
  const names = Object.keys(data.evaluation);
  const evaluation: PreparedRows['evaluation'] = [];
  for (const name of names) {
    const dataset = await encode(data.evaluation[name], 'eval');
    evaluation.push({ name: names.length > 1 ? name : '', dataset, examples: data.evaluation[name] });
  }
  if (train && train.examples.length === 0)
    throw new FactoryError({
      code: 'DATA_NO_ROWS',
      message: `no row of ${args.dataset.join(', ')} is left to train on: all were dropped`,
      remedy: `Read the reasons above, mend the rows or the columns in dataset_info.json, or raise cutoff_len (${args.cutoff_len}).`,
    });
  deps.note(reportRows({ ...data, issues }));
  let lines = '';
  await writeIssues(issues, (line) => {
    lines += line;
  });
  const path = join(args.output_dir, ISSUES_FILE);
  if (lines) await writeAtomic(path, lines);
  else await rm(path, { force: true });
  return { train, evaluation, data, asked, fingerprint: train?.fingerprint ?? '' };
}

export function withoutDropped(examples: readonly Example[], issues: readonly RowIssue[]): Example[] {
  const keyOf = ({ dataset, file, row }: Example['source']) => JSON.stringify([dataset, file, row]);
  const dropped = new Set(issues.flatMap(({ kind, source }) => (kind === 'dropped' ? [keyOf(source)] : [])));
  return examples.filter(({ source }) => !dropped.has(keyOf(source)));
}

/** How rows to train on are encoded. */
export function encodeOptions(
  args: TrainArgs,
  { tokenizer, template }: Pick<PrepareDeps, 'tokenizer' | 'template'>,
): EncodeOptions {
  return {
    stage: args.stage,
    template,
    tokenizer,
    cutoffLen: args.cutoff_len,
    trainOnPrompt: args.train_on_prompt,
    maskHistory: args.mask_history,
    packing: args.packing,
    neatPacking: args.neat_packing,
    groupRows: args.preprocessing_batch_size,
  };
}

/** The issues of encoding are kept beside the tokens, so that a resumed run reports the same rows as the first. */
async function encodeCached(
  examples: Example[],
  options: EncodeOptions,
  args: TrainArgs,
  { cacheDir, note }: PrepareDeps,
): Promise<{ dataset: EncodedDataset; issues: RowIssue[] }> {
  const fingerprint = encodingFingerprint(examples, options);
  const issuesPath = join(cacheDir, `${fingerprint}.issues.jsonl`);
  if (!args.overwrite_cache) {
    const cached = await readTokenCache(cacheDir, fingerprint);
    if (cached.note) note(cached.note);
    const issues = cached.dataset && (await readIssues(issuesPath));
    if (cached.dataset && issues) {
      const { used, truncated, dropped } = cached.dataset.totals;
      note(`tokens taken from the cache: ${used} rows used, ${truncated} truncated, ${dropped} dropped`);
      return { dataset: cached.dataset, issues };
    }
  }
  const encoded = encodeRows(examples, options);
  await writeAtomic(issuesPath, encoded.issues.map((issue) => `${JSON.stringify(issue)}\n`).join(''));
  await writeTokenCache(cacheDir, encoded.dataset);
  return encoded;
}

/** Null where the file is missing or damaged: then the rows are encoded again. */
async function readIssues(path: string): Promise<RowIssue[] | null> {
  try {
    const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as RowIssue);
  } catch {
    return null;
  }
}
