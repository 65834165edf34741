// In: the words after `tunesmith plan`. Out: what each way of training takes here, which is advised and why, as a table, as
// JSON, or as a recipe. The counting is pipeline/plan-methods.ts and plan/; this file asks and shows.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { openBackend } from '@tunesmith/engine';
import { parsePlanArgs } from '#factory/arguments/parse.ts';
import { ARG_TABLE } from '#factory/arguments/table.ts';
import { FactoryError } from '#factory/errors.ts';
import { parseModelConfig } from '#factory/model/config.ts';
import { isGguf } from '#factory/pipeline/open-base.ts';
import { otherConfigs } from '#factory/pipeline/plan-beside.ts';
import { classicRows } from '#factory/pipeline/plan-classic.ts';
import { readDataFacts } from '#factory/pipeline/plan-data.ts';
import {
  changeThatFits,
  type MethodsInput,
  planMethod,
  planMethods,
} from '#factory/pipeline/plan-methods.ts';
import { planModel } from '#factory/pipeline/plan-model.ts';
import { advise } from '#factory/plan/advise.ts';
import { gpuBytes, machineMemory } from '#factory/plan/budget.ts';
import { KNOWN_SHAPES } from '#factory/plan/known-shapes.ts';
import { METHODS } from '#factory/plan/methods.ts';
import { recipeText } from '#factory/plan/recipe.ts';
import { gigabytes, parseBytes, parseDuration } from '#factory/records/quantities.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { probeMachine } from '#factory/train/probe.ts';
import type { CommandContext } from '../command.ts';
import { PLAN_KEYS } from '../plan-keys.ts';
import { classicTable, methodTable, termTable } from '../plan-table.ts';
import { formatBytes } from '../progress.ts';

interface Wish {
  parameters: string | null;
  vocab_size: number;
  gpu: string | null;
  within: string | null;
  classic: boolean;
  probe: boolean;
  recipe: string | null;
}

/** Methods whose keys this version takes. */
const OFFERED = METHODS.filter(({ keys }) =>
  Object.keys(keys).every((key) => ARG_TABLE.get(key)?.status === 'supported'),
);

export async function plan({ words, json, terminal, env }: CommandContext): Promise<number> {
  const deps = { readFile: (path: string) => readFileSync(path, 'utf8'), env };
  const { args, given, options } = parsePlanArgs(words, PLAN_KEYS, deps);
  const wish = options as unknown as Wish;
  const note = (text: string) => terminal.err(`note: ${text}\n`);
  await using backend = await openBackend('cpu');

  if (wish.classic) {
    const rows = classicRows(args, backend);
    terminal.out(json ? `${JSON.stringify({ rows })}\n` : classicTable(rows));
    return 0;
  }
  if (!args.model_name_or_path && wish.parameters === null)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'tunesmith plan: there is neither a model nor a size',
      remedy:
        'Add --model_name_or_path with a folder, a GGUF file, a hub id or a name such as Qwen2.5-7B, or --parameters 7B.',
    });
  const budget = budgetOf(args, wish);
  const within = duration(wish.within);
  const { title, config, tokenizer } = await planModel(
    { args, parameters: wish.parameters, vocabSize: wish.vocab_size },
    { env, note },
  );
  if (args.dataset.length > 0 && tokenizer === null) throw noTokenizer(title);
  const data = args.dataset.length > 0 && tokenizer ? await readDataFacts(args, await tokenizer()) : null;
  const size = { rows: args.per_device_train_batch_size, width: args.cutoff_len };
  const probe = wish.probe
    ? await probeMachine(config, size, {
        backend,
        clock: () => performance.now(),
      })
    : null;
  const input: MethodsInput = {
    args,
    config,
    data,
    otherConfigs: await otherConfigs(args, { env, note }),
    budgetBytes: budget.bytes,
    isGpu: wish.gpu !== null,
    probe,
    backend,
  };
  const methods = planMethods(input, isGguf(args.model_name_or_path) ? OFFERED.filter(keepsPacked) : OFFERED);
  const epochs = args.num_train_epochs;
  const advice = advise(methods, within === null ? null : within / epochs);
  const change = advice ? null : changeThatFits(input);

  if (wish.recipe !== null && advice)
    await writeAtomic(
      wish.recipe,
      recipeText({
        ...advice,
        given: Object.fromEntries(
          Object.entries(given).filter(([key]) => !PLAN_KEYS.some((k) => k.name === key)),
        ),
        model: args.model_name_or_path || title,
        cutoff: args.cutoff_len,
        batch: args.per_device_train_batch_size,
        budget: args.memory,
      }),
    );
  if (json) {
    const advised = advice && { id: advice.method.id, reason: advice.reason };
    terminal.out(
      `${JSON.stringify({ model: title, budget_bytes: budget.bytes, budget: budget.from, methods, advised, change, probe })}\n`,
    );
    return advice ? 0 : 1;
  }
  terminal.out(
    [
      `${title}: ${args.per_device_train_batch_size} rows of ${data ? 'the data' : `${args.cutoff_len} tokens`} at a time; budget ${formatBytes(budget.bytes)} (${budget.from})`,
      '',
      methodTable(methods),
      termTable(methods),
      advice
        ? `Advised: ${advice.method.title}: ${advice.reason}.`
        : change
          ? `Nothing fits as it is. The smallest change that does: ${change.title} (${gigabytes(change.peakBytes)}): ${Object.entries(
              change.keys,
            )
              .map(([k, v]) => `--${k} ${v}`)
              .join(' ')}`
          : `Nothing fits, and no change of these keys helps. ${smallerModel(input)}`,
      ...(wish.recipe !== null && advice
        ? [`Recipe: ${wish.recipe}; start it with: tunesmith train ${wish.recipe}`]
        : []),
      '',
    ].join('\n'),
  );
  return advice ? 0 : 1;
}

