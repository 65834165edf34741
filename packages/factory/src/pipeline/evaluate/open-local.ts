// In: the model arguments. Out: a local model that answers questions, and what identifies it.
import type { EvalArgs } from '#factory/records/eval-args.ts';
import type { EvaluationRecord } from '#factory/records/evaluation.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { templateOf } from '../choose-template.ts';
import { openBase } from '../open-base.ts';
import { openDecoder } from '../open-decoder.ts';
import { answerLocally } from './answer-locally.ts';
import type { Answerer } from './answerer.ts';
import { hashModel } from './describe-evaluation.ts';

export interface OpenedModel {
  answerer: Answerer;
  identity: EvaluationRecord['model'];
}

interface OpenDeps {
  predict: 'logprob' | 'generate' | 'reference';
  needsReferenceLogprobs: boolean;
  env: Readonly<Record<string, string | undefined>>;
  signal: AbortSignal;
  note(text: string): void;
}

export async function openLocal(args: TrainArgs, evalArgs: EvalArgs, deps: OpenDeps): Promise<OpenedModel> {
  const { env, note, signal } = deps;
  const base = await openBase(args, 'infer', { env, note, signal });
  const { decoder, allParameters } = await openDecoder(args, base, 'infer', note);
  if (!args.stream_base) await base.weights.close();
  const isText = evalArgs.doc_to_text !== null && !evalArgs.apply_chat_template;
  const path = args.model_name_or_path;
  const model = await hashModel(path.toLowerCase().endsWith('.gguf') ? path : base.dir);
  const adapters: (EvaluationRecord['model']['adapters'][number] & { bytes: number })[] = [];
  for (const folder of args.adapter_name_or_path)
    adapters.push({ path: folder, ...(await hashModel(folder)) });
  return {
    identity: {
      path,
      sha256: model.sha256,
      endpoint: null,
      adapters: adapters.map(({ path: folder, sha256 }) => ({ path: folder, sha256 })),
      parameters: allParameters,
      bytes: model.bytes + adapters.reduce((sum, { bytes }) => sum + bytes, 0),
    },
    answerer: answerLocally({
      args,
      evalArgs,
      predict: deps.predict,
      needsReferenceLogprobs: deps.needsReferenceLogprobs,
      decoder,
      tokenizer: base.tokenizer,
      template: isText ? null : templateOf(args, base),
      signal,
      async close() {
        await decoder.backend.dispose();
        await base.weights.close();
      },
    }),
  };
}
