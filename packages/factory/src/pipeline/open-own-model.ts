// In: model, adapter and template arguments. Out: a model that can be asked, on the engine that trains: for Hugging Face
// folders with their adapters as they are. GGUF files are opened by open-served-model.ts.
import { createHash, randomUUID } from 'node:crypto';
import type { ServedModel } from '#factory/records/served-model.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { embeddedModel } from '#factory/serve/embedded-model.ts';
import { servedTemplate } from '#factory/tokens/answer/served-template.ts';
import { streamDecoder } from '#factory/tokens/stream-decoder.ts';
import { tokenBytes } from '#factory/tokens/token-bytes.ts';
import { templateOf } from './choose-template.ts';
import type { BaseDeps } from './open-base.ts';
import { openBase } from './open-base.ts';
import { openDecoder } from './open-decoder.ts';
import { ownTokenEngine } from './own-token-engine.ts';

export async function openOwnModel(id: string, args: TrainArgs, deps: BaseDeps): Promise<ServedModel> {
  const base = await openBase(args, 'infer', deps);
  try {
    const { tokenizer } = base;
    const template = servedTemplate(templateOf(args, base), tokenizer);
    const { decoder } = await openDecoder(args, base, 'infer', deps.note);
    if (!decoder.readsBase) await base.weights.close();
    const made = [args.model_name_or_path, ...args.adapter_name_or_path, template.fingerprint];
    return embeddedModel({
      id,
      engine: ownTokenEngine(decoder),
      adapter: null,
      tokenizer,
      template,
      skipSpecialTokens: args.skip_special_tokens,
      decoder: (options) => streamDecoder(tokenizer, options),
      bytesOf: tokenBytes(tokenizer),
      can: { embeddings: false, logprobs: false, jsonSchema: false },
      fingerprint: `fp_${createHash('sha256').update(made.join('\n')).digest('hex').slice(0, 12)}`,
      callId,
      async release() {
        await decoder.backend.dispose();
        await base.weights.close();
      },
    });
  } catch (error) {
    await base.weights.close();
    throw error;
  }
}

export const callId = (): string => `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`;
