import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  ended,
  makeWorld,
  readJson,
  readLines,
  start,
  toWords,
  tunesmith,
  type World,
} from './tiny-world.ts';

let world: World;
const rows = Array.from({ length: 12 }, (_, i) => ({
  instruction: `is ${i} even or odd?`,
  input: '',
  output: i % 2 === 0 ? 'even' : 'odd',
  amount: i,
  user: `u${Math.floor(i / 2)}`,
}));

beforeAll(() => {
  world = makeWorld();
  writeFileSync(world.at('rows.json'), JSON.stringify(rows));
  writeFileSync(
    world.at('impact.ts'),
    "export const impact = (row: any, prediction: string): number => { if (row.source.amount === 3) throw new Error('no price'); return prediction === row.label ? row.source.amount : -1; };\n",
  );
});
afterAll(() => world.dispose());

const flags = (output: string, change: Record<string, unknown> = {}) => [
  'eval',
  ...toWords({
    model_name_or_path: world.model,
    file: world.at('rows.json'),
    template: 'default',
    output_dir: world.at(output),
    latency_rows: 2,
    resamples: 200,
    ...change,
  } as never),
];

const scorecard = (output: string) =>
  readJson<{
    rows: number;
    failedRows: number;
    metrics: { values: { name: string; value: number | null; interval: object | null; n: number }[] }[];
    business: { failures: number; scores: { value: { n: number } }[] };
    slices: { slice: string; value: string; rows: number }[];
    detectable: object;
  }>(world.at(output), 'scorecard.json');

describe('tunesmith eval', () => {
  it('chooses labels, with business metrics, slices and clusters, and no number without an interval', async () => {
    const run = await tunesmith(
      flags('classes', {
        task: 'classification',
        business_metrics: world.at('impact.ts'),
        slices: 'label',
        cluster: 'user',
      }),
    );
    expect(run.err).not.toContain('error');
    expect(run.status).toBe(0);
    expect(run.err).toMatch(/6 rows show a difference|6 rows show no difference/);
    expect(run.out).toMatch(/accuracy +0\.\d+ +\[0\.\d+, /);
    const card = scorecard('classes');
    const values = card.metrics.flatMap((metric) => metric.values);
    expect(values.map(({ name }) => name)).toEqual(
      expect.arrayContaining([
        'accuracy',
        'f1_macro',
        'f1_per_class[even]',
        'ece@equal-width@10',
        'last_token_ms@p95',
      ]),
    );
    for (const value of values) expect(value.value === null).toBe(value.interval === null);
    expect(values.find(({ name }) => name === 'last_token_ms@p95')?.n).toBe(2);
    expect(card.business.failures).toBe(1);
    expect(card.business.scores[0].value.n).toBe(11);
    expect(card.slices.map(({ slice, value, rows: n }) => [slice, value, n])).toEqual([
      ['label', 'even', 6],
      ['label', 'odd', 6],
    ]);
    expect(readLines(world.at('classes'), 'failures.jsonl')).toEqual([
      expect.objectContaining({ step: 'business', metric: 'impact', message: 'Error: no price' }),
    ]);
    const predictions = readLines(world.at('classes'), 'predictions.jsonl');
    expect(predictions.map(({ prompt }) => prompt)).toEqual(rows.map(({ instruction }) => instruction));
    expect(Object.keys(predictions[0].labelLogprobs as object)).toEqual(['even', 'odd']);
    const record = readJson<Record<string, never>>(world.at('classes'), 'evaluation.json');
    expect(record).toMatchObject({
      task: { kind: 'classification', predict: 'logprob', labels: ['even', 'odd'] },
      data: { rows: 12, dropped: 0, overlap: null },
      cost: { peakMemoryBytes: expect.any(Number) },
    });
    expect(record.finishedAt).not.toBeNull();
  });

  it('goes on after a kill with the same answers, and scores anew without asking', async () => {
    const change = { task: 'generation', max_new_tokens: 8, per_device_eval_batch_size: 2 };
    const whole = await tunesmith(flags('whole', change));
    expect(whole.status).toBe(0);
    const child = start(flags('killed', { ...change, per_device_eval_batch_size: 2 }));
    const end = ended(child);
    await new Promise<void>((resolve) => {
      const poll = setInterval(() => {
        try {
          const lines = readFileSync(world.at('killed', 'predictions.jsonl'), 'utf8').split('\n').length;
          if (lines < 4) return;
        } catch {
          return;
        }
        clearInterval(poll);
        child.kill('SIGKILL');
        resolve();
      }, 2);
    });
    await end;
    const before = readFileSync(world.at('killed', 'predictions.jsonl'), 'utf8').split('\n').length - 1;
    const again = await tunesmith(flags('killed', change));
    expect(again.status).toBe(0);
    if (before < 12) expect(again.err).toMatch(/are answered already/);
    const answers = (output: string) =>
      readLines(world.at(output), 'predictions.jsonl').map(({ id, prediction }) => [id, prediction]);
    expect(answers('killed')).toEqual(answers('whole'));

    const rescored = await tunesmith(
      flags('killed', { ...change, metrics: 'rouge-1@llamafactory,perplexity@token' }),
    );
    expect(rescored.status).toBe(2);
    expect(rescored.err).toContain('EVAL_OUTPUT_EXISTS');
    const more = await tunesmith(flags('killed', { ...change, metrics: 'rouge-1@llamafactory' }));
    expect(more.err).toContain('scored anew');
    expect(scorecard('killed').metrics[0].values[0].name).toBe('rouge-1@llamafactory');
  });

  it('reads perplexity, and answers prompts made from columns', async () => {
    const read = await tunesmith(
      flags('read', { task: 'perplexity', metrics: 'perplexity@token,bits_per_byte' }),
    );
    expect(read.status).toBe(0);
    expect(read.out).toMatch(/perplexity@token +\d/);
    const choice = await tunesmith(
      flags('choice', {
        task: 'classification',
        template: null,
        doc_to_text: 'Question: {{instruction}}\nAnswer:',
        doc_to_target: 'output',
        doc_to_choice: ['even', 'odd'],
        num_fewshot: 2,
        fewshot_file: world.at('rows.json'),
        length_normalization: 'characters',
      }),
    );
    expect(choice.status).toBe(0);
    expect(readLines(world.at('choice'), 'predictions.jsonl')[0]).toMatchObject({
      prompt: 'Question: is 0 even or odd?\nAnswer:',
      label: 'even',
    });
  });

  it('refuses rows that the model was trained on, and says why it cannot start', async () => {
    await world.train('tuned', { dataset: world.at('rows.json'), max_steps: 2, save_strategy: 'no' });
    const adapter = { adapter_name_or_path: world.at('tuned'), task: 'classification' };
    const seen = await tunesmith(flags('seen', adapter));
    expect(seen.status).toBe(1);
    expect(seen.err).toMatch(/EVAL_OVERLAP.*trained on 12 of the 12 rows/s);
    const forced = await tunesmith(flags('seen', { ...adapter, allow_overlap: true }));
    expect(forced.status).toBe(0);
    expect(readJson<{ data: { overlap: number } }>(world.at('seen'), 'evaluation.json').data.overlap).toBe(
      12,
    );

    const missing = await tunesmith(['eval', '--model_name_or_path', world.model]);
    expect(missing.status).toBe(2);
    expect(missing.err).toMatch(/none of eval_dataset, dataset and file is given.*output_dir is missing/s);
    const unknown = await tunesmith(flags('x', { metrics: 'acuracy', task: 'classification' }));
    expect(unknown.err).toContain('EVAL_UNKNOWN_METRIC');
  });
});

describe('an endpoint', () => {
  let server: Server;
  let url = '';
  let failures = 2;
  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = '';
      request.on('data', (part: Buffer) => {
        body += part.toString();
      });
      request.on('end', () => {
        const { messages } = JSON.parse(body) as { messages: { content: string }[] };
        const number = Number(/\d+/.exec(messages[0].content)?.[0]);
        if (failures-- > 0) {
          response.writeHead(503).end('busy');
        } else if (number === 5) {
          response.writeHead(400).end('{"error":{"message":"bad row"}}');
        } else {
          response.writeHead(200, { 'content-type': 'text/event-stream' });
          for (const text of ['It is ', number % 2 === 0 ? 'even' : 'odd', '.'])
            response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: text } }] })}\n\n`);
          response.write('data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n');
          response.end('data: [DONE]\n\n');
        }
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as { port: number }).port}/v1`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  it('is asked with retries, and rows that it refuses are counted', async () => {
    const words = {
      model_name_or_path: null,
      endpoint: url,
      model: 'served',
      task: 'classification',
      labels: 'even,odd',
    };
    const run = await tunesmith(flags('served', words));
    expect(run.status).toBe(0);
    const card = scorecard('served');
    expect(card.failedRows).toBe(1);
    const accuracy = card.metrics[0].values[0];
    expect(accuracy).toMatchObject({ name: 'accuracy', value: 11 / 12 });
    expect(readLines(world.at('served'), 'failures.jsonl')[0]).toMatchObject({
      step: 'answer',
      message: expect.stringContaining('HTTP 400'),
    });
    const names = card.metrics.flatMap(({ values }) => values.map(({ name }) => name));
    expect(names).toContain('tokens_per_second');

    const down = await tunesmith(flags('down', { ...words, endpoint: 'http://127.0.0.1:9/v1', retries: 0 }));
    expect(down.status).toBe(3);
    expect(down.err).toContain('EVAL_ENDPOINT');
  });
});

