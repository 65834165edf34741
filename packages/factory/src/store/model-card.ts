// In: the facts about a finished run. Out: `README.md` with the front matter that the hub reads and the sections of the
// Hugging Face Trainer's card. It states only what it is given and calls nothing "best" or "safe".
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { LogEntry } from '#factory/records/train-events.ts';
import { writeAtomic } from './atomic-file.ts';
import { pythonNumber } from './python-json.ts';

export interface ModelCardFacts {
  args: TrainArgs;
  /** The base model's id on the hub, or null where it is a local folder: the hub rejects a path as base_model. */
  hubId: string | null;
  /** The base model's licence id (`apache-2.0`), or null where its own card names none; then `other` is written. */
  license: string | null;
  history: LogEntry[];
  /** Metrics of the last evaluation, without prefix: `{ Loss: 0.91, Accuracy: 0.7 }`. */
  evaluation: Record<string, number>;
  rows: { used: number; truncated: number; dropped: number };
  totalSteps: number;
  trainableParameters: number;
  allParameters: number;
  /** Name → version, in the order to print, Tunesmith first. */
  versions: Record<string, string>;
  configHash: string;
}

export async function writeModelCard(outputDir: string, facts: ModelCardFacts): Promise<void> {
  await writeAtomic(join(outputDir, 'README.md'), formatModelCard(facts));
}

export function formatModelCard(facts: ModelCardFacts): string {
  const { args } = facts;
  const sections = [
    `---\n${stringify(frontMatter(facts), { lineWidth: 0 })}---`,
    '<!-- This card was written by Tunesmith from what the run knows. Complete the sections that it cannot know, then delete this comment. -->',
    `# ${args.run_name ?? args.stage}`,
    introduction(facts),
    '## Model description\n\nMore information needed',
    '## Intended uses & limitations\n\nMore information needed',
    `## Training and evaluation data\n\n${dataSection(facts)}`,
    `## Training procedure\n\n### Training hyperparameters\n\nThe following hyperparameters were used during training:\n${hyperparameters(facts)}`,
    `### Training results\n\n${resultTable(facts.history)}`,
    `### Framework versions\n\n${Object.entries(facts.versions)
      .map(([name, version]) => `- ${name} ${version}`)
      .join('\n')}`,
  ];
  return `${sections.join('\n\n')}\n`;
}

function frontMatter({ args, hubId, license }: ModelCardFacts): Record<string, unknown> {
  const isAdapter = args.finetuning_type === 'lora';
  const adapterTag = isAdapter && hubId !== null ? [`base_model:adapter:${hubId}`] : [];
  return {
    library_name: isAdapter ? 'peft' : 'transformers',
    license: license ?? 'other',
    ...(hubId === null ? {} : { base_model: hubId }),
    tags: [...adapterTag, 'tunesmith', args.finetuning_type, args.stage],
    'model-index': [{ name: args.run_name ?? args.stage, results: [] }],
    pipeline_tag: 'text-generation',
  };
}

function introduction({ args, hubId, evaluation }: ModelCardFacts): string {
  const link =
    hubId === null ? `\`${args.model_name_or_path}\`` : `[${hubId}](https://huggingface.co/${hubId})`;
  const how = {
    lora: 'a LoRA adapter for',
    freeze: 'a partly fine-tuned version of',
    full: 'a fine-tuned version of',
  };
  const lines = [
    `This model is ${how[args.finetuning_type]} ${link}, trained on ${datasetPhrase(args.dataset)}.`,
  ];
  const results = Object.entries(evaluation);
  if (results.length > 0) lines.push('It achieves the following results on the evaluation set:');
  for (const [name, value] of results) lines.push(`- ${name}: ${shortNumber(value)}`);
  return lines.join('\n');
}

function dataSection({ args, rows }: ModelCardFacts): string {
  const evaluated =
    args.eval_dataset.length > 0
      ? `Evaluation: ${args.eval_dataset.join(', ')}.`
      : args.val_size > 0
        ? `Evaluation: ${shortNumber(args.val_size)} of the rows held out (val_size).`
        : 'No rows were held out for evaluation.';
  return `Training: ${args.dataset.join(', ') || 'none'}; ${rows.used} rows used, ${rows.truncated} of them truncated, ${rows.dropped} dropped. ${evaluated}`;
}

const CUSTOM_OPTIMISERS = [
  ['use_galore', 'GaLore'],
  ['use_apollo', 'APOLLO'],
  ['use_badam', 'BAdam'],
  ['use_adam_mini', 'Adam-mini'],
  ['use_muon', 'Muon'],
] as const;

