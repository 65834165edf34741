// Laws of the decoder: rows are apart, the past does not see the future, dropout repeats, memory is given back.
import { type Backend, openBackend, type Tensor } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import type { EncodedExample } from '#factory/records/encoded.ts';
import { seededRandom } from '#factory/records/seeded-random.ts';
import type { Decoder } from './decoder.ts';
import { differentiateTiny, tinyConfig, tinyDecoder, tinyRows } from './fixtures/tiny-decoder.ts';
import { residualBytes } from './layer-spec-of.ts';
import { packBatch } from './packed-batch.ts';

const backend = await openBackend('cpu', { threads: 1 });
afterAll(() => backend.dispose());

/** Hidden rows after the final norm at every position, one array per row of the batch. */
async function hiddenOf(decoder: Decoder, rows: readonly EncodedExample[]): Promise<Float32Array[]> {
  const batch = packBatch(rows);
  const h = await decoder.forward({ ...batch, labelIndex: Int32Array.from(batch.ids.keys()) });
  const width = decoder.config.hiddenSize;
  let at = 0;
  return rows.map(({ inputIds }) => {
    const from = at;
    at += inputIds.length;
    return h.slice(from * width, at * width);
  });
}

function withToken(row: EncodedExample, at: number): EncodedExample {
  const inputIds = row.inputIds.slice();
  inputIds[at] = (inputIds[at] % 39) + 1;
  return { ...row, inputIds };
}

describe('neat packing', () => {
  const alone = tinyRows([9, 2, 12, 3, 5]);
  const pack = (parts: readonly EncodedExample[]): EncodedExample => ({
    inputIds: Int32Array.from(parts.flatMap((e) => [...e.inputIds])),
    labels: Int32Array.from(parts.flatMap((e) => [...e.labels])),
    starts: parts.map((_, i) => parts.slice(0, i).reduce((n, e) => n + e.inputIds.length, 0)),
  });
  const packs = [pack(alone.slice(0, 2)), pack(alone.slice(2))];

  test.each([
    ['full attention', {}],
    ['a window', { sliding_window: 4, model_type: 'mistral' }],
  ])('a packed row computes what its parts compute alone, with %s', async (_, raw) => {
    const decoder = await tinyDecoder(backend, {
      config: tinyConfig(raw),
      lora: { targets: ['all'], dropout: 0 },
    });
    expect(packBatch(packs).partStart).not.toBeNull();
    const separate = (await hiddenOf(decoder, alone)).flatMap((h) => [...h]);
    const together = (await hiddenOf(decoder, packs)).flatMap((h) => [...h]);
    expect(together).toHaveLength(separate.length);
    together.forEach((value, i) => {
      expect(Math.abs(value - separate[i])).toBeLessThan(1e-5);
    });
    for (const residualBytes of [0, 1e9]) {
      const one = await differentiateTiny(decoder, alone, { residualBytes, dropoutKey: '' });
      const other = await differentiateTiny(decoder, packs, { residualBytes, dropoutKey: '' });
      expect(other.loss).toBeCloseTo(one.loss, 4);
      one.gradients.forEach((gradient, p) => {
        const scale = Math.max(...gradient.map(Math.abs));
        gradient.forEach((value, i) => {
          expect(Math.abs(other.gradients[p][i] - value)).toBeLessThan(1e-5 * scale + 1e-7);
        });
      });
    }
  });

  test('nothing of one part reaches another', async () => {
    const decoder = await tinyDecoder(backend);
    const [before] = await hiddenOf(decoder, [packs[1]]);
    const changed = pack([withToken(alone[2], 3), alone[3], alone[4]]);
    const [after] = await hiddenOf(decoder, [changed]);
    const from = alone[2].inputIds.length * decoder.config.hiddenSize;
    expect(after.subarray(from)).toEqual(before.subarray(from));
    expect(after.subarray(0, from)).not.toEqual(before.subarray(0, from));
  });
});

