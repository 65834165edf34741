// In: nothing. Out: the version of this package on stdout.
import { readFileSync } from 'node:fs';
import type { CommandContext } from '../command.ts';

export async function version({ terminal, json }: CommandContext): Promise<number> {
  terminal.out(
    json ? `${JSON.stringify({ version: packageVersion() })}\n` : `tunesmith ${packageVersion()}\n`,
  );
  return 0;
}

export function packageVersion(): string {
  const text = readFileSync(new URL('../../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
