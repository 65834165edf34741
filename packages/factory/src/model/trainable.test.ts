// Which tensors and modules are trained, by LLaMA-Factory's and PEFT's rules.
import { describe, expect, test } from 'vitest';
import { expectedTensors } from './expected-tensors.ts';
import { tinyConfig } from './fixtures/tiny-decoder.ts';
import { selectTrainable } from './trainable.ts';

const config = tinyConfig({ num_hidden_layers: 3 });
const names = [...expectedTensors(config).keys()];
const inLayers = (...layers: number[]) =>
  names.filter((n) => layers.some((i) => n.startsWith(`model.layers.${i}.`)));

type Args = Parameters<typeof selectTrainable>[1];
const defaults: Args = {
  finetuning_type: 'freeze',
  freeze_trainable_layers: 2,
  freeze_trainable_modules: ['all'],
  freeze_extra_modules: [],
  lora_target: ['all'],
  use_llama_pro: false,
  additional_target: [],
};
const select = (args: Partial<Args>, of = config) => selectTrainable(of, { ...defaults, ...args });
const tensors = (args: Partial<Args>) => [...select(args).tensors];

test('full tuning trains every tensor', () => {
  expect(tensors({ finetuning_type: 'full' })).toEqual(names);
});

describe('freeze', () => {
  test.each([
    [1, [2]],
    [2, [1, 2]],
    [9, [0, 1, 2]],
    [-1, [0]],
    [-2, [0, 1]],
    [-9, [0, 1, 2]],
  ])('%i layers are layers %j', (n, layers) => {
    const { tensors: chosen, loraModules } = select({ freeze_trainable_layers: n });
    expect([...chosen]).toEqual(inLayers(...layers));
    expect(loraModules).toEqual([]);
  });

  test('0 layers is an error', () => {
    expect(() => select({ freeze_trainable_layers: 0 })).toThrow(
      expect.objectContaining({ code: 'TRAIN_NOTHING_TRAINABLE' }),
    );
  });

  test('modules narrow the layers', () => {
    expect(tensors({ freeze_trainable_layers: 1, freeze_trainable_modules: ['mlp'] })).toEqual(
      inLayers(2).filter((n) => n.includes('.mlp.')),
    );
    expect(
      tensors({ freeze_trainable_layers: 1, freeze_trainable_modules: ['self_attn', 'input_layernorm'] }),
    ).toEqual(inLayers(2).filter((n) => /self_attn|input_layernorm/.test(n)));
  });

  test('extra modules outside the layers join', () => {
    const base = inLayers(1, 2);
    expect(tensors({ freeze_extra_modules: ['embed_tokens'] }).sort()).toEqual(
      [...base, 'model.embed_tokens.weight'].sort(),
    );
    expect(tensors({ freeze_extra_modules: ['norm', 'lm_head'] }).sort()).toEqual(
      [...base, 'lm_head.weight', 'model.norm.weight'].sort(),
    );
  });

  test.each([
    ['freeze_trainable_modules', 'self_atn', 'did you mean self_attn?'],
    ['freeze_extra_modules', 'embed_token', 'did you mean embed_tokens?'],
  ])('%s: an unknown name is an error with the nearest one', (key, name, hint) => {
    expect(() => select({ [key]: [name] })).toThrow(
      expect.objectContaining({
        code: 'ARGS_BAD_VALUE',
        message: expect.stringContaining(hint),
        remedy: expect.stringContaining(key),
      }),
    );
  });
});

describe('lora', () => {
  const modules = (lora_target: string[], of = config) =>
    select({ finetuning_type: 'lora', lora_target }, of).loraModules;

  test('all means every linear module of the layers and not the head', () => {
    const all = modules(['all']);
    expect(all).toHaveLength(3 * 7);
    expect(new Set(all.map((m) => m.split('.').at(-1)))).toEqual(
      new Set(['q_proj', 'k_proj', 'v_proj', 'o_proj', 'gate_proj', 'up_proj', 'down_proj']),
    );
    expect(select({ finetuning_type: 'lora' }).tensors.size).toBe(0);
  });

  test('names match the end of a path or all of it, in layer order', () => {
    expect(modules(['v_proj', 'q_proj'])).toEqual(
      [0, 1, 2].flatMap((i) => ['q_proj', 'v_proj'].map((m) => `model.layers.${i}.self_attn.${m}`)),
    );
    expect(modules(['model.layers.1.mlp.up_proj'])).toEqual(['model.layers.1.mlp.up_proj']);
    expect(modules(['mlp.down_proj'])).toHaveLength(3);
  });

  test('biases of a module do not make it twice', () => {
    expect(modules(['q_proj'], tinyConfig({ attention_bias: true }))).toHaveLength(2);
  });

  test.each([
    ['q_prj', '(did you mean q_proj?)'],
    ['proj', '(did you mean q_proj?)'],
    ['W_pack', ''],
  ])('an unknown name %s is an error', (name, hint) => {
    expect(() => modules(['v_proj', name])).toThrow(
      expect.objectContaining({
        code: 'ARGS_BAD_VALUE',
        message: `lora_target: no module of this model is named ${name}${hint && ` ${hint}`}`,
        remedy: expect.stringContaining('q_proj'),
      }),
    );
  });
});

