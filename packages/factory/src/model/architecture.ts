// In: the fields of a config.json. Out: the architecture that reads them. A new architecture is a file and a line here.
import { FactoryError } from '#factory/errors.ts';
import type { Architecture } from '#factory/records/model-config.ts';
import type { ArchitectureSpec } from './architectures/decoder-config.ts';
import { gemma2 } from './architectures/gemma2.ts';
import { gemma3 } from './architectures/gemma3.ts';
import { glm, glm4 } from './architectures/glm.ts';
import { llama } from './architectures/llama.ts';
import { mistral } from './architectures/mistral.ts';
import { mixtral } from './architectures/mixtral.ts';
import { phi3 } from './architectures/phi3.ts';
import { qwen2 } from './architectures/qwen2.ts';
import { qwen3 } from './architectures/qwen3.ts';
import { qwen3Moe } from './architectures/qwen3-moe.ts';
import type { ConfigFields } from './config-fields.ts';

const ARCHITECTURES: Record<Architecture, ArchitectureSpec> = {
  llama,
  mistral,
  mixtral,
  qwen2,
  qwen3,
  qwen3_moe: qwen3Moe,
  gemma2,
  gemma3,
  phi3,
  glm,
  glm4,
};

/** By `model_type`; by the class in `architectures` where that is missing. */
export function findArchitecture(fields: ConfigFields): ArchitectureSpec {
  const specs = Object.values(ARCHITECTURES);
  const classNames = Array.isArray(fields.raw.architectures) ? fields.raw.architectures : [];
  const modelType = fields.text('model_type', '');
  const spec = modelType
    ? specs.find((known) => known.modelTypes.includes(modelType))
    : specs.find((known) => classNames.includes(known.className));
  if (spec) return spec;
  const known = specs.flatMap((each) => each.modelTypes).join(', ');
  const found = modelType ? `model_type ${JSON.stringify(modelType).slice(0, 80)}` : 'no model_type';
  throw new FactoryError({
    code: 'MODEL_UNKNOWN_ARCHITECTURE',
    message: `${fields.file}: expected an architecture that is known here (${known}), found ${found}`,
    remedy: `Set model_name_or_path to a model of one of these architectures: ${known}.`,
    details: { file: fields.file, modelType, known },
  });
}
