import { describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import type { Example, Message, Role } from '#factory/records/message.ts';
import { characterTokenizer } from './fixtures/character-tokenizer.ts';
import { deriveTemplateSpec } from './jinja-template.ts';
import { proveTemplate } from './prove-template.ts';
import { resolveTemplate } from './template.ts';

const SPECIAL = [
  '<PAD>',
  '<BOS>',
  '<EOS>',
  '<|im_start|>',
  '<|im_end|>',
  '<|start_header_id|>',
  '<|end_header_id|>',
  '<|eot_id|>',
  '<think>',
  '</think>',
];
const withJinja = (chatTemplate: string | null) => characterTokenizer(SPECIAL, { chatTemplate });

const CHATML =
  "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
const CHATML_DEFAULT_SYSTEM = `{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe kind.<|im_end|>\n' }}{% endif %}${CHATML}`;
const TRIMMING =
  "{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}";
const DATED =
  "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set text = messages[0]['content'] %}{% set rest = messages[1:] %}{% else %}{% set text = '' %}{% set rest = messages %}{% endif %}{{ 'Today: ' + strftime_now('%d %b %Y') + '\n' + text + '<|eot_id|>' }}{% for message in rest %}{{ message['role'] + ': ' + message['content'] + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";
const IN_USER_TURN =
  "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set text = messages[0]['content'] + '\n\n' %}{% set rest = messages[1:] %}{% else %}{% set text = '' %}{% set rest = messages %}{% endif %}{% for message in rest %}{% if message['role'] == 'user' %}{{ '[INST] ' + (text if loop.first else '') + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}";
const NO_SYSTEM = `{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}${CHATML}`;
const THINKING =
  "{% for message in messages %}{% if message['role'] == 'assistant' %}{% set content = message['content'].split('</think>')[-1].lstrip('\n') %}{{ '<|im_start|>assistant\n' + ('<think>\n\n</think>\n\n' if loop.last else '') + content + '<|im_end|>\n' }}{% else %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
// The first turn has no opening mark.
const UNEVEN =
  "{% for message in messages %}{% if message['role'] == 'user' %}{{ ('' if loop.first else '[INST] ') + message['content'] + ' [/INST]' }}{% else %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}";

const message = (role: Role, content: string): Message => ({ role, content });
function sample(turns: string[], system = '', row = 0): Example {
  const messages = turns.map((content, i) => message(i % 2 === 0 ? 'user' : 'assistant', content));
  return {
    prompt: messages.slice(0, -1),
    response: messages.slice(-1),
    system,
    tools: '',
    source: { dataset: 'd', file: 'f.json', row },
  };
}
const SAMPLES = [sample(['Hi', 'Yo']), sample([' a\n', '\n b '], '', 1), sample(['1', '2', '3', '4'], '', 2)];
const WITH_SYSTEM = [...SAMPLES, sample(['Hi', 'Yo'], 'Sys', 3), sample(['1', '2', '3', '4'], ' S\n', 4)];

describe('slots read off chat templates', () => {
  test('llama3 style, as in the original test', () => {
    expect(deriveTemplateSpec(withJinja(TRIMMING), '')).toEqual({
      prefix: [{ special: 'bos' }],
      system: '<|start_header_id|>system<|end_header_id|>\n\n{c}<|eot_id|>',
      user: '<|start_header_id|>user<|end_header_id|>\n\n{c}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
      assistant: '{c}<|eot_id|>',
      kind: 'plain',
      trimmed: ['user', 'assistant', 'system'],
    });
  });
  test('a default system text', () => {
    expect(deriveTemplateSpec(withJinja(CHATML_DEFAULT_SYSTEM), '')).toMatchObject({
      system: '<|im_start|>system\n{c}<|im_end|>\n',
      defaultSystem: 'Be kind.',
    });
  });

  test.each([
    ['ChatML', CHATML, WITH_SYSTEM],
    ['a default system text', CHATML_DEFAULT_SYSTEM, WITH_SYSTEM],
    ['trimmed contents', TRIMMING, WITH_SYSTEM],
    ['a header with a date', DATED, WITH_SYSTEM],
    ['the system text in the user turn', IN_USER_TURN, WITH_SYSTEM],
    ['no system role', NO_SYSTEM, SAMPLES],
    [
      'empty thoughts',
      THINKING,
      [sample(['Hi', 'Yo']), sample(['1', '<think>\nx\n</think>\n\n2', '3', '4'], 'S')],
    ],
  ])('%s: proved on every row', (_, jinja, samples) => {
    const tokenizer = withJinja(jinja);
    const template = resolveTemplate({ tokenizer, name: null });
    const proof = proveTemplate(template, tokenizer, samples);
    expect(proof).toMatchObject({
      derived: true,
      compared: true,
      samples: samples.length,
      agree: samples.length,
      firstMismatch: null,
    });
    expect(proof.tokens).toBeGreaterThan(0);
    // The generation prompt comes apart too.
    expect(template.stopIds).toContain(template.eosId);
  });

  test('answers stop at the marker of the template even if the tokenizer names another eos', () => {
    const tokenizer = withJinja(CHATML);
    expect(resolveTemplate({ tokenizer, name: null }).stopIds.map((id) => tokenizer.idToToken(id))).toEqual([
      '<EOS>',
      '<|im_end|>',
    ]);
  });

  test.each([
    ['uneven turns', UNEVEN, 'written differently'],
    ['broken Jinja', '{% for %}', 'cannot be rendered'],
    ['an endless refusal', "{{ raise_exception('no') }}", 'cannot be rendered: no'],
    ['no content', 'constant', 'does not occur once'],
    ['nothing', '', 'does not occur once'],
  ])('%s is refused with close templates', (_, jinja, words) => {
    let failure: unknown;
    try {
      resolveTemplate({ tokenizer: withJinja(jinja), name: null });
    } catch (error) {
      failure = error;
    }
    expect(failure).toBeInstanceOf(FactoryError);
    expect((failure as FactoryError).code).toBe('TOKENS_BAD_TEMPLATE');
    expect((failure as FactoryError).message).toContain(words);
    expect((failure as FactoryError).remedy).toContain('qwen');
  });
});

describe('proveTemplate', () => {
  test('a named template that differs is reported, not refused', () => {
    const tokenizer = withJinja(CHATML);
    const proof = proveTemplate(resolveTemplate({ tokenizer, name: 'default' }), tokenizer, SAMPLES);
    expect(proof).toMatchObject({ derived: false, samples: 3, agree: 0 });
    expect(proof.firstMismatch).toMatchObject({ sample: 0, position: 0, ours: 'H', theirs: '<|im_start|>' });
    expect(proof.firstMismatch?.oursAround).toContain('Human: Hi');
  });

  test('a derived template that differs on the data is an error that says where', () => {
    const tokenizer = withJinja(NO_SYSTEM);
    const template = resolveTemplate({ tokenizer, name: null });
    expect(() => proveTemplate(template, tokenizer, WITH_SYSTEM)).toThrow(
      expect.objectContaining({
        code: 'TOKENS_TEMPLATE_MISMATCH',
        message: expect.stringMatching(
          /agree with it on 3 of 5 rows.*f\.json row 3.*System role not supported/,
        ),
      }),
    );
    const shouting = withJinja(CHATML.replace("message['content']", "message['content'].replace('z', 'Z')"));
    expect(() =>
      proveTemplate(resolveTemplate({ tokenizer: shouting, name: null }), shouting, [sample(['a', 'z'])]),
    ).toThrow(/first at token \d+ of f\.json row 0/);
  });

  test('tools and calls are compared; rows that cannot be rendered count as different', () => {
    const tokenizer = withJinja(CHATML);
    const template = resolveTemplate({ tokenizer, name: 'chatml' });
    const call = {
      ...sample(['q', '']),
      prompt: [message('user', 'q')],
      response: [message('function', '{"name":"f","arguments":{}}')],
      tools: '[{"name":"f"}]',
    };
    expect(proveTemplate(template, tokenizer, [call])).toMatchObject({ samples: 1, agree: 0 });
    const broken = { ...call, response: [message('function', 'text')] };
    expect(proveTemplate(template, tokenizer, [broken])).toMatchObject({ samples: 0 });
  });

  test('without a chat template nothing is compared', () => {
    const tokenizer = withJinja(null);
    expect(proveTemplate(resolveTemplate({ tokenizer, name: 'chatml' }), tokenizer, SAMPLES)).toMatchObject({
      compared: false,
      samples: 0,
    });
  });
});

test('the chat template made of slots renders what was trained', () => {
  for (const name of ['default', 'chatml', 'llama2', 'alpaca', 'vicuna', 'llama3', 'qwen']) {
    const plain = withJinja(null);
    const { jinja } = resolveTemplate({ tokenizer: plain, name });
    expect(jinja, name).not.toBeNull();
    const saved = withJinja(jinja);
    const proof = proveTemplate(resolveTemplate({ tokenizer: saved, name }), saved, WITH_SYSTEM);
    expect(proof, name).toMatchObject({ samples: 5, agree: 5 });
  }
  expect(resolveTemplate({ tokenizer: withJinja(CHATML), name: 'qwen' }).jinja).toBeNull();
  expect(resolveTemplate({ tokenizer: withJinja(CHATML), name: 'default' }).jinja).toContain('Human: ');
});
