// A real trained model agrees with transformers and peft on real text: losses, decoding, training curves, merged adapters
// and the sequence log-probabilities that preference training needs. Skipped where the development assets are absent.

import { readFileSync } from 'node:fs';
import { openBackend } from '@tunesmith/engine';
import { afterAll, describe, expect, test } from 'vitest';
import { loraScale, mergeIntoWeights } from '../../packages/factory/src/adapters/merge.ts';
import { readPeftAdapter } from '../../packages/factory/src/adapters/peft.ts';
import type { Decoder } from '../../packages/factory/src/model/decoder.ts';
import { greedy } from '../../packages/factory/src/model/fixtures/greedy.ts';
import { generateTokens } from '../../packages/factory/src/model/generate.ts';
import { packBatch } from '../../packages/factory/src/model/packed-batch.ts';
import { pairLoss } from '../../packages/factory/src/train/preference-losses.ts';
import { assetPath } from '../assets.ts';
import { allLogits, apart, tokenLosses, trainCurve, worstApart } from './measure.ts';
import { decoderOf } from './read-fixture.ts';

interface Vectors {
  forward: {
    ids: number[];
    nll_per_token: number[];
    mean_nll: number;
    last_logits: number[];
    greedy_ids: number[];
  }[];
  sft_batch: { input_ids: number[][]; labels: number[][]; attention_mask: number[][] };
  train: {
    name: string;
    optimizer: { lr: number; weight_decay: number };
    loss_at_step: number[];
    grad_norm_at_step: number[];
    steps: number;
    trainable?: number;
    merged_once_upon_last_logits_first16?: number[];
  }[];
  dpo: {
    beta: number;
    pairs: {
      prompt_ids: number[];
      chosen_ids: number[];
      rejected_ids: number[];
      ref_chosen: number;
      ref_rejected: number;
      pol_chosen: number;
      pol_rejected: number;
      dpo_loss_sigmoid: number;
    }[];
  };
}

const VECTORS = 'vectors/stories260K_hf_reference';
const model = assetPath('models/stories260K-hf');
const vectorFile = assetPath(`${VECTORS}/vectors.json`);
const WITHIN = 2e-5;
/** 20 steps at rate 5e-3 carry the rounding of the first ones along. */
const AFTER_STEPS = 5e-5;

