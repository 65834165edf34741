// In: a ModelConfig and positions. Out: rotary frequencies and cos/sin tables.
// Follows transformers 5 step by step in float32 (f() below is one rounding), because one unit in the last place of a
// frequency becomes 1e-5 in an angle at position 2,000. PyTorch's own pow is off by one unit in about 1 % of cases;
// here it is correctly rounded. Rotating q and k is the engine's work.
import { FactoryError, invariant } from '#factory/errors.ts';
import type { ModelConfig, RopeScaling } from '#factory/records/model-config.ts';

export interface RopeFrequencies {
  /** [rotaryDim / 2]; every value is a float32. */
  inverseFrequencies: Float64Array;
  /** Multiplies cos and sin. */
  attentionScale: number;
}

export interface RopeTables {
  /** [positions, rotaryDim / 2] */
  cos: Float32Array;
  sin: Float32Array;
}

const f = Math.fround;
export type RopeConfig = Pick<ModelConfig, 'ropeTheta' | 'ropeScaling' | 'rotaryDim'>;

/** `sequenceLength` (largest position + 1) matters to dynamic and longrope scaling only. */
export function ropeFrequencies(
  config: RopeConfig,
  { sequenceLength }: { sequenceLength: number },
): RopeFrequencies {
  const { ropeTheta: theta, rotaryDim: dim, ropeScaling: scaling } = config;
  switch (scaling?.kind) {
    case undefined:
      return { inverseFrequencies: plain(theta, dim), attentionScale: 1 };
    case 'linear':
      return {
        inverseFrequencies: plain(theta, dim).map((v) => f(v / f(scaling.factor))),
        attentionScale: 1,
      };
    case 'dynamic':
      return {
        inverseFrequencies: plain(dynamicBase(theta, dim, scaling, sequenceLength), dim),
        attentionScale: 1,
      };
    case 'llama3':
      return { inverseFrequencies: plain(theta, dim).map((v) => llama3(v, scaling)), attentionScale: 1 };
    case 'yarn':
      return yarn(theta, dim, scaling);
    case 'longrope': {
      const isLong = sequenceLength > scaling.originalMaxPositions;
      const factors = isLong ? scaling.longFactor : scaling.shortFactor;
      return {
        inverseFrequencies: powers(theta, dim).map((power, i) => f(1 / f(f(factors[i]) * power))),
        attentionScale: scaling.attentionFactor,
      };
    }
  }
}

/** Tables for `positions`, or for 0 … positions - 1. The sequence length is the largest position + 1 unless given. */
export function ropeTables(
  config: RopeConfig,
  positions: Int32Array | number,
  options: { sequenceLength?: number } = {},
): RopeTables {
  const list =
    typeof positions === 'number' ? Int32Array.from({ length: positions }, (_, i) => i) : positions;
  const sequenceLength = options.sequenceLength ?? list.reduce((largest, p) => Math.max(largest, p), -1) + 1;
  const { inverseFrequencies, attentionScale } = ropeFrequencies(config, { sequenceLength });
  const half = inverseFrequencies.length;
  const scale = f(attentionScale);
  const cos = new Float32Array(list.length * half);
  const sin = new Float32Array(list.length * half);
  for (let i = 0, at = 0; i < list.length; i++) {
    const position = f(list[i]);
    for (let j = 0; j < half; j++, at++) {
      const angle = f(position * inverseFrequencies[j]);
      cos[at] = f(Math.cos(angle)) * scale;
      sin[at] = f(Math.sin(angle)) * scale;
    }
  }
  return { cos, sin };
}

/** The rope of each layer; layers that share one get the same object. */
export function layerRopes(config: ModelConfig): RopeConfig[] {
  const { windowRope, rotaryDim } = config;
  const windowed = windowRope && {
    ropeTheta: windowRope.theta,
    ropeScaling: windowRope.scaling,
    rotaryDim,
  };
  return Array.from({ length: config.layers }, (_, i) =>
    windowed && config.slidingWindow[i] !== null ? windowed : config,
  );
}

