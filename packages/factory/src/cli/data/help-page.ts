// In: the actions, steps and reasons of data cleaning. Out: the page of `tunesmith help data`, as text or JSON.
import { CLEAN_STEPS } from '#factory/data/clean-steps.ts';
import { DATA_ACTIONS, type DataAction } from './actions.ts';

export function dataPage(): string {
  const actions = Object.entries<DataAction>(DATA_ACTIONS).flatMap(([name, { meaning, usage, keys }]) => [
    `  tunesmith data ${name} ${usage}`,
    `      ${meaning}`,
    ...keys.map(
      (key) => `      --${key.name.padEnd(14)} ${JSON.stringify(key.default) ?? ''}  ${key.meaning}`,
    ),
    '',
  ]);
  const steps = CLEAN_STEPS.flatMap(({ name, title, options, reasons }) => [
    `  ${name}: ${title.en}`,
    ...Object.entries(options).map(
      ([option, spec]) => `      ${option.padEnd(20)} ${JSON.stringify(spec.default)}  ${spec.text.en}`,
    ),
    ...Object.entries(reasons).map(
      ([reason, { verdict, text }]) => `      ${verdict.padEnd(5)} ${reason.padEnd(20)} ${text.en}`,
    ),
  ]);
  return [
    'tunesmith data: clean rows, and explain every one',
    '',
    ...actions,
    'Steps that a recipe may name, with options and reasons:',
    ...steps,
    '',
  ].join('\n');
}

export function dataJson(): string {
  const steps = CLEAN_STEPS.map(({ name, version, title, options, scores, reasons }) => ({
    ...{ name, version, title, options, scores, reasons },
  }));
  return `${JSON.stringify({ actions: DATA_ACTIONS, steps })}\n`;
}
