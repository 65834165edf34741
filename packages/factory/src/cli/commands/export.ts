// In: the words after `tunesmith export`. Out: a model folder, or what `export verify` found; facts on stdout.
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { parseModelArgs } from '#factory/arguments/parse.ts';
import type { ArgDeps } from '#factory/arguments/read.ts';
import { FactoryError } from '#factory/errors.ts';
import { DECISION_WORDS } from '#factory/eval/report/verdict-words.ts';
import { quantType } from '#factory/export/quantise/types.ts';
import type { ExportedMetric } from '#factory/pipeline/evaluate-export.ts';
import type { ExportResult } from '#factory/pipeline/export-model.ts';
import type { BaseDeps } from '#factory/pipeline/open-base.ts';
import type { ServingParity } from '#factory/pipeline/serving-parity.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { CommandContext } from '../command.ts';
import { readExportRecipe, readVerdictGate } from '../export-checks.ts';
import { EXPORT_KEYS } from '../export-keys.ts';
import { importUserCode } from '../import-user-code.ts';
import { stopOnSignals } from '../interrupt.ts';

const DTYPES = { auto: null, float32: 'F32', float16: 'F16', bfloat16: 'BF16', q8_0: 'Q8_0' } as const;

/** An export shows no progress of its evaluations. */
const RECIPE_DEPS = { now: Date.now, onEvent: () => {}, importModule: importUserCode };

interface Wish {
  export_dir: string | null;
  export_dtype: keyof typeof DTYPES;
  export_size: number;
  export_pre_tokenizer: string | null;
  export_quantization: string | null;
  eval: string | null;
  verdict: string | null;
  adapter_only: boolean;
  to: 'merged' | 'adapter' | 'gguf' | 'ollama';
  force: boolean;
  verify: boolean;
}

export async function exportCommand(context: CommandContext): Promise<number> {
  if (context.words[0] === 'verify') return verify(context);
  const { words, json, terminal, env } = context;
  const deps = { readFile: (path: string) => readFileSync(path, 'utf8'), env };
  const { args, notes, given, options } = parseModelArgs(words, EXPORT_KEYS, deps);
  if ((given.export_quantization_bit ?? null) !== null) throw noCalibratedBits();
  if (Object.hasOwn(given, 'export_size') && options.to !== 'merged')
    terminal.err(`note: export_size cuts --to merged into files; --to ${options.to} writes one\n`);
  for (const { text } of notes) terminal.err(`note: ${text}\n`);
  const wish = options as unknown as Wish;
  if (wish.export_dir === null)
    throw new FactoryError({
      code: 'ARGS_MISSING',
      message: 'tunesmith export: export_dir is missing',
      remedy: 'Add --export_dir, as in --export_dir merged.',
    });
  const stop = stopOnSignals(() => terminal.err('stopping (Ctrl-C again stops at once)\n'));
  const result = await exportAs(
    args,
    wish as Wish & { export_dir: string },
    { env, signal: stop.signal, note: (text) => terminal.err(`note: ${text}\n`) },
    deps,
  ).finally(() => stop.dispose());
  if (json) {
    terminal.out(`${JSON.stringify(result)}\n`);
    return 0;
  }
  const { exportDir, bytes, changedTensors, parity, metrics, decision } = result;
  terminal.out(
    `${exportDir}: ${(bytes / 1e9).toFixed(2)} GB, ${changedTensors} tensors changed by adapters\n`,
  );
  if (parity) terminal.out(parityText(parity));
  for (const one of metrics ?? []) terminal.out(metricText(one));
  if (decision)
    terminal.out(`by the verdict that the model before has passed: ${DECISION_WORDS[decision].en}\n`);
  terminal.out(`check it later: tunesmith export verify ${exportDir}\n`);
  return 0;
}

function parityText(parity: NonNullable<ExportResult['parity']>): string {
  const { positions, topTokenAgreement, meanKl, perplexityRatio } = parity;
  const figures =
    `on ${positions} tokens: the likeliest token agrees in ${(100 * topTokenAgreement).toFixed(1)} %, ` +
    `mean KL ${meanKl.toExponential(1)}, perplexity × ${perplexityRatio.toFixed(4)}`;
  if (!isServed(parity)) return `before and after, ${figures}\n`;
  const { greedy, worst } = parity;
  return [
    `before, and llama.cpp after, ${figures}`,
    `continued by themselves: ${greedy.equalTokens} of ${greedy.tokens} tokens are the same, ${greedy.equalPrompts} of ${greedy.prompts} texts to the end`,
    `furthest apart on ${JSON.stringify(worst.text.slice(0, 60))}: mean KL ${worst.meanKl.toExponential(1)}`,
    '',
  ].join('\n');
}

function metricText({ name, before, after, interval }: ExportedMetric): string {
  const show = (value: number | null) => (value === null ? '–' : value.toFixed(4));
  const range = interval ? `, difference ${show(interval.low)} to ${show(interval.high)}` : '';
  return `${name}: ${show(before)} before, ${show(after)} after${range}\n`;
}

const isServed = (parity: object): parity is ServingParity => 'greedy' in parity;

