// In: a finished run. Out: its files: model, tokenizer, logs, results, model card, plots, in the layout of LLaMA-Factory.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runtimeVersion } from '@tunesmith/engine';
import { writePeftAdapter } from '#factory/adapters/peft.ts';
import { gigabytes } from '#factory/records/quantities.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { TrainEvent } from '#factory/records/train-events.ts';
import { writeAtomic } from '#factory/store/atomic-file.ts';
import { BASE_FILE, formatBaseFile } from '#factory/store/base-fingerprint.ts';
import { errnoOf } from '#factory/store/disk-error.ts';
import { writeLossPlots } from '#factory/store/loss-plot.ts';
import { writeModelCard } from '#factory/store/model-card.ts';
import { readError } from '#factory/store/read-error.ts';
import { writeResults } from '#factory/store/results.ts';
import { appendTrainerLog } from '#factory/store/trainer-log.ts';
import { type TrainerState, writeTrainerState } from '#factory/store/trainer-state.ts';
import type { RunState } from '#factory/train/run-state.ts';
import type { TrainSettings } from '#factory/train/train.ts';
import { modelFiles, pissaFolders } from './checkpoint-files.ts';
import type { Base } from './open-base.ts';
import type { OpenedDecoder } from './open-decoder.ts';
import type { PreparedRows } from './prepare-rows.ts';
import { rowLengths } from './train-rows.ts';
import { weightsPath } from './trained-base.ts';

const TOKENIZER_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'chat_template.jinja',
  'tokenizer.model',
  'vocab.json',
  'merges.txt',
];

export interface FinishedRun {
  args: TrainArgs;
  base: Base;
  opened: OpenedDecoder;
  rows: PreparedRows;
  /** Tokenizer and such, by name. */
  companions: Record<string, Uint8Array>;
  state: RunState;
  settings: TrainSettings;
  configHash: string;
  /** The peak that was planned, and the one that the process had. */
  plannedBytes: number;
  peakRssBytes: number;
  /** What the process had before the run; no plan knows of it. */
  earlierRssBytes: number;
  note(text: string): void;
}

export async function writeOutputs(run: FinishedRun): Promise<Record<string, number>> {
  const { args, base, opened, rows, companions, state, settings, configHash, note } = run;
  const dir = args.output_dir;
  for (const [name, content] of Object.entries({ ...modelFiles(opened, args), ...companions }))
    await writeAtomic(join(dir, name), content);
  for (const [name, adapter] of Object.entries(pissaFolders(opened, args) ?? {})) {
    if (name !== 'pissa_init') await writePeftAdapter(join(dir, name), adapter);
  }

  const samples = rows.train ? rowLengths(rows.train).length * settings.totalEpochs : 0;
  const metrics: Record<string, number> = {
    epoch: state.step / settings.stepsPerEpoch,
    train_loss: state.totalLoss / Math.max(1, state.step),
    train_runtime: state.seconds,
    train_samples_per_second: samples / Math.max(state.seconds, 1e-9),
    train_steps_per_second: state.step / Math.max(state.seconds, 1e-9),
    total_flos: flos(opened, state),
    planned_memory_gb: run.plannedBytes / 1e9,
    peak_memory_gb: run.peakRssBytes / 1e9,
  };
  note(
    `peak memory ${gigabytes(run.peakRssBytes)}, planned ${gigabytes(run.plannedBytes)}${earlierWords(run.earlierRssBytes)}`,
  );
  if (args.include_num_input_tokens_seen !== 'no') metrics.num_input_tokens_seen = state.tokensSeen;
  if (args.include_effective_tokens_per_second)
    metrics.effective_tokens_per_sec = state.tokensSeen / Math.max(state.seconds, 1e-9);
  await writeResults(dir, 'train', metrics);

  const lastEvaluation = state.logHistory.findLast((e) => e.eval_loss !== undefined);
  await writeModelCard(dir, {
    args,
    hubId:
      !base.tokenizerFiles &&
      /^[\w.-]+\/[\w.-]+$/.test(args.model_name_or_path) &&
      base.dir !== args.model_name_or_path
        ? args.model_name_or_path
        : null,
    license: await licenseOf(base.dir),
    history: state.logHistory,
    evaluation: lastEvaluation
      ? {
          Loss: lastEvaluation.eval_loss,
          ...(lastEvaluation.eval_accuracy === undefined ? {} : { Accuracy: lastEvaluation.eval_accuracy }),
        }
      : {},
    rows: {
      used: rows.train?.totals.used ?? 0,
      truncated: rows.train?.totals.truncated ?? 0,
      dropped: rows.train?.totals.dropped ?? 0,
    },
    totalSteps: settings.totalSteps,
    trainableParameters: opened.trainableParameters,
    allParameters: opened.allParameters,
    versions: {
      Tunesmith: await ownVersion(),
      'ONNX Runtime': runtimeVersion(),
      Node: process.versions.node,
    },
    configHash,
  });
  if (args.plot_loss) {
    const paths = await writeLossPlots(dir, state.logHistory, {
      title: args.run_name ?? 'Training loss',
      subtitle: `${args.finetuning_type} on ${args.dataset.join(', ')}`,
      bestStep: state.best?.step ?? null,
    });
    note(`loss plot: ${paths[0]}`);
  }
  // Last, because a resumed run takes it for the sign that nothing is missing.
  await writeTrainerState(dir, { ...stateOf(args, state, settings, opened), should_training_stop: true });
  return metrics;
}

