// In: a path below the development assets. Out: its absolute path, or null where the assets are absent.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = process.env.TUNESMITH_ASSETS ?? fileURLToPath(new URL('../../shared/assets', import.meta.url));

export function assetPath(relative: string): string | null {
  const path = join(root, relative);
  return existsSync(path) ? path : null;
}