describe('packed rows', () => {
  const rows = tinyRows([9, 4, 12, 7]);

  test('changing one row leaves the bits of the others', async () => {
    const decoder = await tinyDecoder(backend, { lora: { targets: ['all'], dropout: 0 } });
    const before = await hiddenOf(decoder, rows);
    for (const changed of rows.keys()) {
      const others = rows.map((row, r) =>
        r === changed ? tinyRows([row.inputIds.length], 'other')[0] : row,
      );
      const after = await hiddenOf(decoder, others);
      after.forEach((h, r) => {
        if (r === changed) expect(h).not.toEqual(before[r]);
        else expect(h).toEqual(before[r]);
      });
    }
  });

  test('permuting the rows permutes the results', async () => {
    const decoder = await tinyDecoder(backend);
    const before = await hiddenOf(decoder, rows);
    const order = [2, 0, 3, 1];
    const after = await hiddenOf(
      decoder,
      order.map((r) => rows[r]),
    );
    order.forEach((r, i) => {
      after[i].forEach((value, j) => {
        expect(Math.abs(value - before[r][j])).toBeLessThan(1e-5);
      });
    });
  });

  test('changing a later token leaves the bits of the earlier positions', async () => {
    const decoder = await tinyDecoder(backend);
    const width = decoder.config.hiddenSize;
    const before = await hiddenOf(decoder, rows);
    for (const at of [1, 5, 11]) {
      const after = await hiddenOf(decoder, rows.with(2, withToken(rows[2], at)));
      expect(after[2].subarray(0, at * width)).toEqual(before[2].subarray(0, at * width));
      for (let t = at; t < 12; t++)
        expect(after[2].subarray(t * width, (t + 1) * width), `position ${t}`).not.toEqual(
          before[2].subarray(t * width, (t + 1) * width),
        );
    }
  });

  test('a window ends how far a token reaches', async () => {
    const config = tinyConfig({
      model_type: 'mistral',
      architectures: ['MistralForCausalLM'],
      sliding_window: 3,
    });
    expect(config.slidingWindow).toEqual([3, 3]);
    const decoder = await tinyDecoder(backend, { config });
    const width = config.hiddenSize;
    const row = tinyRows([12])[0];
    const [before] = await hiddenOf(decoder, [row]);
    const [after] = await hiddenOf(decoder, [withToken(row, 2)]);
    // Two layers pass it on by 2 positions each.
    for (let t = 0; t < 12; t++) {
      const part = (h: Float32Array) => h.subarray(t * width, (t + 1) * width);
      if (t < 2 || t > 6) expect(part(after), `position ${t}`).toEqual(part(before));
      else expect(part(after), `position ${t}`).not.toEqual(part(before));
    }
  });
});

describe('training', () => {
  const rows = tinyRows([8, 5, 11]);
  const all = { targets: ['all'], dropout: 0.3 };
  const keep = 2 ** 40;

  test('with dropout, keeping and recomputing residuals give the same bits', async () => {
    const decoder = await tinyDecoder(backend, { lora: all });
    const saved = await differentiateTiny(decoder, rows, { residualBytes: keep, dropoutKey: '1/0' });
    const oneLayer = residualBytes(decoder.layers[0].spec, 24);
    for (const bytes of [0, oneLayer, 2 * oneLayer - 1])
      expect(await differentiateTiny(decoder, rows, { residualBytes: bytes, dropoutKey: '1/0' })).toEqual(
        saved,
      );
    const other = await differentiateTiny(decoder, rows, { residualBytes: keep, dropoutKey: '1/1' });
    expect(other.loss).not.toBe(saved.loss);
  });

  test('residuals take as many bytes as planned', async () => {
    const decoder = await tinyDecoder(backend, { lora: { ...all, dropout: 0 } });
    const batch = packBatch(rows);
    const { tape } = await decoder.forwardTraining(batch, { residualBytes: keep, dropoutKey: '' });
    for (const { layer, residuals } of tape.entries) {
      const held = Object.values(residuals).reduce((n, t) => n + t.byteLength, 0);
      expect(held).toBeLessThanOrEqual(residualBytes(decoder.layers[layer].spec, batch.ids.length));
      expect(held).toBeGreaterThan(0);
    }
    decoder.release(tape);
  });

  test('dropout acts in training only', async () => {
    const dropped = await tinyDecoder(backend, { lora: all });
    const plain = await tinyDecoder(backend, { lora: { ...all, dropout: 0 } });
    expect(await hiddenOf(dropped, rows)).toEqual(await hiddenOf(plain, rows));
    const options = { residualBytes: keep, dropoutKey: '1/0' };
    const [a, b] = [
      await differentiateTiny(dropped, rows, options),
      await differentiateTiny(plain, rows, options),
    ];
    expect(a.loss).not.toBe(b.loss);
  });

  test.each([
    ['an adapter with dropout', { lora: all }],
    ['some adapters', { lora: { targets: ['v_proj', 'down_proj'], dropout: 0 } }],
    [
      'the first layer',
      { trained: ['model.layers.0.mlp.up_proj.weight', 'model.layers.0.input_layernorm.weight'] },
    ],
    ['embedding and head', { trained: ['model.embed_tokens.weight', 'lm_head.weight', 'model.norm.weight'] }],
    ['the final norm alone', { trained: ['model.norm.weight'] }],
  ])('the gradient of %s is the slope of the loss', async (_, options) => {
    const decoder = await tinyDecoder(backend, options);
    const run = () => differentiateTiny(decoder, rows, { residualBytes: keep, dropoutKey: 'slope' });
    const { gradients } = await run();
    const random = seededRandom('direction');
    const direction = gradients.map((g) => g.map(() => random.next() - 0.5));
    const slope = gradients.reduce((n, g, i) => n + g.reduce((m, v, j) => m + v * direction[i][j], 0), 0);
    const start = decoder.parameters.map((p) => p.value.slice());
    const lossAt = async (step: number) => {
      decoder.parameters.forEach(({ value }, i) => {
        for (let j = 0; j < value.length; j++) value[j] = start[i][j] + step * direction[i][j];
      });
      return (await run()).loss;
    };
    const step = 2 ** -9;
    const difference = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
    expect(Math.abs(difference - slope)).toBeLessThan(2e-3 * Math.abs(slope));
  });

  test('what is not trained keeps its bits and has no gradient', async () => {
    const decoder = await tinyDecoder(backend, { trained: ['model.layers.1.mlp.up_proj.weight'] });
    expect(decoder.parameters.map((p) => p.name)).toEqual(['model.layers.1.mlp.up_proj.weight']);
    const before = [...decoder.weights].map(([, w]) => w.data.slice());
    await differentiateTiny(decoder, rows, { residualBytes: keep, dropoutKey: '' });
    expect([...decoder.weights].map(([, w]) => w.data)).toEqual(before);
  });
});

