// In: the name of a GPU, or the facts of this machine. Out: a budget in bytes.
import { FactoryError } from '#factory/errors.ts';

/** Memory of graphics cards in GB, as their makers state it. */
// biome-ignore format: one line per family
const GPU_GB: Readonly<Record<string, number>> = {
  'RTX 3060': 12, 'RTX 3070': 8, 'RTX 3080': 10, 'RTX 3090': 24,
  'RTX 4060': 8, 'RTX 4060 Ti 16GB': 16, 'RTX 4070': 12, 'RTX 4070 Ti Super': 16, 'RTX 4080': 16, 'RTX 4090': 24,
  'RTX 5070': 12, 'RTX 5070 Ti': 16, 'RTX 5080': 16, 'RTX 5090': 32,
  'RTX A4000': 16, 'RTX A5000': 24, 'RTX A6000': 48, 'RTX 6000 Ada': 48,
  T4: 16, P100: 16, V100: 16, 'V100 32GB': 32, A10: 24, A10G: 24, L4: 24, A30: 24, A40: 48, L40: 48, L40S: 48,
  A100: 40, 'A100 80GB': 80, H100: 80, H200: 141, B200: 192,
};

export function gpuBytes(name: string): number {
  const plain = (text: string) => text.toLowerCase().replace(/nvidia|geforce|tesla|[\s_-]/g, '');
  const found = Object.entries(GPU_GB).find(([known]) => plain(known) === plain(name));
  if (found) return found[1] * 1e9;
  throw new FactoryError({
    code: 'ARGS_BAD_VALUE',
    message: `gpu: expected one of ${Object.keys(GPU_GB).join(', ')}, found ${JSON.stringify(name)}`,
    remedy: 'Write the name as in the list, or give its memory with --memory 24GB.',
  });
}

export interface MachineMemory {
  /** What the machine, or the container's limit, allows. */
  totalBytes: number;
  /** What can still be taken, with what this process holds already. */
  availableBytes: number;
}

/** The machine as Node reports it; a container's limit counts where it is lower. */
export function machineMemory(facts: {
  total: number;
  /** 0 without a limit; a huge number where the kernel says so. */
  constrained: number;
  available: number;
  rss: number;
}): MachineMemory {
  const { total, constrained, available, rss } = facts;
  const limit = constrained > 0 && constrained < total ? constrained : total;
  return { totalBytes: limit, availableBytes: Math.min(limit, available + rss) };
}
