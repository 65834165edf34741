import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseModelConfig } from './config.ts';
import { applyRopeScaling, ropeFrequencies, ropeTables } from './rope.ts';

interface Fixture {
  cases: {
    name: string;
    config: Record<string, unknown>;
    attention_scale: number;
    lengths: { positions: number[]; inverse_frequencies: number[]; cos: number[]; sin: number[] }[];
  }[];
}
const fixture: Fixture = JSON.parse(readFileSync(new URL('./fixtures/rope.json', import.meta.url), 'utf8'));
/** One unit in the last place of PyTorch's pow, twice where the base itself comes from pow. */
const POW_ERROR = 2.4e-7;

describe('rope', () => {
  it.each(fixture.cases)('$name agrees with transformers', ({ config: raw, attention_scale, lengths }) => {
    const config = parseModelConfig(raw, 'config.json');
    for (const { positions, inverse_frequencies, cos, sin } of lengths) {
      const sequenceLength = Math.max(...positions) + 1;
      const { inverseFrequencies, attentionScale } = ropeFrequencies(config, { sequenceLength });
      expect(attentionScale).toBeCloseTo(attention_scale, 12);
      expect(inverseFrequencies.length).toBe(inverse_frequencies.length);
      const tables = ropeTables(config, Int32Array.from(positions));
      inverse_frequencies.forEach((expected, j) => {
        const isSame = inverseFrequencies[j] === Math.fround(expected);
        expect(Math.abs(inverseFrequencies[j] / expected - 1)).toBeLessThan(POW_ERROR);
        positions.forEach((position, i) => {
          const at = i * inverse_frequencies.length + j;
          const tolerance = 1e-6 + (isSame ? 0 : position * expected * POW_ERROR * attentionScale);
          expect(Math.abs(tables.cos[at] - cos[at])).toBeLessThan(tolerance);
          expect(Math.abs(tables.sin[at] - sin[at])).toBeLessThan(tolerance);
        });
      });
    }
  });

  it('is bit-exact for nearly all frequencies', () => {
    let same = 0;
    let all = 0;
    for (const { config, lengths } of fixture.cases) {
      for (const { positions, inverse_frequencies } of lengths) {
        const sequenceLength = Math.max(...positions) + 1;
        const ours = ropeFrequencies(parseModelConfig(config, 'x'), { sequenceLength }).inverseFrequencies;
        all += ours.length;
        same += ours.filter((value, i) => value === Math.fround(inverse_frequencies[i])).length;
      }
    }
    expect(same / all).toBeGreaterThan(0.96);
  });

  it('a count stands for the positions from 0', () => {
    const config = parseModelConfig(fixture.cases[0].config, 'x');
    expect(ropeTables(config, 5)).toEqual(ropeTables(config, Int32Array.of(0, 1, 2, 3, 4)));
    expect(ropeTables(config, 0).cos.length).toBe(0);
  });
});

describe('applyRopeScaling', () => {
  const base = { ...fixture.cases[0].config, max_position_embeddings: 2048 };
  const config = parseModelConfig(base, 'x');

  it('does nothing where the model is long enough', () => {
    const { config: same, note } = applyRopeScaling(config, 'linear', 2048);
    expect(same).toBe(config);
    expect(note).toContain('not needed');
  });

  it.each(['linear', 'dynamic', 'llama3', 'yarn'] as const)(
    '%s: factor is ceil(cutoff / original), and saving keeps it',
    (kind) => {
      const { config: scaled } = applyRopeScaling(config, kind, 5000);
      expect(scaled.ropeScaling).toMatchObject({ kind, factor: 3 });
      expect(scaled.maxPositions).toBe(6144);
      const again = parseModelConfig(JSON.parse(JSON.stringify(scaled.raw)), 'x');
      expect({ ...again, raw: null }).toEqual({ ...scaled, raw: null });
      expect(ropeTables(scaled, Int32Array.of(4000))).not.toEqual(ropeTables(config, Int32Array.of(4000)));
    },
  );

  it('stretches the full layers of a model with two ropes, and keeps the part of the head', () => {
    const sliding = { rope_type: 'default', rope_theta: 1e4 };
    const gemma = parseModelConfig(
      {
        ...base,
        model_type: 'gemma3_text',
        rope_scaling: undefined,
        rope_parameters: {
          full_attention: { rope_type: 'default', rope_theta: 1e6 },
          sliding_attention: sliding,
        },
      },
      'x',
    );
    const scaled = applyRopeScaling(gemma, 'linear', 5000).config;
    expect(scaled.raw.rope_parameters).toEqual({
      full_attention: { rope_type: 'linear', factor: 3, rope_theta: 1e6 },
      sliding_attention: sliding,
    });
    expect({ ...parseModelConfig(scaled.raw, 'x'), raw: null }).toEqual({ ...scaled, raw: null });
    const glm = parseModelConfig(
      {
        ...base,
        model_type: 'glm4',
        rope_scaling: undefined,
        rope_parameters: { partial_rotary_factor: 0.25 },
      },
      'x',
    );
    const again = applyRopeScaling(glm, 'linear', 5000).config.raw;
    expect(parseModelConfig(again, 'x').rotaryDim).toBe(glm.rotaryDim);
  });

  it('refuses a model that longrope stretches already', () => {
    const factors = new Array(config.headDim / 2).fill(2);
    const rope_scaling = { type: 'longrope', short_factor: factors, long_factor: factors };
    const phi = parseModelConfig({ ...base, model_type: 'phi3', rope_scaling }, 'x');
    expect(() => applyRopeScaling(phi, 'yarn', 4096)).toThrow(
      expect.objectContaining({ code: 'ARGS_BAD_VALUE' }),
    );
  });

  it('uses 2 for inference, and the original length of a model that is already scaled', () => {
    expect(applyRopeScaling(config, 'linear', null).config).toMatchObject({
      ropeScaling: { factor: 2 },
      maxPositions: 4096,
    });
    const scaled = parseModelConfig(
      {
        ...base,
        max_position_embeddings: 8192,
        rope_scaling: { type: 'yarn', factor: 4, original_max_position_embeddings: 2048 },
      },
      'x',
    );
    expect(applyRopeScaling(scaled, 'yarn', 4000).config.ropeScaling).toMatchObject({
      factor: 2,
      originalMaxPositions: 2048,
    });
  });

  it('writes into rope_parameters where the file has that spelling', () => {
    const { rope_theta: theta, ...rest } = base as Record<string, unknown>;
    const modern = parseModelConfig(
      { ...rest, rope_parameters: { rope_theta: theta, rope_type: 'default' } },
      'x',
    );
    const { raw } = applyRopeScaling(modern, 'llama3', 4096).config;
    expect(raw).not.toHaveProperty('rope_scaling');
    expect(raw.rope_parameters).toEqual({
      rope_theta: theta,
      rope_type: 'llama3',
      factor: 2,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 2048,
    });
  });
});