describe('use_llama_pro', () => {
  const six = tinyConfig({ num_hidden_layers: 6 });

  test('freeze trains the inserted blocks whole, or their named modules', () => {
    const args = { use_llama_pro: true, freeze_trainable_layers: 2 };
    const all = [...expectedTensors(six).keys()].filter((n) => /^model\.layers\.[25]\./.test(n));
    expect([...select(args, six).tensors]).toEqual(all);
    expect([...select({ ...args, freeze_trainable_modules: ['mlp'] }, six).tensors]).toEqual(
      all.filter((n) => n.includes('.mlp.')),
    );
  });

  test('lora adapts the targets inside them only', () => {
    const args = { use_llama_pro: true, freeze_trainable_layers: 3, finetuning_type: 'lora' as const };
    expect(select({ ...args, lora_target: ['q_proj', 'v_proj'] }, six).loraModules).toEqual(
      [1, 3, 5].flatMap((i) => ['q', 'v'].map((p) => `model.layers.${i}.self_attn.${p}_proj`)),
    );
    expect(select(args, six).loraModules).toHaveLength(21);
  });

  test('a number that does not divide the layers is an error', () => {
    expect(() => select({ use_llama_pro: true, freeze_trainable_layers: 4 }, six)).toThrow(
      expect.objectContaining({ code: 'ARGS_CONFLICT' }),
    );
  });
});

describe('additional_target', () => {
  const lora = { finetuning_type: 'lora' as const, lora_target: ['q_proj'] };
  const whole = (targets: string[], of = config) => [
    ...select({ ...lora, additional_target: targets }, of).tensors,
  ];

  test('trains modules whose path ends in a name, as modules_to_save does', () => {
    expect(whole([])).toEqual([]);
    expect(whole(['embed_tokens', 'lm_head'])).toEqual(['model.embed_tokens.weight', 'lm_head.weight']);
    expect(whole(['model.norm'])).toEqual(['model.norm.weight']);
    expect(whole(['norm'])).toEqual(names.filter((n) => n.endsWith('norm.weight')));
    expect(whole(['1.mlp.up_proj'])).toEqual(['model.layers.1.mlp.up_proj.weight']);
  });

  test('takes a tied head for a module of its own', () => {
    const tied = tinyConfig({ num_hidden_layers: 3, tie_word_embeddings: true });
    expect(whole(['lm_head'], tied)).toEqual(['lm_head.weight']);
    expect(whole(['embed_tokens'], tied)).toEqual(['model.embed_tokens.weight']);
  });

  test('refuses names that match nothing, and modules that have an adapter', () => {
    expect(() => whole(['embed_token'])).toThrow(
      /additional_target: .*embed_token \(did you mean embed_tokens\?\)/,
    );
    expect(() => whole(['q_proj'])).toThrow(expect.objectContaining({ code: 'ARGS_CONFLICT' }));
  });
});

describe('lora_target as a regular expression', () => {
  const target = (pattern: string) => select({ finetuning_type: 'lora', lora_target: [pattern] }).loraModules;

  test('must match the whole path', () => {
    expect(target('.*\\.[02]\\..*\\.(q|v)_proj')).toEqual(
      [0, 2].flatMap((i) => ['q', 'v'].map((p) => `model.layers.${i}.self_attn.${p}_proj`)),
    );
    expect(() => target('(q|v)_proj')).toThrow(expect.objectContaining({ code: 'ARGS_BAD_VALUE' }));
    expect(() => target('(q|v')).toThrow(/is no regular expression/);
  });
});

test('freeze without layers trains the extra modules alone', () => {
  expect(tensors({ freeze_trainable_layers: 0, freeze_extra_modules: ['norm'] })).toEqual([
    'model.norm.weight',
  ]);
});
