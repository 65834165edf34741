// In: options after `npm run bench -- grpo`. Out: the reward of held-out prompts before and after stage grpo, with intervals,
// and the curve between. The base is the model of this repository after a short supervised start; README.md has the method.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { parseTrainArgs } from '../../packages/factory/src/arguments/parse.ts';
import { wilsonInterval } from '../../packages/factory/src/eval/statistics/wilson.ts';
import { runTraining } from '../../packages/factory/src/pipeline.ts';
import { machineFacts } from '../machine.ts';
import { contactRows } from './contacts.ts';

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const BASE = at('../../packages/factory/base/tunesmith-tiny');
const REWARDS = at('../../examples/rewards/json-answer.ts');
const [LEARN, HELD_OUT] = [256, 200];

type Entry = Record<string, number>;

export async function bench(words: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args: words,
    options: {
      rounds: { type: 'string', default: '50' },
      'sft-steps': { type: 'string', default: '40' },
      temperature: { type: 'string', default: '0.7' },
      start: { type: 'string' },
      generations: { type: 'string', default: '8' },
      'learning-rate': { type: 'string', default: '1e-3' },
      seed: { type: 'string', default: '42' },
    },
  });
  const dir = mkdtempSync(join(tmpdir(), 'tunesmith-grpo-'));
  try {
    const rows = contactRows(LEARN + HELD_OUT, Number(values.seed));
    mkdirSync(join(dir, 'data'));
    writeFileSync(join(dir, 'data', 'learn.json'), JSON.stringify(rows.slice(0, LEARN)));
    writeFileSync(join(dir, 'data', 'held-out.json'), JSON.stringify(rows.slice(LEARN)));
    const common = {
      do_train: true,
      dataset: join(dir, 'data', 'learn.json'),
      seed: values.seed,
      lora_rank: 16,
      cutoff_len: 128,
      save_strategy: 'no',
    };
    const start = values.start ?? join(dir, 'sft');
    if (values.start === undefined)
      await train({
        ...common,
        model_name_or_path: BASE,
        stage: 'sft',
        output_dir: start,
        learning_rate: 2e-3,
        per_device_train_batch_size: 8,
        max_steps: values['sft-steps'],
      });
    const begun = performance.now();
    const history = await train({
      ...common,
      model_name_or_path: BASE,
      stage: 'grpo',
      adapter_name_or_path: start,
      create_new_adapter: true,
      reward_functions: `${REWARDS}:valid,${REWARDS}:right`,
      output_dir: join(dir, 'grpo'),
      learning_rate: values['learning-rate'],
      lr_scheduler_type: 'constant',
      per_device_train_batch_size: 64,
      gradient_accumulation_steps: 1,
      per_device_eval_batch_size: 100,
      num_generations: values.generations,
      temperature: values.temperature,
      max_new_tokens: 40,
      max_steps: values.rounds,
      logging_steps: 2,
      eval_dataset: join(dir, 'data', 'held-out.json'),
      eval_strategy: 'steps',
      eval_steps: values.rounds,
      eval_on_start: true,
    });
    const seconds = Math.round((performance.now() - begun) / 1000);
    const evaluations = history.filter((entry) => entry.eval_reward !== undefined);
    const log = history.filter((entry) => entry.reward !== undefined);
    return {
      question: 'grpo',
      ...machineFacts(),
      rounds: Number(values.rounds),
      seconds,
      before: summary(evaluations[0]),
      after: summary(evaluations.at(-1) as Entry),
      curve: log.map(({ step, reward, frac_reward_zero_std, entropy, completion_length }) => ({
        step,
        reward,
        frac_reward_zero_std,
        entropy,
        completion_length,
      })),
    };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Of the answers to the held-out prompts: the share of valid ones and the mean reward, with 95 % intervals. */
function summary(entry: Entry): Record<string, unknown> {
  const share = entry['eval_rewards/valid'];
  const { low, high } = wilsonInterval(Math.round(share * HELD_OUT), HELD_OUT, 0.95);
  const half = (1.96 * entry.eval_reward_std) / Math.sqrt(HELD_OUT);
  return {
    prompts: HELD_OUT,
    valid: { share, low, high },
    right: entry['eval_rewards/right'],
    reward: { mean: entry.eval_reward, low: entry.eval_reward - half, high: entry.eval_reward + half },
  };
}

async function train(keys: Record<string, string | number | boolean>): Promise<Entry[]> {
  const words = Object.entries(keys).flatMap(([key, value]) => [`--${key}`, String(value)]);
  const { args, notes, given } = parseTrainArgs(words, { readFile: (p) => readFileSync(p, 'utf8'), env: {} });
  await runTraining(args, {
    notes,
    given,
    env: {},
    importModule: (path) => import(pathToFileURL(path).href),
    now: Date.now,
    signal: new AbortController().signal,
    onEvent(event) {
      if (event.kind === 'log') process.stderr.write(`${JSON.stringify(event.entry)}\n`);
    },
  });
  const state = readFileSync(join(args.output_dir, 'trainer_state.json'), 'utf8');
  return (JSON.parse(state) as { log_history: Entry[] }).log_history;
}
