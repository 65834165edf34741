// In: resolved training arguments. Out: a trained model in output_dir, with all that a run leaves. The walk, once, in
// order: lock, base, template, rows, decoder, resume, train, outputs. Each step is a folder; none of them knows the next.
import { join } from 'node:path';
import { loadDatasets } from './data/load-datasets.ts';
import { FactoryError } from './errors.ts';
import { answerSamples } from './pipeline/answer-samples.ts';
import {
  modelFiles,
  parameterFile,
  type RunSnapshot,
  restore,
  restoreParameters,
  stateFiles,
} from './pipeline/checkpoint-files.ts';
import { chooseTemplate } from './pipeline/choose-template.ts';
import { evaluateRun, measureAnswers, predictRun } from './pipeline/evaluate-run.ts';
import { checkEvalMetrics } from './pipeline/generated-answers.ts';
import { openBase } from './pipeline/open-base.ts';
import { openDecoder } from './pipeline/open-decoder.ts';
import { planTraining } from './pipeline/plan-training.ts';
import { prepareRows } from './pipeline/prepare-rows.ts';
import { type PreparedTask, prepareTask } from './pipeline/prepare-task.ts';
import { clearResults, findResumePoint, hasAllResults } from './pipeline/resume.ts';
import { makeSettings } from './pipeline/run-settings.ts';
import { scoreRun } from './pipeline/score-run.ts';
import { planEpoch, rowLengths } from './pipeline/train-rows.ts';
import {
  baseFile,
  companionFiles,
  logEvent,
  stateOf,
  writeInitialAdapter,
  writeOutputs,
} from './pipeline/write-outputs.ts';
import { conversationKey } from './records/prompt-key.ts';
import type { ArgNote, TrainArgs } from './records/train-args.ts';
import type { TrainEvent } from './records/train-events.ts';
import {
  checkpointDir,
  discardCheckpointsAfter,
  readCheckpoint,
  recoverCheckpoints,
  writeCheckpoint,
} from './store/checkpoint.ts';
import { truncateCompletions } from './store/completions-log.ts';
import { formatResolvedConfig, RESOLVED_CONFIG_FILE, writeResolvedConfig } from './store/resolved-config.ts';
import { acquireRunLock } from './store/run-lock.ts';
import { writeTrainedPrompts } from './store/trained-prompts.ts';
import { readTrainerLog, truncateTrainerLog } from './store/trainer-log.ts';
import { formatTrainerState } from './store/trainer-state.ts';
import { makeOptimizer } from './train/optimizer.ts';
import { freshState } from './train/run-state.ts';
import { type Stopped, train } from './train/train.ts';

export { openGenerator, openScorer } from './pipeline/inference.ts';

export interface RunDeps {
  onEvent(event: TrainEvent): void;
  signal: AbortSignal;
  notes: ArgNote[];
  given: Record<string, unknown>;
  /** Loads a file of the user's: a reward function. */
  importModule?(path: string): Promise<unknown>;
  /** Where hub caches and tokens are named. */
  env: Readonly<Record<string, string | undefined>>;
  /** Milliseconds since 1970. */
  now(): number;
}

export interface RunResult {
  outputDir: string;
  stopped: Stopped;
  metrics: Record<string, number>;
}

