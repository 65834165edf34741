#!/usr/bin/env node
// In: the command line, on whatever Node is installed. Out: src/cli/main.ts run by Node 24 or newer.
// Plain JavaScript that old versions of Node can read; it runs the project's own Node when this one is too old.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { constants } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const NEEDED = 24;
const main = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url));
const words = process.argv.slice(2);

if (Number(process.versions.node.split('.')[0]) >= NEEDED) {
  const shell = await import(new URL('../src/cli/main.ts', import.meta.url).href);
  process.exitCode = await shell.main(words);
} else {
  const node = findNode(dirname(main)) ?? findNode(process.cwd());
  if (node === null) refuse();
  else runWith(node);
}

/** The binary that the devDependency `node` brings, in this folder or one above it. */
function findNode(from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const name = process.platform === 'win32' ? 'node.exe' : 'node';
    for (const path of [
      join(folder, 'node_modules', 'node', 'bin', name),
      join(folder, 'node_modules', '.bin', name),
    ]) {
      if (existsSync(path)) return path;
    }
    if (dirname(folder) === folder) return null;
  }
}

function runWith(node) {
  const child = spawn(node, [main, ...words], { stdio: 'inherit' });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      // On a terminal, Ctrl-C reaches the child by itself.
      if (signal !== 'SIGINT' || process.stdin.isTTY !== true) child.kill(signal);
    });
  }
  child.on('error', refuse);
  child.on('exit', (code, signal) => {
    process.exit(signal === null ? code : 128 + (constants.signals[signal] ?? 1));
  });
}

function refuse() {
  const message = `expected Node ${NEEDED} or newer, found ${process.versions.node}, and no Node ${NEEDED} in node_modules`;
  const remedy = `Run "npm ci", which brings Node ${NEEDED}, or install Node ${NEEDED}.`;
  const text = words.includes('--json')
    ? JSON.stringify({ error: { code: 'ENV_NODE_VERSION', message, remedy, details: {} } })
    : `error ENV_NODE_VERSION: ${message}\n  remedy: ${remedy}`;
  process.stderr.write(`${text}\n`);
  process.exitCode = 3;
}