/** `pissa_init`, before the first step, as LLaMA-Factory leaves it. */
export async function writeInitialAdapter(opened: OpenedDecoder, args: TrainArgs): Promise<void> {
  const folders = pissaFolders(opened, args);
  if (folders) await writePeftAdapter(join(args.output_dir, 'pissa_init'), folders.pissa_init);
}

/** Adds an event to trainer_log.jsonl where LLaMA-Factory would. */
export function logEvent(dir: string, event: TrainEvent, state: RunState, settings: TrainSettings): void {
  if (event.kind !== 'log') return;
  const { entry } = event;
  appendTrainerLog(dir, {
    inputTokensSeen: entry.num_input_tokens_seen,
    currentSteps: entry.step,
    totalSteps: settings.totalSteps,
    loss: entry.loss,
    evalLoss: entry.eval_loss,
    reward: entry.reward ?? entry.eval_reward,
    accuracy: entry.eval_accuracy ?? entry['rewards/accuracies'] ?? entry.accuracy,
    lr: entry.learning_rate,
    epoch: entry.epoch,
    elapsedSeconds: state.seconds,
  });
}

/** trainer_state.json as Hugging Face's Trainer would write it now. */
export function stateOf(
  args: TrainArgs,
  state: RunState,
  settings: TrainSettings,
  opened: OpenedDecoder,
): TrainerState {
  const steps = (i: TrainSettings['save'], otherwise: number) => (i.every === 'steps' ? i.steps : otherwise);
  return {
    best_global_step: state.best?.step ?? null,
    best_metric: state.best?.metric ?? null,
    best_model_checkpoint: state.best ? join(args.output_dir, `checkpoint-${state.best.step}`) : null,
    epoch: state.step / settings.stepsPerEpoch,
    eval_steps: steps(settings.evaluate, 500),
    global_step: state.step,
    log_history: state.logHistory,
    logging_steps: steps(settings.log, args.logging_steps),
    max_steps: settings.totalSteps,
    num_input_tokens_seen: state.tokensSeen,
    num_train_epochs: Math.ceil(settings.totalEpochs),
    save_steps: steps(settings.save, args.save_steps),
    total_flos: flos(opened, state),
    train_batch_size: args.per_device_train_batch_size,
  };
}

/** Hugging Face's estimate: six operations per parameter and token. */
function flos({ allParameters }: OpenedDecoder, { tokensSeen }: RunState): number {
  return 6 * allParameters * tokensSeen;
}

/** The base's tokenizer files as they are, by name; with whole weights the generation config too. */
export async function companionFiles(
  base: Pick<Base, 'dir' | 'tokenizerFiles'>,
  args: TrainArgs,
): Promise<Record<string, Uint8Array>> {
  if (base.tokenizerFiles) return Object.fromEntries(base.tokenizerFiles);
  const from = base.dir;
  const names =
    args.finetuning_type === 'lora' ? TOKENIZER_FILES : [...TOKENIZER_FILES, 'generation_config.json'];
  const files: Record<string, Uint8Array> = {};
  for (const name of names) {
    try {
      files[name] = await readFile(join(from, name));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw readError(error, join(from, name), 'MODEL_BAD_FILE');
    }
  }
  return files;
}

/** What an adapter keeps of the base that it is trained on; nothing beside whole weights. */
export async function baseFile(
  base: Pick<Base, 'dir' | 'tokenizerFiles'>,
  args: TrainArgs,
): Promise<Record<string, Uint8Array>> {
  if (args.finetuning_type !== 'lora' || args.train_from_scratch) return {};
  const { model_name_or_path: name } = args;
  return { [BASE_FILE]: Buffer.from(await formatBaseFile(name, weightsPath(args, base))) };
}

export async function licenseOf(dir: string): Promise<string | null> {
  const card = await readFile(join(dir, 'README.md'), 'utf8').catch(() => '');
  return /^license:\s*([\w.-]+)\s*$/m.exec(card)?.[1] ?? null;
}

export async function ownVersion(): Promise<string> {
  const file = new URL('../../package.json', import.meta.url);
  return (JSON.parse(await readFile(file, 'utf8')) as { version: string }).version;
}

/** A process that has only started has less than this. */
const FRESH_BYTES = 300e6;

const earlierWords = (bytes: number) =>
  bytes > FRESH_BYTES ? ` beside the ${gigabytes(bytes)} that the process had before` : '';
