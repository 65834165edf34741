import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const MODULE = new URL('./interrupt.ts', import.meta.url).href;

/** Starts a process that prints when it is told to stop, and then goes on for a while. */
function start(before = '') {
  const program = `import { stopOnSignals } from ${JSON.stringify(MODULE)};
    const stop = stopOnSignals(() => console.log('first'));
    ${before}
    console.log('ready');
    setTimeout(() => process.exit(stop.signal.aborted ? 7 : 8), 5000);`;
  const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
    cwd: fileURLToPath(new URL('.', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const words: string[] = [];
  const waiting: { word: string; go: () => void }[] = [];
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    words.push(...text.trim().split('\n'));
    for (const one of waiting) if (words.includes(one.word)) one.go();
  });
  return {
    child,
    saw: (word: string) =>
      words.includes(word) ? Promise.resolve() : new Promise<void>((go) => void waiting.push({ word, go })),
    said: (word: string) => words.includes(word),
    status: new Promise<number | null>((resolve) => child.on('exit', resolve)),
  };
}

describe('stopOnSignals', () => {
  it('aborts on the first signal and ends with 130 on a later second', async () => {
    const { child, saw, status } = start();
    await saw('ready');
    child.kill('SIGINT');
    await saw('first');
    child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 600));
    expect(child.exitCode).toBeNull();
    child.kill('SIGTERM');
    expect(await status).toBe(130);
  });

  it('lets work that is done end with its own status, and still ends on a second signal', async () => {
    const late = start('stop.dispose(); setTimeout(() => process.exit(0), 800);');
    await late.saw('ready');
    late.child.kill('SIGINT');
    expect(await late.status).toBe(0);
    expect(late.said('first')).toBe(false);
    const stuck = start('stop.dispose();');
    await stuck.saw('ready');
    stuck.child.kill('SIGINT');
    await new Promise((resolve) => setTimeout(resolve, 600));
    stuck.child.kill('SIGINT');
    expect(await stuck.status).toBe(130);
  });
});