function optimizer(args: ModelCardFacts['args']): string {
  const { optim, optim_args, adam_beta1, adam_beta2, adam_epsilon, weight_decay } = args;
  const betas = `betas=(${adam_beta1},${adam_beta2})`;
  const custom = CUSTOM_OPTIMISERS.find(([key]) => args[key]);
  if (custom)
    return `${custom[1]} with ${betas}, epsilon=${pythonNumber(adam_epsilon, true)} and weight_decay=${weight_decay}`;
  if (optim.startsWith('adamw'))
    return `AdamW with ${betas}, epsilon=${pythonNumber(adam_epsilon, true)} and weight_decay=${weight_decay}`;
  const own = [...(optim === 'lion_32bit' ? [betas] : []), ...(optim_args === null ? [] : [optim_args])];
  return `${optim} with ${[...own, `weight_decay=${weight_decay}`].join(', ')}`;
}

function hyperparameters(facts: ModelCardFacts): string {
  const { args } = facts;
  const float = (value: number) => pythonNumber(value, true);
  const accumulation = args.gradient_accumulation_steps;
  const lines: [string, string | number][] = [
    ['learning_rate', float(args.learning_rate)],
    ['train_batch_size', args.per_device_train_batch_size],
    ['eval_batch_size', args.per_device_eval_batch_size],
    ['seed', args.seed],
  ];
  if (accumulation > 1) {
    lines.push(['gradient_accumulation_steps', accumulation]);
    lines.push(['total_train_batch_size', args.per_device_train_batch_size * accumulation]);
  }
  lines.push(['optimizer', optimizer(args)]);
  if (args.loraplus_lr_ratio !== null) lines.push(['loraplus_lr_ratio', float(args.loraplus_lr_ratio)]);
  lines.push(['lr_scheduler_type', args.lr_scheduler_type]);
  if (args.warmup_ratio > 0) lines.push(['lr_scheduler_warmup_ratio', args.warmup_ratio]);
  if (args.warmup_steps > 0) lines.push(['lr_scheduler_warmup_steps', args.warmup_steps]);
  if (args.max_steps > 0) lines.push(['training_steps', args.max_steps]);
  else lines.push(['num_epochs', float(args.num_train_epochs)]);
  lines.push(['total_steps', facts.totalSteps]);
  lines.push(['max_grad_norm', args.max_grad_norm]);
  lines.push(['cutoff_len', args.cutoff_len]);
  if (args.template !== null) lines.push(['template', `${args.template} (${args.template_version})`]);
  if (args.finetuning_type === 'lora') {
    lines.push(
      ['lora_rank', args.lora_rank],
      ['lora_alpha', args.lora_alpha],
      ['lora_dropout', args.lora_dropout],
    );
    lines.push(['lora_target', args.lora_target.join(',')]);
    if (args.use_rslora) lines.push(['use_rslora', 'true']);
  }
  lines.push(['trainable_parameters', `${facts.trainableParameters} of ${facts.allParameters}`]);
  lines.push(['config_sha256', facts.configHash]);
  return lines.map(([name, value]) => `- ${name}: ${value}`).join('\n');
}

/** One row per evaluation with the training loss logged last before it, as the Trainer's card has it. */
function resultTable(history: LogEntry[]): string {
  const metrics = [...new Set(history.flatMap((entry) => Object.keys(entry)))].filter(
    (key) =>
      key.startsWith('eval_') && !/_(runtime|per_second|preparation_time)$/.test(key) && key !== 'eval_loss',
  );
  const rows: string[][] = [];
  let loss = 'No log';
  for (const entry of history) {
    if (typeof entry.loss === 'number') loss = shortNumber(entry.loss);
    if (typeof entry.eval_loss !== 'number') continue;
    const others = metrics.map((key) => (typeof entry[key] === 'number' ? shortNumber(entry[key]) : ''));
    rows.push([loss, shortNumber(entry.epoch), String(entry.step), shortNumber(entry.eval_loss), ...others]);
  }
  if (rows.length === 0) {
    const losses = history.filter((entry) => typeof entry.loss === 'number');
    const last = losses.at(-1);
    return last === undefined
      ? 'No evaluation was run.'
      : `No evaluation was run. The training loss went from ${shortNumber(losses[0].loss)} (step ${losses[0].step}) to ${shortNumber(last.loss)} (step ${last.step}).`;
  }
  const titles = ['Training Loss', 'Epoch', 'Step', 'Validation Loss', ...metrics.map(titleOf)];
  const ruler = titles.map((title) => `:${'-'.repeat(title.length)}:`);
  const row = (cells: string[]) => `| ${cells.join(' | ')} |`;
  return [row(titles), `|${ruler.join('|')}|`, ...rows.map(row)].join('\n');
}

function titleOf(key: string): string {
  const words = key.replace(/^eval_/, '').split(/[_-]/);
  return words.map((word) => word.slice(0, 1).toUpperCase() + word.slice(1)).join(' ');
}

function datasetPhrase(names: string[]): string {
  if (names.length === 0) return 'no named dataset';
  if (names.length === 1) return `the ${names[0]} dataset`;
  return `the ${names.slice(0, -1).join(', the ')} and the ${names.at(-1)} datasets`;
}

function shortNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  return String(Number(value.toFixed(4)));
}
