// A process with a model ends with the process that started it, however that went.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { writeTinyGguf } from './fixtures/tiny-gguf.ts';

test('no process is left behind when its parent is killed', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tunesmith-orphan-'));
  const engine = fileURLToPath(new URL('../llama-engine.ts', import.meta.url));
  const settings = fileURLToPath(new URL('../llama-settings.ts', import.meta.url));
  const parentFile = join(folder, 'parent.ts');
  const modelPath = writeTinyGguf(join(folder, 'tiny.gguf'));
  writeFileSync(
    parentFile,
    `import { openLlamaEngine } from ${JSON.stringify(engine)};
     import { llamaSettings } from ${JSON.stringify(settings)};
     const wish = { modelPath: ${JSON.stringify(modelPath)} };
     const { pid } = await openLlamaEngine(llamaSettings(wish, { processors: 1, memory: 2 ** 30 }));
     process.stdout.write(String(pid));`,
  );
  const parent = spawn(process.execPath, [parentFile], { stdio: ['ignore', 'pipe', 'inherit'] });
  const pid = Number(
    await new Promise<string>((resolve) => parent.stdout.once('data', (text) => resolve(String(text)))),
  );
  expect(isAlive(pid)).toBe(true);
  parent.kill('SIGKILL');
  for (let i = 0; i < 600 && isAlive(pid); i++) await pause(100);
  expect(isAlive(pid)).toBe(false);
  rmSync(folder, { recursive: true });
}, 240_000);

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
