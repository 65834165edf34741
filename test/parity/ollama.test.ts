// Ollama's own parser reads our Modelfiles, and its own template engine renders conversations as training does: for every
// template of both versions, with thinking on and off, for tokenizers that put bos first themselves and others.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { formatModelfile } from '../../packages/factory/src/export/modelfile.ts';
import { type TemplateVersion, templateNames } from '../../packages/factory/src/tokens/template-table.ts';
import { CONVERSATIONS, ollamaCase } from './ollama/conversations.ts';

interface Rendered {
  key: string;
  template: string;
  parameters: string[];
  rendered: string[];
  thoughts: string[];
}

const lines = readFileSync(new URL('./ollama/rendered.jsonl', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n');
const theirs = new Map(lines.map((line) => [JSON.parse(line).key as string, JSON.parse(line) as Rendered]));
const digest = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 16);

/** Templates whose slots hold the number of the turn. */
const REFUSED = new Set(['v0.6.3 chatglm2']);

describe.each(['latest', 'v0.6.3'] as const)('%s', (version: TemplateVersion) => {
  test.each(templateNames(version))('%s', (name) => {
    for (const mode of ['on', 'off']) {
      const isOn = mode === 'on';
      const own = ollamaCase(name, version, isOn, !isOn);
      const reference = theirs.get(`${version} ${name} ${mode}`);
      if (REFUSED.has(`${version} ${name}`)) expect([own.template, reference]).toEqual([null, undefined]);
      if (own.template === null) continue;
      expect(reference?.template, 'generate again: see ollama/generate.ts').toBe(digest(own.template));
      expect(reference?.parameters).toEqual([
        ...own.stop.map((text) => `stop ${text}`),
        'num_ctx 4096',
        'repeat_penalty 1',
      ]);
      const prompts = CONVERSATIONS.map((one) => own.render(one));
      // A bos that is not in the prefix stays, and Ollama takes it off itself where the tokenizer adds one.
      prompts.forEach((text, i) => {
        const allowed = isOn ? [text] : [text, text.replace(/^<BOS>/, '')];
        expect(allowed.map(digest), text).toContain(reference?.rendered[i]);
      });
    }
  });
});

test('Ollama finds the thought words', () => {
  expect(theirs.get('latest qwen3 on')?.thoughts).toEqual(['<think>', '</think>']);
  expect(theirs.get('latest qwen on')?.thoughts).toEqual([]);
});

test('texts that a Modelfile cannot hold are refused', () => {
  const facts = { model: 'm', template: 't', stop: [], contextSize: 1, sampling: {}, license: null };
  expect(formatModelfile({ ...facts, system: 'He said "no".' })).toContain('SYSTEM """He said "no"."""');
  for (const system of ['a """ b', 'He said "no"'])
    expect(() => formatModelfile({ ...facts, system })).toThrow(
      expect.objectContaining({ code: 'EXPORT_UNSUPPORTED' }),
    );
});
