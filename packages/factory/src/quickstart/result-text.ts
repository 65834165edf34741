// In: the figures of a quickstart. Out: what a person reads at the end: the gain, an example, and what to do next.
import type { ClassificationReport, MetricValue } from '#factory/records/scorecard.ts';

export interface Sample {
  mail: string;
  truth: string;
  before: string;
  after: string;
}

export interface QuickstartFigures {
  before: ClassificationReport;
  after: ClassificationReport;
  samples: Sample[];
  adapter: string;
  lossPlot: string;
  seconds: { total: number; training: number };
  nextCommands: string[];
}

const QUESTION = 'Is this e-mail spam or ham? Answer with one word. Subject: Claim your free prize now';
const MAIL_LINES = 4;
const LINE_LENGTH = 88;

export function resultText(result: QuickstartFigures): string {
  const { before, after, samples, seconds } = result;
  const support = after.perLabel.map((score) => `${score.support} ${score.label}`).join(', ');
  return `${[
    '',
    `${after.rows} held-out mails (${support}), none of them in training:`,
    '',
    row('', 'before', 'after'),
    row('accuracy', percent(before.accuracy), percent(after.accuracy)),
    row('macro-F1', percent(before.macroF1), percent(after.macroF1)),
    '            in brackets: 95 % intervals (Wilson; bootstrap)',
    '',
    ...samples.flatMap(sampleLines),
    `adapter     ${result.adapter}`,
    `loss plot   ${result.lossPlot}`,
    `time        ${seconds.total.toFixed(0)} s in all, ${seconds.training.toFixed(0)} s of it training`,
    '',
    'What to do next:',
    ...result.nextCommands.map((command) => `  ${command}`),
  ].join('\n')}\n`;
}

/** Three commands that work as they stand, or with one name put in. */
export function nextCommands(model: string, adapter: string): string[] {
  return [
    `npx tunesmith generate --model_name_or_path ${model} --adapter_name_or_path ${adapter} --prompt '${QUESTION}'`,
    `npx tunesmith train --model_name_or_path ${model} --stage sft --do_train --dataset your_data.json --output_dir outputs`,
    'npm run quickstart -- --model HuggingFaceTB/SmolLM2-135M-Instruct',
  ];
}

function row(name: string, before: string, after: string): string {
  return `  ${name.padEnd(10)}${before.padEnd(24)}${after}`.trimEnd();
}

function percent({ value, interval }: MetricValue): string {
  const show = (x: number): string => (100 * x).toFixed(1);
  return interval ? `${show(value)} % [${show(interval.low)}–${show(interval.high)}]` : '–';
}

function sampleLines({ mail, truth, before, after }: Sample): string[] {
  const lines = mail.split('\n').filter((line) => line.trim() !== '');
  const more = lines.length > MAIL_LINES ? ['…'] : [];
  return [
    ...[...lines.slice(0, MAIL_LINES), ...more].map((line) => `  | ${cut(line)}`),
    `    base model:  ${cut(JSON.stringify(before))}`,
    `    fine-tuned:  ${cut(JSON.stringify(after))}   (truth: ${truth})`,
    '',
  ];
}

function cut(text: string): string {
  return text.length > LINE_LENGTH ? `${text.slice(0, LINE_LENGTH - 1)}…` : text;
}