/** base^(2i / dim) for i = 0 … dim / 2 - 1 */
function powers(base: number, dim: number): Float64Array {
  const b = f(base);
  return Float64Array.from({ length: dim / 2 }, (_, i) => f(b ** f((2 * i) / dim)));
}

function plain(base: number, dim: number): Float64Array {
  return powers(base, dim).map((power) => f(1 / power));
}

/** NTK-aware base for sequences longer than the model was made for; the base itself below that. */
function dynamicBase(
  theta: number,
  dim: number,
  { factor, originalMaxPositions: original }: Extract<RopeScaling, { kind: 'dynamic' }>,
  sequenceLength: number,
): number {
  if (sequenceLength <= original) return theta;
  // transformers holds the length in a tensor here, so each step is rounded to float32.
  const stretch = f(f(f(factor * sequenceLength) / original) - (factor - 1));
  return f(theta * f(stretch ** f(dim / (dim - 2))));
}

/** Llama 3.1: high frequencies as they are, low ones divided by the factor, a smooth ramp between. */
function llama3(frequency: number, scaling: Extract<RopeScaling, { kind: 'llama3' }>): number {
  const { factor, lowFreqFactor: low, highFreqFactor: high, originalMaxPositions: original } = scaling;
  // PyTorch divides a number by a tensor as reciprocal times number.
  const wavelength = f(f(1 / frequency) * f(2 * Math.PI));
  if (wavelength > f(original / low)) return f(frequency / f(factor));
  if (wavelength < f(original / high)) return frequency;
  const smooth = f(f(f(f(1 / wavelength) * original) - low) / f(high - low));
  return f(f(f(f(1 - smooth) * frequency) / f(factor)) + f(smooth * frequency));
}

/** YaRN (arXiv 2309.00071): interpolates dimensions that turn seldom, leaves alone those that turn often. */
function yarn(theta: number, dim: number, scaling: Extract<RopeScaling, { kind: 'yarn' }>): RopeFrequencies {
  const { factor, originalMaxPositions, betaFast, betaSlow, truncate } = scaling;
  // The dimension that makes `rotations` turns within the original length.
  const dimensionOf = (rotations: number) =>
    (dim * Math.log(originalMaxPositions / (rotations * 2 * Math.PI))) / (2 * Math.log(theta));
  const low = Math.max(truncate ? Math.floor(dimensionOf(betaFast)) : dimensionOf(betaFast), 0);
  let high = Math.min(truncate ? Math.ceil(dimensionOf(betaSlow)) : dimensionOf(betaSlow), dim - 1);
  if (low === high) high += 0.001;
  const inverseFrequencies = powers(theta, dim).map((power, i) => {
    const ramp = Math.min(1, Math.max(0, f(f(i - f(low)) / f(high - low))));
    const kept = f(1 - ramp);
    const interpolated = f(1 / f(f(factor) * power));
    return f(f(interpolated * f(1 - kept)) + f(f(1 / power) * kept));
  });
  return { inverseFrequencies, attentionScale: yarnAttentionScale(scaling) };
}

function yarnAttentionScale({
  factor,
  attentionFactor,
  mscale,
  mscaleAllDim,
}: Extract<RopeScaling, { kind: 'yarn' }>): number {
  const scaleOf = (weight: number) => (factor <= 1 ? 1 : 0.1 * weight * Math.log(factor) + 1);
  if (attentionFactor !== null) return attentionFactor;
  return mscale && mscaleAllDim ? scaleOf(mscale) / scaleOf(mscaleAllDim) : scaleOf(1);
}

type AppliedKind = Exclude<RopeScaling['kind'], 'longrope'>;