/** Trains, evaluates and predicts as `do_train`, `do_eval` and `do_predict` say. */
export async function runTraining(args: TrainArgs, deps: RunDeps): Promise<RunResult> {
  const { env } = deps;
  const note = (text: string) => deps.onEvent({ kind: 'note', text });
  const earlierRssBytes = process.memoryUsage.rss();
  checkEvalMetrics(args);
  const lock = acquireRunLock(args.output_dir, deps.now);
  let closeBase: (() => Promise<void>) | undefined;
  try {
    await recoverCheckpoints(args.output_dir);
    const point = args.do_train ? await findResumePoint(args, note) : null;
    const base = await openBase(args, args.do_train ? 'train' : 'infer', { env, note, signal: deps.signal });
    closeBase = () => base.weights.close();
    const data = await loadDatasets({ ...args, seed: args.data_seed ?? args.seed });
    const template = await chooseTemplate(args, base, data, note);
    const cacheDir = args.tokenized_path ?? join(args.output_dir, '.token-cache');
    const { tokenizer } = base;
    const { vocabSize } = base.config;

    const rows = await prepareRows(args, data, { tokenizer, template, vocabSize, cacheDir, note });
    const planned = rows.train && { dataset: rows.train, vocabulary: tokenizer.size };
    const plan =
      args.do_train && planned ? await planTraining(args, base.config, planned, { env, note }) : null;
    const spills: Partial<TrainArgs> = plan?.spills ? { residual_policy: 'spill' } : {};
    const opened = await openDecoder({ ...args, ...spills }, base, args.do_train ? 'train' : 'infer', note);
    const { decoder } = opened;
    const generator = template && { decoder, base, template };
    const measure = (step: number) => measureAnswers(args, rows, generator, step, deps);
    if (!decoder.readsBase) await base.weights.close();
    let closeTask: PreparedTask['close'];
    try {
      const metrics: Record<string, number> = {};
      let stopped: Stopped = 'finished';
      try {
        const task = await prepareTask(args, rows, decoder, {
          env,
          note,
          signal: deps.signal,
          importModule: deps.importModule,
          tokenizer,
          stopIds: template?.stopIds ?? [],
        });
        closeTask = task.close;
        if (args.do_train) {
          const { stopped: how, ...trained } = await trainRun(task);
          stopped = how;
          Object.assign(metrics, trained.metrics);
        }
        if (stopped !== 'interrupted' && args.do_eval && rows.evaluation.length > 0)
          Object.assign(metrics, await evaluateRun(args, decoder, task, () => measure(0), deps));
        if (stopped !== 'interrupted' && args.do_predict)
          Object.assign(
            metrics,
            args.stage === 'rm'
              ? await scoreRun(args, decoder, rows, deps)
              : await predictRun(args, rows, generator, deps),
          );
      } catch (error) {
        if (!deps.signal.aborted || error !== deps.signal.reason) throw error;
        stopped = 'interrupted';
      }
      return { outputDir: args.output_dir, stopped, metrics };
    } finally {
      await closeTask?.();
      opened.spill?.close();
      await decoder.backend.dispose();
    }

    async function trainRun({
      task,
      train: trainRows,
      evaluation,
    }: PreparedTask): Promise<{ stopped: Stopped; metrics: Record<string, number> }> {
      const dataset = rows.train;
      if (!dataset)
        throw new FactoryError({
          code: 'ARGS_MISSING',
          message: 'do_train is set, but no dataset is named',
          remedy: 'Set dataset to a name of dataset_info.json or to a file.',
        });
      const lengths = rowLengths(dataset);
      const stepsPerEpoch = planEpoch(args, lengths, 0).length;
      if (stepsPerEpoch === 0) throw noWholeBatch(args, lengths.length);
      const settings = makeSettings(args, base.config, stepsPerEpoch, plan?.residualBytes ?? 0);
      let state = freshState();
      const optimizer = makeOptimizer(decoder, args);
      if (point) {
        const snapshot = restore(point.files, point.dir, decoder, optimizer);
        if (!snapshot) throw modelOnly(point.dir);
        refuseOtherData(snapshot, rows.fingerprint, args, point.dir);
        ({ state } = snapshot);
        if (args.extend && state.stoppedEarly) {
          state.stoppedEarly = false;
          state.evaluationsWithoutGain = 0;
        }
        const isOver = state.stoppedEarly || state.step >= settings.totalSteps;
        if (isOver && (await hasAllResults(args, state.step))) throw finished(args, state.step);
        await discardCheckpointsAfter(args.output_dir, state.step);
        await truncateTrainerLog(args.output_dir, state.step, snapshot.logLines);
        await truncateCompletions(args.output_dir, state.step);
        note(
          isOver
            ? `all steps were done in ${point.dir}; only results are missing`
            : `going on from ${point.dir}: step ${state.step} of ${settings.totalSteps}`,
        );
      } else {
        await truncateTrainerLog(args.output_dir, -1);
        await truncateCompletions(args.output_dir, -1);
      }
      await clearResults(args.output_dir);
      const config = await writeResolvedConfig(args.output_dir, args);
      // Text to be continued is no question that an evaluation could ask again.
      const prompts = args.stage === 'pt' ? [] : rows.data.train;
      await writeTrainedPrompts(
        args.output_dir,
        prompts.map(({ prompt }) => conversationKey(prompt)),
      );
      const companions = { ...(await companionFiles(base, args)), ...(await baseFile(base, args)) };
      await writeInitialAdapter(opened, args);
      const emit = (event: TrainEvent) => {
        logEvent(args.output_dir, event, state, settings);
        if (event.kind === 'checkpoint' || event.kind === 'log') lock.touch();
        deps.onEvent(event);
      };
      const save = async (isToGoOnFrom: boolean) => {
        const logLines = readTrainerLog(args.output_dir).length;
        const snapshot = { state, logLines, dataFingerprint: rows.fingerprint };
        const files = {
          ...modelFiles(opened, args),
          ...companions,
          ...(args.save_only_model && !isToGoOnFrom
            ? args.load_best_model_at_end && parameterFile(decoder)
            : stateFiles(decoder, optimizer, snapshot)),
          [RESOLVED_CONFIG_FILE]: formatResolvedConfig(args),
          'trainer_state.json': formatTrainerState(stateOf(args, state, settings, opened)),
        };
        const rotation = { limit: args.save_total_limit, bestStep: state.best?.step };
        return (await writeCheckpoint(args.output_dir, state.step, files, rotation)).dir;
      };
      emit({
        kind: 'start',
        totalSteps: settings.totalSteps,
        totalEpochs: settings.totalEpochs,
        trainableParameters: opened.trainableParameters,
        allParameters: opened.allParameters,
        resumedFrom: state.step,
      });
      const stopped = await train({
        decoder,
        task,
        planEpoch: (epoch) => planEpoch(args, lengths, epoch),
        rows: trainRows,
        evaluation,
        state,
        optimizer,
        settings,
        clock: () => performance.now(),
        rssBytes: () => process.memoryUsage.rss(),
        emit,
        save,
        measure,
        sample: (step) =>
          answerSamples(args, decoder, base, template, rows.evaluation, step, emit, deps.signal),
        signal: deps.signal,
      });
      emit({ kind: 'end', step: state.step, stopped });
      if (stopped === 'interrupted') return { stopped, metrics: {} };
      if (args.load_best_model_at_end && state.best && state.best.step !== state.step) {
        const dir = checkpointDir(args.output_dir, state.best.step);
        restoreParameters((await readCheckpoint(dir)).files, dir, decoder);
        note(
          `the weights of step ${state.best.step} are kept: best ${settings.bestMetric} ${state.best.metric.toPrecision(5)}`,
        );
      }
      const metrics = await writeOutputs({
        args,
        base,
        opened,
        rows,
        companions,
        state,
        settings,
        configHash: config.hash,
        plannedBytes: plan?.memory.peakBytes ?? 0,
        peakRssBytes: 1024 * process.resourceUsage().maxRSS,
        earlierRssBytes,
        note,
      });
      return { stopped, metrics };
    }
  } finally {
    lock.release();
    await closeBase?.();
  }
}