/** The same backend, counting the results that were not disposed, and the buffers that any result was in. */
function counted(inner: Backend): { backend: Backend; held(): number; buffers: Set<ArrayBufferLike> } {
  const live = new Set<Tensor>();
  const buffers = new Set<ArrayBufferLike>();
  const watch = async (t: Tensor) => {
    live.add(t);
    buffers.add((await t.read()).buffer);
    const dispose = t.dispose.bind(t);
    t.dispose = () => {
      live.delete(t);
      dispose();
    };
  };
  return {
    held: () => live.size,
    buffers,
    backend: {
      name: inner.name,
      hasHalfFloats: inner.hasHalfFloats,
      traffic: inner.traffic,
      tensor: (...args) => inner.tensor(...args),
      parameters: (arrays) => inner.parameters(arrays),
      accumulator: (targets) => inner.accumulator(targets),
      readAll: (tensors) => inner.readAll(tensors),
      trim: (bytes) => inner.trim(bytes),
      dispose: () => inner.dispose(),
      [Symbol.asyncDispose]: () => inner.dispose(),
      async compile(graph) {
        const executable = await inner.compile(graph);
        const run = executable.run.bind(executable);
        executable.run = async (feeds) => {
          const out = await run(feeds);
          for (const t of Object.values(out)) await watch(t);
          return out;
        };
        return executable;
      },
    },
  };
}

describe('memory', () => {
  test.each([
    ['an adapter', { lora: { targets: ['all'], dropout: 0.1 } }],
    ['all parameters', { trained: 'all' as const }],
    ['the last layer', { trained: ['model.layers.1.mlp.up_proj.weight'] }],
    ['the final norm', { trained: ['model.norm.weight'] }],
  ])('a step on %s gives every tensor back, kept residuals or not', async (_, options) => {
    const watched = counted(backend);
    const decoder = await tinyDecoder(watched.backend, options);
    for (const bytes of [2 ** 40, 0]) {
      await differentiateTiny(decoder, tinyRows([6, 9]), { residualBytes: bytes, dropoutKey: '' });
      expect(watched.held()).toBe(0);
    }
    await hiddenOf(decoder, tinyRows([6, 9]));
    expect(watched.held()).toBe(0);
  });

  test('steps of differing lengths soon need no new buffers', async () => {
    const watched = counted(backend);
    const decoder = await tinyDecoder(watched.backend, { lora: { targets: ['all'], dropout: 0.1 } });
    const lengths = [[3], [12, 5], [40], [7, 7, 30], [21, 2]];
    const round = async (residualBytes: number) => {
      for (const of of lengths)
        await differentiateTiny(decoder, tinyRows(of), { residualBytes, dropoutKey: '' });
    };
    await round(2 ** 40);
    await round(0);
    const enough = watched.buffers.size;
    for (let i = 0; i < 5; i++) await round(i % 2 === 0 ? 2 ** 40 : 0);
    expect(watched.buffers.size).toBe(enough);
  });

  test('a forward pass that is given up is released, also twice', async () => {
    const watched = counted(backend);
    const decoder = await tinyDecoder(watched.backend, { lora: { targets: ['all'], dropout: 0 } });
    const options = { residualBytes: 2 ** 40, dropoutKey: '' };
    const { tape } = await decoder.forwardTraining(packBatch(tinyRows([6, 9])), options);
    expect(watched.held()).toBeGreaterThan(0);
    decoder.release(tape);
    decoder.release(tape);
    expect(watched.held()).toBe(0);
  });
});
