// In: the actions of `tunesmith inferences`. Out: its help page.
import { INFERENCES_ACTIONS, type InferencesAction } from '#factory/arguments/inference-keys.ts';
import { asJson, line } from '../help-pages.ts';

export function inferencesPage(): string {
  const actions = Object.entries<InferencesAction>(INFERENCES_ACTIONS).flatMap(
    ([name, { meaning, usage, keys }]) => [
      `  tunesmith inferences ${name} ${usage}`,
      `    ${meaning}`,
      ...keys.map((key) => `  ${line(key)}`),
      '',
    ],
  );
  return [
    'tunesmith inferences: what was asked and answered',
    '',
    ...actions,
    'Texts are there where the server ran with --log full; personal data in them is replaced unless log_redact is false.',
    '',
  ].join('\n');
}

export function inferencesJson(): string {
  const actions = Object.entries<InferencesAction>(INFERENCES_ACTIONS).map(([name, { meaning, keys }]) => [
    name,
    { meaning, keys: keys.map(asJson) },
  ]);
  return `${JSON.stringify({ actions: Object.fromEntries(actions) })}\n`;
}
