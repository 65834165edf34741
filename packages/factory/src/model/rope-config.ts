// In: the fields of a config.json. Out: the rope base and its scaling, whichever of the spellings the file uses.
// Spellings: `rope_scaling` with `type` or `rope_type` beside `rope_theta`; `rope_parameters` with all of them inside
// (transformers 5). It computes no frequencies: that is rope.ts.
import { FactoryError } from '#factory/errors.ts';
import type { Rope, RopeScaling } from '#factory/records/model-config.ts';
import type { ConfigFields } from './config-fields.ts';

const KNOWN = ['default', 'linear', 'dynamic', 'llama3', 'yarn', 'longrope'];
const MAX_POSITIONS = 2 ** 31 - 1;

export function readRope(fields: ConfigFields, maxPositions: number): Rope {
  // rope_scaling wins where a file has both, as in transformers.
  const rope = fields.object('rope_scaling') ?? fields.object('rope_parameters');
  const theta = fields.number('rope_theta', { min: Number.MIN_VALUE, fallback: 10_000 });
  if (rope?.has('full_attention') || rope?.has('sliding_attention')) {
    throw rope.bad('full_attention', 'one rope for all layers');
  }
  return readRopeFrom(rope, fields, maxPositions, theta);
}

/** The rope that the object `rope` describes; `theta` where it has none of its own. */
export function readRopeFrom(
  rope: ConfigFields | null,
  fields: ConfigFields,
  maxPositions: number,
  theta: number,
): Rope {
  if (!rope) return { theta, scaling: null };
  return {
    theta: rope.number('rope_theta', { min: Number.MIN_VALUE, fallback: theta }),
    scaling: readScaling(rope, fields, maxPositions),
  };
}

function readScaling(rope: ConfigFields, fields: ConfigFields, maxPositions: number): RopeScaling | null {
  const kind = rope.has('rope_type') ? rope.text('rope_type', '') : rope.text('type', 'default');
  const factor = () => rope.number('factor', { min: Number.MIN_VALUE, max: 1e9 });
  // Some files keep the length before scaling beside the scaling instead of in it; transformers prefers that place.
  const holder = fields.has('original_max_position_embeddings') ? fields : rope;
  const original = (fallback: number) =>
    holder.integer('original_max_position_embeddings', { max: MAX_POSITIONS, fallback });

  switch (kind) {
    case 'default':
      return null;
    case 'linear':
      return { kind, factor: factor() };
    case 'dynamic':
      // transformers measures the stretch against max_position_embeddings and nothing else.
      return { kind, factor: factor(), originalMaxPositions: maxPositions };
    case 'llama3': {
      const lowFreqFactor = rope.number('low_freq_factor', { min: Number.MIN_VALUE });
      const highFreqFactor = rope.number('high_freq_factor', { min: Number.MIN_VALUE });
      if (highFreqFactor <= lowFreqFactor)
        throw rope.bad('high_freq_factor', `a number above low_freq_factor (${lowFreqFactor})`);
      return {
        kind,
        factor: factor(),
        lowFreqFactor,
        highFreqFactor,
        originalMaxPositions: original(maxPositions),
      };
    }
    case 'yarn': {
      const originalMaxPositions = original(maxPositions);
      const optional = (key: string) => (rope.has(key) ? rope.number(key, { min: 0 }) : null);
      // transformers reads a zero beta as its default.
      const betaFast = optional('beta_fast') || 32;
      const betaSlow = optional('beta_slow') || 1;
      if (betaFast < betaSlow) throw rope.bad('beta_fast', `a number not below beta_slow (${betaSlow})`);
      return {
        kind,
        factor: rope.has('factor') ? factor() : maxPositions / originalMaxPositions,
        originalMaxPositions,
        betaFast,
        betaSlow,
        attentionFactor: optional('attention_factor'),
        mscale: optional('mscale'),
        mscaleAllDim: optional('mscale_all_dim'),
        truncate: rope.boolean('truncate', true),
      };
    }
    case 'longrope':
    case 'su': {
      const originalMaxPositions = original(maxPositions);
      const stretch = rope.has('factor') ? factor() : maxPositions / originalMaxPositions;
      const usual = stretch <= 1 ? 1 : Math.sqrt(1 + Math.log(stretch) / Math.log(originalMaxPositions));
      return {
        kind: 'longrope',
        shortFactor: factors(rope, 'short_factor'),
        longFactor: factors(rope, 'long_factor'),
        originalMaxPositions,
        attentionFactor: rope.number('attention_factor', { min: 0, fallback: usual }),
      };
    }
    default:
      throw new FactoryError({
        code: 'MODEL_BAD_CONFIG',
        message: `${fields.file}: rope type: expected one of ${KNOWN.join(', ')}, found ${JSON.stringify(kind)}`,
        remedy: 'Use a model whose rope scaling is one of these.',
        details: { file: fields.file, kind },
      });
  }
}

function factors(rope: ConfigFields, key: string): number[] {
  const list = rope.raw[key];
  const isFine = Array.isArray(list) && list.every((n) => typeof n === 'number' && n > 0 && n < 1e9);
  if (!isFine) throw rope.bad(key, 'a list of numbers above 0');
  return list as number[];
}
