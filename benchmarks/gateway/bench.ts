// In: a rate. Out: how much later answers come through the gateway than from the provider itself, logs on, open loop: requests leave
// by the clock, whether or not earlier ones are answered. Provider, gateway and this client are three processes on one machine.
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machineFacts } from '../machine.ts';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export async function bench(words: string[]): Promise<Record<string, unknown>> {
  const { values } = parseArgs({
    args: words,
    options: {
      rate: { type: 'string', default: '100' },
      seconds: { type: 'string', default: '10' },
      turns: { type: 'string', default: '4' },
      delay: { type: 'string', default: '50' },
    },
  });
  const rate = Number(values.rate);
  const seconds = Number(values.seconds);
  const turns = Number(values.turns);
  const dir = mkdtempSync(join(tmpdir(), 'tunesmith-gateway-'));
  const provider = await start([here('./provider.ts'), values.delay], process.cwd());
  const log = join(dir, 'access.log');
  const gateway = await start(
    [
      here('../../packages/factory/src/cli/main.ts'),
      'serve',
      '--json',
      '--port=0',
      `--upstream=http://127.0.0.1:${provider.line}/v1`,
      '--upstream_model=m',
      `--access_log=${log}`,
      '--log=full',
    ],
    dir,
  );
  try {
    const { url } = JSON.parse(gateway.line) as { url: string };
    const targets = { direct: Number(provider.line), gateway: Number(new URL(url).port) };
    const times = { direct: [] as number[], gateway: [] as number[] };
    let failed = 0;
    let cpuSeconds = 0;
    // By turns, so that both meet the same load; the first of each is a warm-up.
    for (let turn = 0; turn <= turns; turn++) {
      for (const side of ['direct', 'gateway'] as const) {
        const before = cpuSecondsOf(gateway.child);
        const found = await openLoop(targets[side], rate, turn === 0 ? 3 : seconds);
        if (turn > 0 && side === 'gateway') cpuSeconds += cpuSecondsOf(gateway.child) - before;
        failed += found.failed;
        if (turn > 0) times[side].push(...found.ms);
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const own = readFileSync(log, 'utf8')
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { overhead_ms: number }).overhead_ms)
      .slice(-times.gateway.length);
    const byClient = Object.fromEntries(
      QUANTILES.map((q) => [`p${100 * q}`, round(quantile(times.gateway, q) - quantile(times.direct, q))]),
    );
    return {
      benchmark: 'gateway',
      requests_per_second: rate,
      requests_a_side: times.gateway.length,
      failed,
      provider_delay_ms: Number(values.delay),
      logging: 'access log to a file, inferences with texts',
      overhead_ms_by_client: byClient,
      overhead_ms_by_gateway: Object.fromEntries(
        QUANTILES.map((q) => [`p${100 * q}`, round(quantile(own, q))]),
      ),
      gateway_cpu_ms_per_request: round((1000 * cpuSeconds) / times.gateway.length),
      direct_ms: Object.fromEntries(QUANTILES.map((q) => [`p${100 * q}`, round(quantile(times.direct, q))])),
      ratio: round(quantile(times.gateway, 0.5) / quantile(times.direct, 0.5)),
      ...machineFacts(),
    };
  } finally {
    for (const child of [gateway.child, provider.child]) {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.once('close', resolve));
    }
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Of all threads, in steps of 10 ms; what is left of a measurement where the machine is shared. NaN where the system has no /proc. */
function cpuSecondsOf({ pid }: ChildProcess): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return (Number(fields[11]) + Number(fields[12])) / 100;
  } catch {
    return Number.NaN;
  }
}

const QUANTILES = [0.5, 0.9, 0.95, 0.99] as const;

async function start(words: string[], cwd: string): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, words, { cwd, stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const bytes of child.stdout) {
    text += bytes;
    if (text.includes('\n')) break;
  }
  return { child, line: text.split('\n')[0] };
}

/** Half of the requests stream. A request's time runs from when it leaves. */
async function openLoop(
  port: number,
  rate: number,
  seconds: number,
): Promise<{ ms: number[]; failed: number }> {
  const agent = new Agent({ keepAlive: true });
  const count = Math.round(rate * seconds);
  const begun = performance.now();
  const all: Promise<number | null>[] = [];
  for (let at = 0; at < count; at++) {
    const due = begun + (1000 * at) / rate;
    const wait = due - performance.now();
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    all.push(ask(port, agent, at % 2 === 0));
  }
  const found = await Promise.all(all);
  agent.destroy();
  return { ms: found.filter((one) => one !== null), failed: found.filter((one) => one === null).length };
}

function ask(port: number, agent: Agent, stream: boolean): Promise<number | null> {
  const body = JSON.stringify({
    model: 'm',
    messages: [{ role: 'user', content: 'What is the capital of France? '.repeat(8) }],
    ...(stream ? { stream: true } : {}),
  });
  const from = performance.now();
  return new Promise((resolve) => {
    const asked = request(
      {
        port,
        host: '127.0.0.1',
        path: '/v1/chat/completions',
        method: 'POST',
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
      },
      (response) => {
        response.resume();
        response.on('end', () => resolve(response.statusCode === 200 ? performance.now() - from : null));
        response.on('error', () => resolve(null));
      },
    );
    asked.on('error', () => resolve(null));
    asked.end(body);
  });
}

function quantile(values: readonly number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}

const round = (value: number) => Number(value.toFixed(3));