function refuseOtherData(snapshot: RunSnapshot, fingerprint: string, args: TrainArgs, dir: string): void {
  if (snapshot.dataFingerprint === fingerprint || args.allow_drift) return;
  throw new FactoryError({
    code: 'TRAIN_DRIFT',
    message: `${dir} was trained on other rows: the data files, the template or the tokenizer have changed since`,
    remedy:
      'Bring the data back as it was, add --allow-drift to go on with the new rows, or set another output_dir.',
  });
}

function modelOnly(dir: string): FactoryError {
  return new FactoryError({
    code: 'STORE_NO_CHECKPOINT',
    message: `${dir} was saved with save_only_model: it holds no optimiser state to go on from`,
    remedy: 'Start a new run with adapter_name_or_path set to that folder, or set overwrite_output_dir.',
  });
}

function noWholeBatch(args: TrainArgs, rows: number): FactoryError {
  return new FactoryError({
    code: 'ARGS_CONFLICT',
    message: `dataloader_drop_last leaves nothing to train on: ${rows} rows do not fill one batch of per_device_train_batch_size ${args.per_device_train_batch_size}`,
    remedy: 'Lower per_device_train_batch_size, or remove dataloader_drop_last.',
  });
}

function finished(args: TrainArgs, step: number): FactoryError {
  return new FactoryError({
    code: 'TRAIN_FINISHED',
    message: `the run in ${args.output_dir} is finished: ${step} steps are done`,
    remedy:
      'Add --extend with more num_train_epochs or max_steps to lengthen it, or set overwrite_output_dir to start again.',
  });
}
