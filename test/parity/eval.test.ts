import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from '../../packages/factory/src/arguments/file.ts';
import { EVAL_KEYS } from '../../packages/factory/src/cli/eval-keys.ts';
import { buildQuestions } from '../../packages/factory/src/eval/task/build-questions.ts';
import type { EvalArgs } from '../../packages/factory/src/records/eval-args.ts';
import { makeWorld, readJson, readLines, toWords, tunesmith, type World } from '../train/tiny-world.ts';

interface Doc {
  row: Record<string, unknown>;
  context: string;
  continuations: string[];
  loglikelihoods?: number[];
  acc?: number;
}

const { tasks } = JSON.parse(readFileSync(new URL('./eval/lm_eval.json', import.meta.url), 'utf8')) as {
  tasks: Record<string, Doc[]>;
};
const SUBJECTS: Record<string, string> = {
  mmlu: 'abstract_algebra',
  ceval: '注册会计师',
  cmmlu: '农学',
  gsm8k: '',
};

function recipe(name: string): Record<string, unknown> {
  const text = readFileSync(new URL(`../../recipes/eval/${name}.yaml`, import.meta.url), 'utf8');
  return Object.fromEntries(readSettings(`${name}.yaml`, text).map(({ key, raw }) => [key, raw]));
}

describe('prompts of recipes', () => {
  it.each(Object.keys(tasks))('%s are those of lm-evaluation-harness', (name) => {
    const defaults = Object.fromEntries(EVAL_KEYS.map((key) => [key.name, key.default]));
    const args = { ...defaults, ...recipe(name), num_fewshot: 2 } as unknown as EvalArgs;
    const rows = tasks[name].map(({ row }) => ({ ...row, subject: SUBJECTS[name] }));
    const items = rows.map((columns, i) => ({
      source: { dataset: name, file: name, row: i },
      columns,
      example: null,
    }));
    const { questions } = buildQuestions(
      items,
      args,
      rows.map((columns) => ({ columns })),
    );
    questions.forEach(({ text, delimiter, choices }, i) => {
      expect(text).toBe(tasks[name][i].context);
      expect(choices.map((choice) => delimiter + choice.text)).toEqual(tasks[name][i].continuations);
    });
  });
});

describe('multiple choice', () => {
  let world: World;
  beforeAll(() => {
    world = makeWorld();
  });
  afterAll(() => world.dispose());

  it('gives the log-likelihoods and the accuracy of lm-evaluation-harness', async () => {
    const rows = tasks.mmlu.map(({ row }) => row);
    writeFileSync(world.at('mmlu.json'), JSON.stringify(rows));
    const file = world.at('mmlu.json');
    const words = {
      model_name_or_path: world.model,
      file,
      fewshot_file: file,
      num_fewshot: 2,
      slices: 'subject',
    };
    const path = new URL('../../recipes/eval/mmlu.yaml', import.meta.url).pathname;
    const run = await tunesmith(['eval', path, ...toWords({ ...words, output_dir: world.at('mmlu') })]);
    expect(run.err).not.toContain('error');
    expect(run.status).toBe(0);
    const answers = readLines(world.at('mmlu'), 'predictions.jsonl') as {
      labelLogprobs: Record<string, number>;
    }[];
    answers.forEach(({ labelLogprobs }, i) => {
      Object.values(labelLogprobs).forEach((value, c) => {
        expect(value).toBeCloseTo(tasks.mmlu[i].loglikelihoods?.[c] as number, 3);
      });
    });
    const card = readJson<{ metrics: { values: { name: string; value: number }[] }[] }>(
      world.at('mmlu'),
      'scorecard.json',
    );
    const accuracy = tasks.mmlu.reduce((sum, { acc }) => sum + (acc as number), 0) / tasks.mmlu.length;
    expect(card.metrics[0].values[0]).toMatchObject({ name: 'accuracy', value: accuracy });
  });
});