async function exportAs(
  args: TrainArgs,
  wish: Wish & { export_dir: string },
  deps: BaseDeps & { signal: AbortSignal },
  argDeps: ArgDeps,
): Promise<ExportResult> {
  const { export_dir: exportDir, export_dtype, export_size, verify, force } = wish;
  const { export_pre_tokenizer: preTokenizer, adapter_only: adapterOnly } = wish;
  const dtype = DTYPES[export_dtype];
  if (adapterOnly && wish.to === 'gguf') {
    if (dtype === 'Q8_0') throw notOfAdapters('export_dtype q8_0');
    if (wish.export_quantization !== null) throw notOfAdapters('export_quantization');
    if (preTokenizer !== null) throw notOfAdapters('export_pre_tokenizer');
    for (const key of ['eval', 'verdict'] as const) if (wish[key] !== null) throw notOfAdapters(key);
    const { exportGgufAdapter } = await import('#factory/pipeline/export-gguf-adapter.ts');
    return exportGgufAdapter(args, { exportDir, dtype, force }, deps);
  }
  if (adapterOnly) throw onlyGguf('adapter_only');
  if (wish.to === 'gguf' || wish.to === 'ollama') {
    const { exportGguf } = await import('#factory/pipeline/export-gguf.ts');
    const ollama = wish.to === 'ollama';
    const quantization = quantizationOf(wish);
    const { model_name_or_path: model } = args;
    const recipe = wish.eval === null ? null : readExportRecipe(wish.eval, model, argDeps);
    const gate = wish.verdict === null ? null : await readVerdictGate(wish.verdict, model, argDeps);
    const { env, signal } = deps;
    const checks = { recipe, gate, deps: { env, signal, ...RECIPE_DEPS } };
    const options = { exportDir, fileType: dtype, preTokenizer, quantization, verify, force, ollama, checks };
    return exportGguf(args, options, deps);
  }
  if (preTokenizer !== null) throw onlyGguf('export_pre_tokenizer');
  for (const key of ['export_quantization', 'eval', 'verdict'] as const)
    if (wish[key] !== null) throw onlyGguf(key);
  if (wish.to === 'adapter') {
    if (export_dtype !== 'auto' && export_dtype !== 'float32')
      throw new FactoryError({
        code: 'ARGS_CONFLICT',
        message: `export_dtype: expected auto or float32 with --to adapter, whose weights stay in float32, found ${export_dtype}`,
        remedy: 'Leave out --export_dtype, or export with --to merged.',
      });
    const { exportAdapter } = await import('#factory/pipeline/export-adapter.ts');
    return exportAdapter(args, { exportDir, verify, force }, deps);
  }
  if (dtype === 'Q8_0') throw onlyGguf('export_dtype q8_0');
  const { exportModel } = await import('#factory/pipeline/export-model.ts');
  const maxShardBytes = export_size * 1e9;
  return exportModel(args, { exportDir, dtype, maxShardBytes, verify, force }, deps);
}

/** llama.cpp quantises what is in full precision. */
function quantizationOf({ export_quantization: word, export_dtype }: Wish) {
  if (word === null) return null;
  const type = quantType(word);
  if (export_dtype === 'q8_0')
    throw new FactoryError({
      code: 'ARGS_CONFLICT',
      message: `export_quantization ${type.name}: expected export_dtype auto, float32, float16 or bfloat16, found q8_0, which is quantised already`,
      remedy: 'Leave out --export_dtype.',
    });
  return { type, threads: os.availableParallelism() };
}

function notOfAdapters(what: string): FactoryError {
  return new FactoryError({
    code: 'ARGS_CONFLICT',
    message: `${what}: expected a whole model, found adapter_only, which writes matrices in float32, float16 or bfloat16 and no vocabulary`,
    remedy: 'Leave it out: adapters are small.',
  });
}

function noCalibratedBits(): FactoryError {
  return new FactoryError({
    code: 'ARGS_NOT_SUPPORTED',
    message:
      'export_quantization_bit: GPTQ, which it asks for, is not supported; found it for tunesmith export',
    remedy: 'Export with --to gguf --export_quantization Q4_K_M, or leave the key out.',
  });
}

function onlyGguf(what: string): FactoryError {
  return new FactoryError({
    code: 'ARGS_CONFLICT',
    message: `${what}: expected --to gguf${what === 'adapter_only' ? '' : ' or ollama'}, whose files alone have it`,
    remedy: 'Add --to gguf, or leave the key out.',
  });
}

async function verify({ words, json, terminal }: CommandContext): Promise<number> {
  const [, dir, ...more] = words;
  if (dir === undefined || more.length > 0)
    throw new FactoryError({
      code: 'CLI_USAGE',
      message: `tunesmith export verify: expected one folder or GGUF file, found ${words.length - 1}`,
      remedy: 'Write "tunesmith export verify DIR".',
    });
  const { verifyExport } = await import('#factory/store/export-manifest.ts');
  const { manifest, problems } = await verifyExport(dir);
  if (json)
    terminal.out(`${JSON.stringify({ ok: problems.length === 0, problems, parents: manifest.parents })}\n`);
  else if (problems.length === 0)
    terminal.out(
      `${dir}: ${Object.keys(manifest.files).length} files are as they were written\n${manifest.parents
        .map(({ role, name, license }) => `  ${role} ${name}${license ? `, licence ${license}` : ''}\n`)
        .join('')}`,
    );
  else terminal.out(problems.map((line) => `${dir}: ${line}\n`).join(''));
  return problems.length === 0 ? 0 : 1;
}
