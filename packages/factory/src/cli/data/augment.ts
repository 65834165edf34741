// In: the words after `tunesmith data augment`. Out: synthetic rows in a folder; on the terminal how many of each method were
// taken, and at which gate the others failed.
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { suggest } from '#factory/arguments/suggest.ts';
import type { Method } from '#factory/data/augment/gates.ts';
import { EDGE_CASES, MODEL_METHODS } from '#factory/data/augment/model-variants.ts';
import { FactoryError } from '#factory/errors.ts';
import type { AugmentDeps, AugmentReport } from '#factory/pipeline/augment-data.ts';
import type { CommandContext } from '../command.ts';
import { stopOnSignals } from '../interrupt.ts';
import { cleanProgress } from './clean-progress.ts';
import { readDataWords } from './read-words.ts';

const TEXT_METHOD_NAMES = ['script', 'typo', 'homophone', 'width', 'number'];

interface Wish {
  output_dir: string | null;
  methods: string[];
  per_row: number;
  select: string[];
  share: number;
  edge_cases: string[];
  failures: string | null;
  keep: string[];
  min_similarity: number;
  max_similarity: number;
  max_per_parent: number;
  max_label_share: number;
  judge: boolean;
  sealed_test: string | null;
  seed: number;
  endpoint: string | null;
  model: string | null;
  api_key_env: string;
  temperature: number;
  max_new_tokens: number;
  concurrency: number;
  retries: number;
  timeout: number;
}

export async function augment(context: CommandContext): Promise<number> {
  const { words, json, terminal } = context;
  const { things, options } = readDataWords(words, 'augment');
  const wish = options as unknown as Wish;
  if (things.length === 0 || wish.output_dir === null || wish.methods.length === 0)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: `tunesmith data augment: ${things.length === 0 ? 'the input' : wish.output_dir === null ? 'output_dir' : 'methods'} is missing`,
      remedy: 'Write "tunesmith data augment data/train.jsonl --output_dir more --methods typo,script".',
    });
  checkNames('methods', wish.methods, [...TEXT_METHOD_NAMES, ...MODEL_METHODS]);
  checkNames('edge_cases', wish.edge_cases, Object.keys(EDGE_CASES));
  const { augmentData } = await import('#factory/pipeline/augment-data.ts');
  const progress = cleanProgress({ json, terminal, now: () => performance.now() });
  const stop = stopOnSignals(() => progress.message('stopping (Ctrl-C again stops at once)'));
  try {
    const report = await augmentData(
      things,
      {
        outputDir: wish.output_dir,
        methods: wish.methods as Method[],
        perRow: wish.per_row,
        select: wish.select,
        share: wish.share,
        edgeCases: wish.edge_cases.length > 0 ? wish.edge_cases : Object.keys(EDGE_CASES),
        failures: wish.failures,
        keep: wish.keep,
        limits: {
          leastSimilarity: wish.min_similarity,
          mostSimilarity: wish.max_similarity,
          perParent: wish.max_per_parent,
          labelShare: wish.max_label_share,
        },
        judge: wish.judge,
        seal: wish.sealed_test,
        sealDir: dirname(things[0]!),
        seed: wish.seed,
        concurrency: wish.concurrency,
      },
      {
        model: await openModel(wish, context, stop.signal),
        signal: stop.signal,
        progress: (done, total) => progress.show({ kind: 'progress', step: 'augment', done, total }),
      },
    );
    progress.close();
    terminal.out(json ? `${JSON.stringify(report)}\n` : reportText(report, wish.output_dir));
    return 0;
  } catch (error) {
    progress.close();
    if (!stop.signal.aborted) throw error;
    terminal.err('stopped; answers so far are kept, and the same command goes on\n');
    return 130;
  } finally {
    stop.dispose();
  }
}

async function openModel(
  wish: Wish,
  { env }: CommandContext,
  signal: AbortSignal,
): Promise<AugmentDeps['model']> {
  const { endpoint, model, api_key_env, temperature, max_new_tokens, concurrency, retries, timeout } = wish;
  if (endpoint === null) return null;
  if (model === null)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'endpoint is given, model is not',
      remedy: 'Add --model with the name that the endpoint knows.',
    });
  const { askEndpoint } = await import('#factory/eval/endpoint.ts');
  const args = { endpoint, model, api_key_env, concurrency, retries, timeout };
  const wait = async (ms: number, until: AbortSignal) => {
    await sleep(ms, undefined, { signal: until });
  };
  return {
    generator: `${model}@${temperature}`,
    async ask(messages, seed) {
      const { text } = await askEndpoint(
        { messages, text: null, maxTokens: max_new_tokens, temperature, topP: 1, stop: [], seed },
        {
          ...{ args, key: env[api_key_env], clock: () => performance.now(), signal },
          ...{ fetch: globalThis.fetch, sleep: wait },
        },
      );
      return text;
    },
  };
}

function checkNames(key: string, given: readonly string[], known: readonly string[]): void {
  const wrong = given.find((name) => !known.includes(name));
  if (wrong === undefined) return;
  const meant = suggest(wrong, known);
  throw new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `${key}: expected ${known.join(', ')}, found ${JSON.stringify(wrong)}`,
    remedy: meant === null ? `Choose from this list for ${key}.` : `Write ${meant} instead of ${wrong}.`,
  });
}

export function reportText(report: AugmentReport, folder: string): string {
  const { rows, unreadable, parents, candidates, taken, asked, from_cache } = report;
  const percent = (n: number, of: number) => (of === 0 ? '' : ` (${((100 * n) / of).toFixed(0)} %)`);
  const lines = Object.entries(report.methods).map(([name, method]) => {
    const gates = Object.entries(method.gates).map(([gate, n]) => `${gate} ${n}`);
    const failed = gates.length === 0 ? '' : `; failed at: ${gates.join(', ')}`;
    return `  ${name.padEnd(17)} ${String(method.taken).padStart(6)} of ${method.candidates}${percent(method.taken, method.candidates)}${failed}`;
  });
  const failing = report.failing_labels.map(({ label, wrong, rows: n }) => `${label} ${wrong}/${n}`);
  return [
    `${rows} rows${unreadable === 0 ? '' : `, ${unreadable} unreadable`}; ${parents} get variants; ${taken} of ${candidates} candidates taken`,
    ...(failing.length === 0 ? [] : [`  failing labels: ${failing.slice(0, 12).join(', ')}`]),
    ...lines,
    ...(asked + from_cache === 0
      ? []
      : [`  asked the model ${asked} times, ${from_cache} answers were there`]),
    `${folder}/augmented.jsonl has the rows, augment-ledger.jsonl every candidate; train on them beside their parents' file`,
    '',
  ].join('\n');
}
