// In: the arguments of a finished training. Out: the tuned model as a quantised GGUF file that still answers as well, compared with
// llama.cpp; where it loses too much, the file in float16.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { exportGguf } from '#factory/pipeline/export-gguf.ts';
import type { ServingParity } from '#factory/pipeline/serving-parity.ts';
import type { ClassificationReport } from '#factory/records/scorecard.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';

export interface DeployedModel {
  /** The GGUF file. */
  path: string;
  type: 'q8_0' | 'f16';
  bytes: number;
  parity: Pick<ServingParity, 'topTokenAgreement' | 'meanKl' | 'greedy'>;
  report: ClassificationReport;
}

/** Accuracy that quantisation may cost. */
const MOST_LOST = 0.02;

/** `args` open the tuned model; `score` those of a file. */
export async function deployTuned(
  args: TrainArgs,
  dir: string,
  tuned: ClassificationReport,
  score: (args: TrainArgs) => Promise<ClassificationReport>,
  deps: { env: Readonly<Record<string, string | undefined>>; signal: AbortSignal },
): Promise<DeployedModel> {
  await rm(dir, { recursive: true, force: true });
  const attempt = async (fileType: 'Q8_0' | 'F16') => {
    const options = { preTokenizer: null, verify: true, force: false, ollama: false };
    const { files, bytes, parity } = await exportGguf(
      args,
      { exportDir: dir, fileType, ...options, quantization: null },
      { ...deps, note: () => {} },
    );
    const path = join(dir, files[0]);
    const report = await score({ ...args, model_name_or_path: path, adapter_name_or_path: [] });
    const { topTokenAgreement, meanKl, greedy } = parity as ServingParity;
    const type = fileType.toLowerCase() as DeployedModel['type'];
    return { path, type, bytes, parity: { topTokenAgreement, meanKl, greedy }, report };
  };
  const small = await attempt('Q8_0');
  if (accuracy(tuned) - accuracy(small.report) <= MOST_LOST) return small;
  await rm(dir, { recursive: true, force: true });
  return await attempt('F16');
}

/** Without rows there is none, and nothing to lose. */
const accuracy = (report: ClassificationReport) => report.accuracy.value ?? 0;
