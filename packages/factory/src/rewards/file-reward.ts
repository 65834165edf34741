// In: `reward.ts` or `reward.ts:exportName`, and a way to import it. Out: the function as a reward. What it throws, or returns
// instead of a number, costs the answer in question and nothing else. The import is a port.
import { basename } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { RewardFailure, RewardFunction, RewardInput, RewardSource } from './reward.ts';

const SPEC = /^(.*\.[cm]?[jt]s):([\w$]+)$/;

export interface FileRewardOptions {
  weight: number;
  /** For one call; a function that never awaits cannot be interrupted. */
  timeoutSeconds: number;
  importModule(path: string): Promise<unknown>;
}

export async function fileReward(spec: string, options: FileRewardOptions): Promise<RewardSource> {
  const match = SPEC.exec(spec);
  const [path, wanted] = match ? [match[1], match[2]] : [spec, null];
  const { name, run } = await loadReward(path, wanted, options.importModule);
  return {
    name,
    weight: options.weight,
    score: async (requests) => {
      const scores: (number | RewardFailure)[] = [];
      for (const { input } of requests) scores.push(await callReward(run, input, options.timeoutSeconds));
      return scores;
    },
  };
}

async function loadReward(
  path: string,
  wanted: string | null,
  importModule: FileRewardOptions['importModule'],
): Promise<{ name: string; run: RewardFunction }> {
  const bad = (problem: string, cause?: unknown) =>
    new FactoryError({
      code: 'REWARDS_BAD_FILE',
      message: `reward function ${path}: ${problem}`,
      remedy:
        'Export a function of { prompt, completion, row } that returns a number, and name it as file.ts:exportName.',
      details: { path },
      cause,
    });
  let module: Record<string, unknown>;
  try {
    module = { ...((await importModule(path)) as Record<string, unknown>) };
  } catch (cause) {
    throw bad(`the file cannot be imported: ${(cause as Error)?.message ?? String(cause)}`, cause);
  }
  const names = Object.keys(module).filter((name) => typeof module[name] === 'function');
  const found = names.length > 0 ? `there are ${names.join(', ')}` : 'it exports none';
  const name = wanted ?? (names.includes('default') ? 'default' : names.length === 1 ? names[0] : null);
  if (name === null) throw bad(`expected one exported function; ${found}`);
  if (!names.includes(name)) throw bad(`expected an exported function ${name}; ${found}`);
  return {
    name: name === 'default' ? basename(path).replace(/\.[cm]?[jt]s$/, '') : name,
    run: module[name] as RewardFunction,
  };
}

async function callReward(
  run: RewardFunction,
  input: RewardInput,
  timeoutSeconds: number,
): Promise<number | RewardFailure> {
  let timer: NodeJS.Timeout | undefined;
  try {
    const result: unknown = run(Object.freeze({ ...input, row: Object.freeze({ ...input.row }) }));
    const value =
      result instanceof Promise
        ? await Promise.race([
            result,
            new Promise<RewardFailure>((resolve) => {
              timer = setTimeout(
                () => resolve({ why: `no result in ${timeoutSeconds} s` }),
                timeoutSeconds * 1000,
              );
            }),
          ])
        : result;
    if (isFailure(value)) return value;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    return { why: `expected a finite number, got ${JSON.stringify(value)?.slice(0, 80) ?? String(value)}` };
  } catch (error) {
    return { why: error instanceof Error ? `${error.name}: ${error.message}` : `threw ${String(error)}` };
  } finally {
    clearTimeout(timer);
  }
}

function isFailure(value: unknown): value is RewardFailure {
  return typeof value === 'object' && value !== null && 'why' in value && typeof value.why === 'string';
}
