// In: micro batches of rows and an objective. Out: gradients summed into the decoder's parameters with the step's loss and
// metrics, or the metrics of an evaluation. One forward pass serves the readings and the gradient: what the objective makes
// of the log-probabilities are the weights of one cross-entropy backward pass.
import type { Decoder } from '#factory/model/decoder.ts';
import { roomBesideScratch } from '#factory/model/layer-spec-of.ts';
import { countLabels, type PackedBatch, packBatch } from '#factory/model/packed-batch.ts';
import { setMetrics } from './evaluate.ts';
import { lastTokens, negated, readLogProbs, splitLabels, tempered, valueHeadOf } from './log-probs.ts';
import {
  addMetrics,
  type Judgement,
  type Memory,
  type Metrics,
  meansOf,
  type Objective,
  type Reading,
} from './objective.ts';
import type { TrainTask } from './task.ts';
import type { StepOptions } from './train-step.ts';

export function objectiveTask<Row>(objective: Objective<Row>): TrainTask<Row> {
  return {
    async step(decoder, microBatches, options, memory) {
      for (const { gradient } of decoder.parameters) gradient.fill(0);
      // Rows without anything to learn have no size, and no gradient either.
      const total = microBatches.flat().reduce((sum, row) => sum + objective.size(row), 0) || 1;
      const metrics: Metrics = {};
      let [loss, tokens, labelTokens] = [0, 0, 0];
      for (const [i, rows] of microBatches.entries()) {
        const run = new MicroBatch(decoder, objective, rows, memory);
        const options_ = { ...options, dropoutKey: `${options.dropoutKey}/${i}` };
        const { sum, metrics: part } = await run.differentiate(total, options_);
        loss += sum / total;
        tokens += run.tokens;
        labelTokens += run.labelTokens;
        addMetrics(metrics, part);
      }
      return { loss, tokens, labelTokens, metrics };
    },

    async evaluate(decoder, { name, rows }, { batchSize, signal, onProgress, clock }, memory) {
      const begun = clock();
      const metrics: Metrics = {};
      let [sum, size] = [0, 0];
      // In the order of the file: KTO compares the rows of a batch with one another.
      for (let at = 0; at < rows.length; at += batchSize) {
        signal?.throwIfAborted();
        const batch = rows.slice(at, at + batchSize);
        // What is seen in evaluation must not change how training goes on.
        const judged = await new MicroBatch(decoder, objective, batch, { ...memory }).evaluate();
        sum += judged.sum;
        size += batch.reduce((n, row) => n + objective.size(row), 0);
        addMetrics(metrics, judged.metrics);
        onProgress?.(Math.min(at + batchSize, rows.length), rows.length);
      }
      const values = { loss: size > 0 ? sum / size : Number.NaN, ...meansOf(metrics) };
      return setMetrics(name, values, { rows: rows.length, batchSize, seconds: (clock() - begun) / 1000 });
    },
  };
}

/** The sequences of a few rows, laid end to end, and the way back from values of label tokens to rows. */
class MicroBatch<Row> {
  readonly tokens: number;
  readonly labelTokens: number;
  readonly #decoder: Decoder;
  readonly #objective: Objective<Row>;
  readonly #rows: readonly Row[];
  readonly #memory: Memory;
  readonly #batch: PackedBatch;

  constructor(decoder: Decoder, objective: Objective<Row>, rows: readonly Row[], memory: Memory) {
    this.#decoder = decoder;
    this.#objective = objective;
    this.#rows = rows;
    this.#memory = memory;
    const sequences = rows.flatMap((row) => [...objective.sequences(row)]);
    const packed = packBatch(sequences);
    this.#batch = objective.reads === 'scores' ? lastTokens(packed, sequences) : packed;
    this.tokens = packed.ids.length;
    this.labelTokens = sequences.reduce((n, sequence) => n + countLabels(sequence), 0);
  }

  async evaluate(): Promise<Judgement> {
    const aside = await this.#readAside();
    const h = await this.#decoder.forward(this.#batch);
    if (this.#objective.reads === 'scores') return this.#judge(valueHeadOf(this.#decoder).scores(h), aside);
    const { temperature = 1, reads } = this.#objective;
    const rows = tempered(this.#decoder, h, temperature);
    const { nll } = await this.#decoder.head.evaluate(rows, this.#batch.targets, false);
    const head = reads === 'log-probs and values' ? valueHeadOf(this.#decoder) : null;
    return this.#judge(negated(nll), aside, head?.scores(h));
  }

  /** Adds the gradients of the rows' part of the step's loss, which is divided by `total`. */
  async differentiate(total: number, options: StepOptions): Promise<Judgement> {
    const decoder = this.#decoder;
    const aside = await this.#readAside();
    const { h, tape } = await decoder.forwardTraining(this.#batch, {
      ...options,
      residualBytes: roomBesideScratch(options.residualBytes, decoder.layers[0].spec, this.#batch),
    });
    try {
      const dh = new Float32Array(h.length);
      let judgement: Judgement;
      if (this.#objective.reads === 'scores') {
        const head = valueHeadOf(decoder);
        judgement = this.#judge(head.scores(h), aside);
        head.differentiate(h, this.#weights(judgement.gradients, 1 / total), dh);
      } else {
        let judged: Judgement | null = null;
        const { temperature = 1, reads } = this.#objective;
        const head = reads === 'log-probs and values' ? valueHeadOf(decoder) : null;
        const values = head?.scores(h);
        await decoder.head.differentiate(
          tempered(decoder, h, temperature),
          this.#batch.targets,
          (nll) => {
            judged = this.#judge(negated(nll), aside, values);
            return this.#weights(judged.gradients, -1 / total);
          },
          dh,
        );
        if (temperature !== 1) for (let i = 0; i < dh.length; i++) dh[i] /= temperature;
        judgement = judged as unknown as Judgement;
        head?.differentiate(h, this.#weights(judgement.valueGradients ?? [], 1 / total), dh);
      }
      await decoder.backward(tape, dh);
      return judgement;
    } finally {
      decoder.release(tape);
    }
  }

  async #readAside(): Promise<Float64Array[]> {
    const { aside } = this.#objective;
    if (!aside) return [];
    return readLogProbs(
      this.#decoder,
      this.#rows.flatMap((row) => [...aside(row)]),
    );
  }

  #judge(numbers: Float64Array, aside: Float64Array[], values?: Float64Array): Judgement {
    const objective = this.#objective;
    const read = splitLabels(this.#batch, numbers);
    const valued = values && splitLabels(this.#batch, values);
    let [at, asideAt] = [0, 0];
    const readings = this.#rows.map((row): Reading => {
      const [sequences, others] = [objective.sequences(row).length, objective.aside?.(row).length ?? 0];
      at += sequences;
      asideAt += others;
      return {
        sequences: read.slice(at - sequences, at),
        aside: aside.slice(asideAt - others, asideAt),
        values: valued?.slice(at - sequences, at),
      };
    });
    return objective.judge(this.#rows, readings, this.#memory);
  }

  /** Gradients of all rows end to end, times `scale`. */
  #weights(gradients: Judgement['gradients'], scale: number): Float32Array {
    const weights = new Float32Array(this.#batch.labelIndex.length);
    let at = 0;
    for (const part of gradients.flat())
      for (let i = 0; i < part.length; i++) weights[at++] = part[i] * scale;
    return weights;
  }
}
