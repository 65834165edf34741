// In: the name of a backend. Out: whether it opens on this machine, or why not. It is tried in a process of its own, because
// a broken driver may crash, hang or write to the terminal.
import { execFile } from 'node:child_process';

export type Probe =
  | { isHere: true; hasHalfFloats: boolean }
  | { isHere: false; reason: string; remedy: string };

const PROGRAM = `
const [engine, name] = process.argv.slice(1);
const tell = (facts) => process.stdout.write('\\n' + JSON.stringify(facts) + '\\n');
try {
  const { openBackend } = await import(engine);
  const backend = await openBackend(name);
  const { hasHalfFloats } = backend;
  await backend.dispose();
  tell({ isHere: true, hasHalfFloats });
} catch ({ message, remedy }) {
  tell({ isHere: false, reason: message, remedy: remedy ?? '' });
}`;

const LIMIT_MS = 30_000;

export function probeBackend(
  name: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Probe> {
  const words = ['--input-type=module', '-e', PROGRAM, import.meta.resolve('@tunesmith/engine'), name];
  const failed = (how: string): Probe => ({
    isHere: false,
    reason: `backend ${name}: the driver ${how} when it was tried`,
    remedy: 'Update or remove the driver, or set backend to cpu.',
  });
  return new Promise((done) => {
    execFile(process.execPath, words, { env, timeout: LIMIT_MS }, (error, out) => {
      const line = out.trim().split('\n').at(-1) ?? '';
      if (line.startsWith('{')) done(JSON.parse(line) as Probe);
      else if (error?.killed) done(failed(`did not answer in ${LIMIT_MS / 1000} seconds`));
      else done(failed(`crashed (${error?.signal ?? `status ${error?.code}`})`));
    });
  });
}
