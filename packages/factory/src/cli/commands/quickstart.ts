// In: the words after `tunesmith quickstart`. Out: its exit status; the story itself is quickstart/quickstart.ts.
import type { CommandContext } from '../command.ts';

export async function quickstart({ words, json }: CommandContext): Promise<number> {
  const { runQuickstart } = await import('#factory/quickstart/quickstart.ts');
  const status: unknown = await runQuickstart(json ? [...words, '--json'] : words);
  return typeof status === 'number' ? status : 0;
}