/** The base of a GGUF file stays packed as it is. */
const keepsPacked = ({ keys }: (typeof OFFERED)[number]) =>
  keys.finetuning_type === 'lora' && !('quantization_bit' in keys) && !('stream_base' in keys);

/** The largest known model that fits one row of this length, by QLoRA. */
function smallerModel(input: MethodsInput): string {
  const method = OFFERED.find(({ id }) => id === 'qlora-4') as (typeof OFFERED)[number];
  const args = { ...input.args, per_device_train_batch_size: 1 };
  const fitting = Object.entries(KNOWN_SHAPES)
    .map(([name, raw]) => ({ name, config: parseModelConfig(raw, name) }))
    .map(({ name, config }) => ({
      name,
      planned: planMethod({ ...input, args, config, data: null, probe: null }, method),
    }))
    .filter(({ planned }) => planned.fits)
    .sort((a, b) => b.planned.diskBytes - a.planned.diskBytes)[0];
  return fitting
    ? `Choose a smaller model: ${fitting.name} fits by QLoRA 4-bit with one row at a time (${gigabytes(fitting.planned.peakBytes)}).`
    : 'No model of the list is small enough; give more memory.';
}

function budgetOf(args: TrainArgs, { gpu }: Wish): { bytes: number; from: string } {
  if (args.memory !== null && gpu !== null)
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: 'memory and gpu exclude each other: both say how much there is',
      remedy: 'Keep one of the two.',
    });
  if (gpu !== null) return { bytes: gpuBytes(gpu), from: gpu };
  if (args.memory !== null) {
    const bytes = parseBytes(args.memory);
    if (bytes === null)
      throw new FactoryError({
        code: 'ARGS_BAD_VALUE',
        message: `memory: expected a size such as 12GB, found ${JSON.stringify(args.memory)}`,
        remedy: 'Write memory as a number with a unit: 12GB, 800MB or 8GiB.',
      });
    return { bytes, from: '--memory' };
  }
  const machine = machineMemory({
    total: os.totalmem(),
    constrained: process.constrainedMemory(),
    available: process.availableMemory(),
    rss: process.memoryUsage.rss(),
  });
  return {
    bytes: machine.availableBytes,
    from: `free of the ${formatBytes(machine.totalBytes)} of this machine`,
  };
}

function duration(text: string | null): number | null {
  if (text === null) return null;
  const seconds = parseDuration(text);
  if (seconds !== null) return seconds;
  throw new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `within: expected a time such as 2h, 90min or 1h30m, found ${JSON.stringify(text)}`,
    remedy: 'Write within as numbers with h, min or s.',
  });
}

function noTokenizer(title: string): FactoryError {
  return new FactoryError({
    code: 'TOKENS_NO_TOKENIZER',
    message: `the rows of dataset cannot be counted in tokens: ${title} is planned by its shape, without a folder`,
    remedy: 'Set model_name_or_path to a folder of the model, or remove dataset and give cutoff_len.',
  });
}
