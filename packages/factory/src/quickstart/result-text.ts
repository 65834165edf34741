// In: the figures of a quickstart. Out: what a person reads at the end: the gain, an example, and what to do next.

import type { ClassificationReport, MetricValue } from '#factory/records/scorecard.ts';
import { requestOf } from './ask-served.ts';

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
  deployed: {
    path: string;
    type: string;
    bytes: number;
    parity: { topTokenAgreement: number; greedy: { equalTokens: number; tokens: number } };
    report: ClassificationReport;
  };
  served: { text: string; commands: string[] };
  seconds: { total: number; training: number };
  nextCommands: string[];
}

export const QUESTION =
  'Is this e-mail spam or ham? Answer with one word. Subject: Claim your free prize now';
const MAIL_LINES = 4;
const LINE_LENGTH = 88;

export function resultText(result: QuickstartFigures): string {
  const { before, after, samples, seconds, deployed, served } = result;
  const { greedy, topTokenAgreement } = deployed.parity;
  const support = after.perLabel.map((score) => `${score.support} ${score.label}`).join(', ');
  return `${[
    '',
    `${after.rows} held-out mails (${support}), none of them in training:`,
    '',
    row('', 'before', 'after', `as ${deployed.type}`),
    row('accuracy', percent(before.accuracy), percent(after.accuracy), percent(deployed.report.accuracy)),
    row('macro-F1', percent(before.macroF1), percent(after.macroF1), percent(deployed.report.macroF1)),
    '            in brackets: 95 % intervals (Wilson; bootstrap)',
    '',
    ...samples.flatMap(sampleLines),
    `adapter     ${result.adapter}`,
    `loss plot   ${result.lossPlot}`,
    `for servers ${deployed.path} (${(deployed.bytes / 1e6).toFixed(1)} MB), of which llama.cpp takes the likeliest token alike in ${(100 * topTokenAgreement).toFixed(1)} %,`,
    `            and ${greedy.equalTokens} of ${greedy.tokens} tokens where both go on by themselves`,
    `time        ${seconds.total.toFixed(0)} s in all, ${seconds.training.toFixed(0)} s of it training`,
    '',
    `Asked over HTTP whether "Claim your free prize now" is spam, it answered ${JSON.stringify(served.text)}. The same by hand:`,
    ...served.commands.map((command) => `  ${command}`),
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

/** They work as they stand, in two terminals. */
export function serveCommands(path: string, model: string): string[] {
  const body = JSON.stringify(requestOf(model, QUESTION));
  return [
    `npx tunesmith serve ${path}`,
    `curl http://localhost:8000/v1/chat/completions -H 'content-type: application/json' -d '${body}'`,
  ];
}

function row(name: string, ...cells: string[]): string {
  return `  ${name.padEnd(10)}${cells.map((cell) => cell.padEnd(24)).join('')}`.trimEnd();
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