describe.skipIf(!model || !vectorFile)('stories260K', async () => {
  if (!model || !vectorFile) return;
  const vectors = JSON.parse(readFileSync(vectorFile, 'utf8')) as Vectors;
  const backend = await openBackend('cpu', { threads: 1 });
  afterAll(() => backend.dispose());
  const folder = (name: string) => assetPath(`${VECTORS}/${name}`) as string;

  const { input_ids, labels, attention_mask } = vectors.sft_batch;
  const examples = input_ids.map((ids, row) => {
    const length = attention_mask[row].reduce((a, b) => a + b, 0);
    return {
      inputIds: Int32Array.from(ids.slice(0, length)),
      labels: Int32Array.from(labels[row].slice(0, length)),
    };
  });
  const curveOf = (decoder: Decoder, { optimizer, steps }: Vectors['train'][number]) =>
    trainCurve(decoder, examples, {
      steps,
      learningRate: () => optimizer.lr,
      weightDecay: optimizer.weight_decay,
      sparesNorms: false,
      maxGradNorm: 0,
    });

  test('texts have the same token losses and last logits', async () => {
    const decoder = await decoderOf(backend, model);
    const rows = vectors.forward.map((f) => f.ids);
    const nll = await tokenLosses(decoder, rows);
    const logits = await allLogits(decoder, rows);
    vectors.forward.forEach((theirs, r) => {
      expect(apart(nll[r], theirs.nll_per_token)).toBeLessThan(WITHIN);
      const mean = nll[r].reduce((a, b) => a + b, 0) / nll[r].length;
      expect(apart([mean], [theirs.mean_nll])).toBeLessThan(WITHIN);
      expect(apart(logits[r].at(-1) as Float32Array, theirs.last_logits)).toBeLessThan(WITHIN);
    });
  });

  test('greedy decoding of all texts at once gives the same tokens', async () => {
    const decoder = await decoderOf(backend, model);
    const prompts = vectors.forward.map((f) => f.ids);
    const results = await generateTokens(decoder, prompts, greedy(24));
    results.forEach(({ ids }, r) => {
      expect([...prompts[r], ...ids]).toEqual(vectors.forward[r].greedy_ids);
    });
  });

  test.each(vectors.train.filter((t) => t.trainable))(
    '$name trains to the same adapter',
    async (reference) => {
      const { name } = reference;
      const decoder = await decoderOf(backend, model, { adapter: folder(`${name}_init`) });
      expect(decoder.parameters.reduce((n, p) => n + p.value.length, 0)).toBe(reference.trainable);
      const { loss, gradNorm } = await curveOf(decoder, reference);
      expect(worstApart(loss, reference.loss_at_step)).toBeLessThan(AFTER_STEPS);
      expect(worstApart(gradNorm, reference.grad_norm_at_step)).toBeLessThan(AFTER_STEPS);

      const theirs = await readPeftAdapter(folder(`${name}_after20`));
      expect(theirs.pairs.length * 2).toBe(decoder.parameters.length);
      const values = new Map(decoder.parameters.map((p) => [p.name, p.value]));
      for (const { module, a, b } of theirs.pairs) {
        expect(apart(values.get(`${module}.lora_A.weight`) as Float32Array, a), module).toBeLessThan(
          AFTER_STEPS,
        );
        expect(apart(values.get(`${module}.lora_B.weight`) as Float32Array, b), module).toBeLessThan(
          AFTER_STEPS,
        );
      }

      const merged = await decoderOf(backend, model, {
        edit: (tensor, weight) => {
          const pair = theirs.pairs.find((p) => `${p.module}.weight` === tensor);
          if (!pair) return false;
          weight.set(mergeIntoWeights(tensor, weight, pair, loraScale(theirs, pair)));
          return true;
        },
      });
      const prompt = vectors.forward[0].ids;
      for (const each of [merged, decoder]) {
        const [row] = await allLogits(each, [prompt]);
        const first = (row.at(-1) as Float32Array).slice(0, 16);
        expect(apart(first, reference.merged_once_upon_last_logits_first16 as number[])).toBeLessThan(
          AFTER_STEPS,
        );
      }
    },
  );

  /** Summed log-probability of each answer after its prompt. */
  async function answerLogProbs(decoder: Decoder, pairs: [prompt: number[], answer: number[]][]) {
    const batch = packBatch(
      pairs.map(([prompt, answer]) => ({
        inputIds: Int32Array.from([...prompt, ...answer]),
        labels: Int32Array.from([...prompt.map(() => -100), ...answer]),
      })),
    );
    const { nll } = await decoder.head.evaluate(await decoder.forward(batch), batch.targets, false);
    return pairs.map(
      (_, r) => -nll.subarray(batch.labelStart[r], batch.labelStart[r + 1]).reduce((a, b) => a + b, 0),
    );
  }

  test('full tuning follows the same curve, and answers have the same log-probabilities before and after', async () => {
    const reference = vectors.train.find((t) => t.name === 'full') as Vectors['train'][number];
    const { pairs, beta } = vectors.dpo;
    const answers = pairs.flatMap((p): [number[], number[]][] => [
      [p.prompt_ids, p.chosen_ids],
      [p.prompt_ids, p.rejected_ids],
    ]);
    const decoder = await decoderOf(backend, model, { trained: 'all' });
    const before = await answerLogProbs(decoder, answers);
    expect(
      worstApart(
        before,
        pairs.flatMap((p) => [p.ref_chosen, p.ref_rejected]),
      ),
    ).toBeLessThan(WITHIN);

    const { loss, gradNorm } = await curveOf(decoder, reference);
    expect(worstApart(loss, reference.loss_at_step)).toBeLessThan(WITHIN);
    expect(worstApart(gradNorm, reference.grad_norm_at_step)).toBeLessThan(WITHIN);

    const after = await answerLogProbs(decoder, answers);
    expect(
      worstApart(
        after,
        pairs.flatMap((p) => [p.pol_chosen, p.pol_rejected]),
      ),
    ).toBeLessThan(WITHIN);
    pairs.forEach((pair, i) => {
      const [policy, reference] = [after, before].map((of) => ({
        chosen: of[2 * i],
        rejected: of[2 * i + 1],
      }));
      const dpo = pairLoss('sigmoid', policy, reference, { beta, labelSmoothing: 0, simpoGamma: 0 });
      expect(apart([dpo.loss], [pair.dpo_loss_sigmoid])).toBeLessThan(WITHIN);
    });
  });
});
