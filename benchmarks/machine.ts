// In: nothing. Out: what a result must say about where it was measured.
import { execFileSync } from 'node:child_process';
import os from 'node:os';
import { runtimeVersion } from '@tunesmith/engine';

export function machineFacts(): Record<string, unknown> {
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim();
  return {
    date: new Date().toISOString().slice(0, 10),
    commit,
    cpu: os.cpus()[0]?.model.trim(),
    cores: os.availableParallelism(),
    load: Number(os.loadavg()[0].toFixed(2)),
    node: process.versions.node,
    onnxruntime: runtimeVersion(),
  };
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