describe('evaluation during training', () => {
  it('measures generated answers, and picks the best checkpoint by one of their metrics', async () => {
    const change = {
      max_steps: 4,
      save_steps: 2,
      val_size: 4,
      eval_strategy: 'steps',
      eval_steps: 2,
      predict_with_generate: true,
      do_predict: true,
      do_sample: false,
      max_new_tokens: 6,
      eval_metrics: 'exact_match,chrf',
      metric_for_best_model: 'chrf',
      load_best_model_at_end: true,
    };
    const run = await world.train('measured', change);
    expect(run.status).toBe(0);
    const state = readJson<{ best_metric: number; log_history: Record<string, number>[] }>(
      world.at('measured'),
      'trainer_state.json',
    );
    const measured = state.log_history.filter((entry) => entry.eval_chrf !== undefined);
    expect(measured).toHaveLength(2);
    expect(Object.keys(measured[0])).toEqual(
      expect.arrayContaining([
        'eval_loss',
        'eval_bleu-4',
        'eval_rouge-1',
        'eval_rouge-2',
        'eval_rouge-l',
        'eval_exact_match',
      ]),
    );
    expect(state.best_metric).toBe(Math.max(...measured.map((entry) => entry.eval_chrf)));
    expect(Object.keys(readJson(world.at('measured'), 'predict_results.json'))).toEqual([
      'predict_bleu-4',
      'predict_chrf',
      'predict_exact_match',
      'predict_rouge-1',
      'predict_rouge-2',
      'predict_rouge-l',
      'predict_runtime',
      'predict_samples_per_second',
      'predict_steps_per_second',
    ]);
    const refused = await world.train('refused', {
      ...change,
      eval_metrics: 'json_schema',
      metric_for_best_model: null,
    });
    expect(refused.err).toContain('cannot be computed without options');
  });
});
