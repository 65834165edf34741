// In: the questions, the model's and adapters' folders, and data sets that it is said to be trained on. Out: how many of the
// questions it has been trained on, which is a refusal unless it is allowed; null where nothing is known of its training.
import { loadDatasets } from '#factory/data/load-datasets.ts';
import { FactoryError } from '#factory/errors.ts';
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { EvalQuestion } from '#factory/records/eval-question.ts';
import { conversationKey } from '#factory/records/prompt-key.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { readTrainedPrompts } from '#factory/store/trained-prompts.ts';

export async function checkOverlap(
  questions: readonly EvalQuestion[],
  folders: readonly string[],
  args: TrainArgs,
  { trained_on, allow_overlap }: EvalArgs,
  note: (text: string) => void,
): Promise<number | null> {
  const ledgers: ReadonlySet<string>[] = [];
  for (const folder of folders) {
    const keys = await readTrainedPrompts(folder);
    if (keys) ledgers.push(keys);
  }
  if (trained_on.length > 0) ledgers.push(await keysOf(trained_on, args));
  if (ledgers.length === 0) {
    note('what the model was trained on is not known here: no check for rows that it has seen');
    return null;
  }
  const seen = questions.filter(({ promptKey }) => ledgers.some((keys) => keys.has(promptKey)));
  if (seen.length === 0) return 0;
  const examples = seen.slice(0, 3).map(({ prompt }) => JSON.stringify(prompt.slice(0, 80)));
  const message = `the model was trained on ${seen.length} of the ${questions.length} rows, such as ${examples.join(', ')}`;
  if (!allow_overlap)
    throw new FactoryError({
      code: 'EVAL_OVERLAP',
      message,
      remedy:
        'Evaluate on rows that were held out, or add --allow_overlap to measure what the model remembers; the overlap stays in evaluation.json.',
      details: { rows: seen.map(({ id }) => id).slice(0, 100), count: seen.length },
    });
  note(`${message}; allow_overlap is set`);
  return seen.length;
}

async function keysOf(names: readonly string[], args: TrainArgs): Promise<Set<string>> {
  const data = await loadDatasets({
    dataset: [...names],
    eval_dataset: [],
    dataset_dir: args.dataset_dir,
    mix_strategy: 'concat',
    interleave_probs: null,
    max_samples: null,
    val_size: 0,
    sealed_test: null,
    max_dropped_fraction: 1,
    stage: 'sft',
    seed: args.seed,
  });
  return new Set(data.train.map(({ prompt }) => conversationKey(prompt)));
}