/**
 * The `rope_scaling` argument, as LLaMA-Factory applies it: in training (`cutoffLen` given) the factor is
 * ceil(cutoff_len / original length) and nothing happens where the model is long enough; in inference (null) it is 2.
 * `note` says what was done. Unlike LLaMA-Factory, dynamic scaling keeps max_position_embeddings in the saved config,
 * because transformers measures the stretch against it: a raised value would switch the scaling off.
 */
export function applyRopeScaling(
  config: ModelConfig,
  kind: AppliedKind,
  cutoffLen: number | null,
): { config: ModelConfig; note: string } {
  invariant(cutoffLen === null || cutoffLen > 0, `cutoff_len must be positive, got ${cutoffLen}`);
  const current = config.ropeScaling;
  if (current?.kind === 'longrope')
    throw new FactoryError({
      code: 'ARGS_BAD_VALUE',
      message: `rope_scaling ${kind}: this model has longrope to ${config.maxPositions} positions, which cannot be scaled again`,
      remedy: 'Take rope_scaling out of the configuration.',
    });
  const original =
    current && 'originalMaxPositions' in current ? current.originalMaxPositions : config.maxPositions;
  if (cutoffLen !== null && cutoffLen <= original) {
    return {
      config,
      note: `rope_scaling ${kind} is not needed: cutoff_len ${cutoffLen} is within the model's ${original} positions`,
    };
  }
  const factor = cutoffLen === null ? 2 : Math.ceil(cutoffLen / original);
  const ropeScaling = scalingOf(kind, factor, original);
  const maxPositions = original * factor;
  const raw = rawWithScaling(config, ropeScaling, kind === 'dynamic' ? original : maxPositions);
  const caution = kind === 'dynamic' ? '; dynamic scaling may not work well with fine-tuning' : '';
  return {
    config: { ...config, ropeScaling, maxPositions, raw },
    note: `rope_scaling ${kind} with factor ${factor} stretches ${original} positions to ${maxPositions}${caution}`,
  };
}

function scalingOf(
  kind: AppliedKind,
  factor: number,
  originalMaxPositions: number,
): Exclude<RopeScaling, { kind: 'longrope' }> {
  switch (kind) {
    case 'linear':
      return { kind, factor };
    case 'dynamic':
      return { kind, factor, originalMaxPositions };
    case 'llama3':
      return { kind, factor, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions };
    case 'yarn':
      return {
        kind,
        factor,
        originalMaxPositions,
        betaFast: 32,
        betaSlow: 1,
        attentionFactor: null,
        mscale: null,
        mscaleAllDim: null,
        truncate: true,
      };
  }
}

/** config.json with the scaling in the spelling that it already uses. */
function rawWithScaling(
  config: ModelConfig,
  scaling: Exclude<RopeScaling, { kind: 'longrope' }>,
  maxPositions: number,
): Record<string, unknown> {
  const rope: Record<string, unknown> = { rope_type: scaling.kind, factor: scaling.factor };
  if ('originalMaxPositions' in scaling) rope.original_max_position_embeddings = scaling.originalMaxPositions;
  if (scaling.kind === 'llama3') {
    rope.low_freq_factor = scaling.lowFreqFactor;
    rope.high_freq_factor = scaling.highFreqFactor;
  }
  const { rope_scaling: _replaced, original_max_position_embeddings: _moved, ...raw } = config.raw;
  const scaled = { ...raw, max_position_embeddings: maxPositions };
  const before = raw.rope_parameters as Record<string, unknown> | undefined;
  if (!before) return { ...scaled, rope_scaling: rope };
  const inside: Record<string, unknown> = { ...rope, rope_theta: config.ropeTheta };
  if ('partial_rotary_factor' in before) inside.partial_rotary_factor = before.partial_rotary_factor;
  // A rope per kind of layer: windows are short, so theirs stays as it is.
  const isByKind = 'full_attention' in before;
  return { ...scaled, rope_parameters: isByKind ? { ...before, full_attention: inside } : inside };
}
