import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { type ParsedTrainArgs, parseTrainArgs } from './parse.ts';
import { OLD_NAMES } from './rename.ts';
import { ARG_TABLE } from './table.ts';

const NONE = {
  readFile(): string {
    throw new Error('there is no file');
  },
};
const BASE = ['--model_name_or_path', 'M', '--do_train', '--dataset', 'd', '--output_dir', 'o'];

function parse(words: string[], files: Record<string, string> = {}, env = {}): ParsedTrainArgs {
  const readFile = (path: string) => {
    const text = files[path];
    if (text === undefined) throw Object.assign(new Error(`ENOENT: ${path}`), { code: 'ENOENT' });
    return text;
  };
  return parseTrainArgs(words, { readFile, env });
}

function flags(text: string): ParsedTrainArgs {
  return parse([...BASE, ...text.split(' ').filter((word) => word !== '')]);
}

function yaml(text: string, ...after: string[]): ParsedTrainArgs {
  return parse(['run.yaml', ...after], {
    'run.yaml': `model_name_or_path: M\ndo_train: true\ndataset: d\noutput_dir: o\n${text}`,
  });
}

function failure(run: () => unknown): FactoryError {
  try {
    run();
  } catch (error) {
    if (error instanceof FactoryError) return error;
    throw error;
  }
  throw new Error('expected a refusal');
}

const texts = (parsed: ParsedTrainArgs) => parsed.notes.map((note) => note.text).join('\n');

describe('the two commands that users copy', () => {
  it('takes QLoRA with LLaMA-Pro, and lacks only a data set', () => {
    const words =
      '--model_name_or_path Qwen/Qwen-7B --stage sft --do_train --quantization_bit 4 --use_llama_pro --lora_rank 8';
    const error = failure(() => parse(words.split(' ')));
    expect([error.code, error.message]).toEqual([
      'ARGS_MISSING',
      expect.stringMatching(/^dataset is missing[^;]*$/),
    ]);
    const { args } = parse([...words.split(' '), '--dataset', 'D', '--template', 'default']);
    expect(args).toMatchObject({
      quantization_bit: 4,
      use_llama_pro: true,
      freeze_trainable_layers: 2,
      lora_rank: 8,
      lora_alpha: 16,
      lora_target: ['all'],
    });
  });

  it('takes LLaMA-Pro, and says how many blocks are meant', () => {
    const words =
      '--model_name_or_path M --stage sft --do_train --dataset D --template default --use_llama_pro --lora_rank 8'.split(
        ' ',
      );
    const parsed = parse(words);
    expect(parsed.args).toMatchObject({ use_llama_pro: true, freeze_trainable_layers: 2, lora_rank: 8 });
    expect(texts(parsed)).toMatch(/freeze_trainable_layers = 2 expanded blocks, .* until v0\.5\.3 meant 3/);
    const given = parse([...words, '--num_layer_trainable', '3']);
    expect(given.args.freeze_trainable_layers).toBe(3);
    expect(texts(given)).not.toMatch(/expanded blocks|no effect/);
    expect(failure(() => parse([...words, '--finetuning_type', 'full'])).message).toMatch(
      /use_llama_pro needs finetuning_type freeze or lora/,
    );
    expect(failure(() => parse([...words, '--freeze_trainable_layers', '-1'])).code).toBe('ARGS_CONFLICT');
  });

  it('takes neat packing as packing, in stage sft only', () => {
    const words = '--model_name_or_path M --do_train --dataset D --template default --neat_packing'.split(
      ' ',
    );
    const parsed = parse(words);
    expect(parsed.args).toMatchObject({ packing: true, neat_packing: true });
    expect(texts(parsed)).toMatch(/packing = true, because neat_packing is set/);
    expect(failure(() => parse([...words, '--stage', 'pt'])).message).toMatch(
      /neat_packing is for stage sft/,
    );
  });

  it('understands the LoRA command of the train_bash.py era', () => {
    const words =
      '--model_name_or_path M --stage sft --do_train --dataset your_dataset --template default --finetuning_type lora --lora_target q_proj,v_proj --output_dir outputs --per_device_train_batch_size 4 --gradient_accumulation_steps 4 --lr_scheduler_type cosine --logging_steps 10 --save_steps 1000 --learning_rate 5e-5 --num_train_epochs 3.0 --fp16';
    const { args, notes } = parse(words.split(' '));
    expect(args).toMatchObject({
      model_name_or_path: 'M',
      stage: 'sft',
      do_train: true,
      dataset: ['your_dataset'],
      template: 'default',
      finetuning_type: 'lora',
      lora_target: ['q_proj', 'v_proj'],
      lora_rank: 8,
      lora_alpha: 16,
      output_dir: 'outputs',
      per_device_train_batch_size: 4,
      gradient_accumulation_steps: 4,
      lr_scheduler_type: 'cosine',
      logging_steps: 10,
      save_steps: 1000,
      learning_rate: 5e-5,
      num_train_epochs: 3,
      fp16: true,
      cutoff_len: 2048,
      packing: null,
    });
    expect(notes.map((note) => note.key)).toEqual(['lora_alpha', 'fp16']);
  });
});

describe('the usual LoRA recipe in YAML', () => {
  it('is understood, and every key without an effect is named', () => {
    const { args, notes } = yaml(
      `trust_remote_code: true
stage: sft
finetuning_type: lora
lora_rank: 8
lora_target: all
template: qwen3_nothink
cutoff_len: 2048
max_samples: 1000
preprocessing_num_workers: 16
dataloader_num_workers: 4
logging_steps: 10
save_steps: 500
plot_loss: true
overwrite_output_dir: true
save_only_model: false
report_to: none  # choices: [none, wandb]
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
lr_scheduler_type: cosine
warmup_ratio: 0.1
bf16: true
ddp_timeout: 180000000
resume_from_checkpoint: null
val_size: 0.1
eval_strategy: steps
eval_steps: 500
`,
    );
    expect(args).toMatchObject({
      learning_rate: 1e-4,
      resume_from_checkpoint: null,
      do_eval: true,
      eval_steps: 500,
    });
    expect(notes.map((note) => `${note.kind} ${note.key}`)).toEqual([
      'no_effect trust_remote_code',
      'no_effect preprocessing_num_workers',
      'no_effect dataloader_num_workers',
      'no_effect ddp_timeout',
      'derived lora_alpha',
      'translated warmup_steps',
      'derived do_eval',
      'info bf16',
    ]);
  });
});

describe('forms', () => {
  it.each([['--lora_rank 16'], ['--lora-rank 16'], ['--lora_rank=16'], ['lora_rank=16'], ['-lora_rank 16']])(
    'reads %s',
    (text) => expect(flags(text).args.lora_rank).toBe(16),
  );

  it('reads booleans bare, with a word, and negated', () => {
    expect(flags('--plot_loss --lora_rank 4').args.plot_loss).toBe(true);
    expect(flags('--plot_loss false').args.plot_loss).toBe(false);
    expect(flags('--plot_loss lora_rank=4').args).toMatchObject({ plot_loss: true, lora_rank: 4 });
    expect(flags('--no_do_sample').args.do_sample).toBe(false);
    expect(flags('--enable_thinking None').args.enable_thinking).toBeNull();
  });

  it('reads negative numbers, lists of words, JSON, and values with spaces', () => {
    expect(
      flags('--max_steps -1 --finetuning_type freeze --freeze_trainable_layers -2').args
        .freeze_trainable_layers,
    ).toBe(-2);
    expect(flags('--lora_target q_proj v_proj').args.lora_target).toEqual(['q_proj', 'v_proj']);
    expect(flags('--lr_scheduler_kwargs {"num_cycles":2}').args.lr_scheduler_kwargs).toEqual({
      num_cycles: 2,
    });
    expect(parse([...BASE, '--default_system', '- be kind']).args.default_system).toBe('- be kind');
    expect(parse([...BASE, '--sample_prompts', 'a, b', 'c']).args.sample_prompts).toEqual(['a, b', 'c']);
    expect(parse([...BASE, '--run_name', 'a=b']).args.run_name).toBe('a=b');
  });

  it('reads YAML, with what PyYAML leaves as text, and overrides in both forms', () => {
    const { args, given } = yaml(
      'learning_rate: "1e-4"\nwarmup_steps: 1e-1\neval_strategy: no\nlora_target: [q_proj, v_proj]\nrun_name: 1.10\n### comment\nfp16: yes\n',
      'lora_rank=16',
      '--lora_alpha',
      '64',
      '--dataset=a,b',
    );
    expect(args).toMatchObject({
      learning_rate: 1e-4,
      warmup_steps: 0.1,
      eval_strategy: 'no',
      lora_target: ['q_proj', 'v_proj'],
      run_name: '1.10',
      fp16: true,
      lora_rank: 16,
      lora_alpha: 64,
      dataset: ['a', 'b'],
    });
    expect(given.lora_rank).toBe(16);
    expect(Object.hasOwn(given, 'cutoff_len')).toBe(false);
  });

  it('reads YAML merges and JSON files', () => {
    const merged = 'base: &b\n  lora_rank: 4\n<<: *b\n';
    expect(failure(() => yaml(merged)).message).toMatch(/^base is not a known key.*run.yaml, line 5/);
    const json =
      '{\n\t"model_name_or_path": "M", "do_train": true,\n\t"dataset": "d", "lora_rank": 2, "lora_rank": 4\n}';
    const parsed = parse(['c.json', 'cutoff_len=64'], { 'c.json': json });
    expect(parsed.args).toMatchObject({ lora_rank: 4, cutoff_len: 64 });
    expect(texts(parsed)).toMatch(/lora_rank is given twice in c.json \(lora_rank 2, then lora_rank 4\)/);
  });

  it('says when a key is given twice, and uses the last', () => {
    const twice = flags('--lora_rank 4 --lora_rank 8');
    expect(twice.args.lora_rank).toBe(8);
    expect(texts(twice)).toMatch(/lora_rank is given twice on the command line .*last one is used/);
    const names = flags('--sft_packing --packing false');
    expect(names.args.packing).toBe(false);
    expect(texts(names)).toMatch(/\(sft_packing true, then packing "false"\)/);
  });
});

describe('refusals', () => {
  it('lists all unknown keys, wrong values and refused keys at once', () => {
    const error = failure(() =>
      flags('--lora_rnak 8 --lr 1e-4 --zzzzqq 1 --lora_alpha x --cutoff_len --pref_loss kto_pair --use_mca'),
    );
    expect(error.code).toBe('ARGS_UNKNOWN_KEY');
    expect(error.message).toMatch(/lora_rnak is not a known key, did you mean lora_rank\?/);
    expect(error.message).toMatch(/did you mean learning_rate\?/);
    expect(error.message).toMatch(/zzzzqq is not a known key \(--zzzzqq\)/);
    expect(error.message).toMatch(/lora_alpha: expected a whole number, at least 1, found "x"/);
    expect(error.message).toMatch(/cutoff_len: expected a value after it, found none/);
    expect(error.message).toMatch(/pref_loss "kto_pair" is refused: LLaMA-Factory takes it and then stops/);
    expect(error.message).toMatch(/use_mca is refused: it is a multi-GPU PyTorch backend/);
  });

  it('names file and line', () => {
    expect(failure(() => yaml('lora_rank: many\n')).message).toMatch(
      /lora_rank: expected .*"many" \(run.yaml, line 5\)/,
    );
  });

  it('accepts refused keys at their defaults, and harmless values', () => {
    const { notes } = flags(
      '--use_dora false --quantization_bit None --optim adamw_torch --report_to none --num_beams 1 --flash_attn auto',
    );
    expect(notes.map((note) => note.key)).toEqual(['lora_alpha']);
    expect(failure(() => flags('--optim lion_8bit')).message).toMatch(
      /optim "lion_8bit" is refused: its state in 8 bits/,
    );
    expect(failure(() => flags('--report_to wandb')).code).toBe('ARGS_NOT_SUPPORTED');
    expect(failure(() => flags('--batch_size 4')).message).toMatch(/per_device_train_batch_size/);
  });

  it('notes keys without an effect, with the reason', () => {
    const parsed = flags(
      '--preprocessing_num_workers 16 --ddp_timeout 180000000 --trust_remote_code --quantization_type fp4',
    );
    expect(parsed.notes.filter((note) => note.kind === 'no_effect').map((note) => note.key)).toEqual([
      'preprocessing_num_workers',
      'ddp_timeout',
      'trust_remote_code',
      'quantization_type',
    ]);
  });

  it('ignores unknown keys only when asked, and says so', () => {
    const parsed = parse([...BASE, '--made_up_thing', '1'], {}, { ALLOW_EXTRA_ARGS: '1' });
    expect(texts(parsed)).toMatch(/made_up_thing is not known; ignored because ALLOW_EXTRA_ARGS/);
  });

  it('refuses stray words and files that cannot be used', () => {
    expect(failure(() => parse(['lora_rank'])).code).toBe('CLI_USAGE');
    expect(failure(() => parse(['--lora_rank', '8', 'run.yaml'])).remedy).toMatch(/run.yaml first/);
    expect(failure(() => parse(['gone.yaml'])).code).toBe('ARGS_FILE');
    for (const text of [
      '- a\n',
      'a: [',
      'a: b: c',
      '"text"',
      '[]',
      `a: ${'['.repeat(50_000)}`,
      'a: 1\n---\nb: 2',
      '\u0000\u0001',
    ]) {
      expect(failure(() => parse(['x.yaml'], { 'x.yaml': text })).code, text.slice(0, 20)).toBe('ARGS_FILE');
    }
    for (const text of ['[]', '{', 'null', '{"a": 1} x', '']) {
      expect(failure(() => parse(['x.json'], { 'x.json': text })).code, text).toBe('ARGS_FILE');
    }
    expect(failure(() => parse(['x.yaml'], { 'x.yaml': 'x'.repeat(1_000_001) })).code).toBe('ARGS_FILE');
  });
});

describe('older names', () => {
  const values: Record<string, [string, string, unknown]> = {
    checkpoint_dir: ['a,b', 'adapter_name_or_path', ['a', 'b']],
    resume_lora_training: ['false', 'create_new_adapter', true],
    dpo_ref_model: ['r', 'ref_model', 'r'],
    dpo_ref_model_checkpoint: ['r', 'ref_model_adapters', ['r']],
    neft_alpha: ['0', 'neftune_noise_alpha', null],
    prompt_template: ['qwen', 'template', 'qwen'],
    system_prompt: ['s', 'default_system', 's'],
    dev_ratio: ['0.1', 'val_size', 0.1],
    sft_packing: ['true', 'packing', true],
    cache_path: ['c', 'tokenized_path', 'c'],
    ppo_logger: ['none', 'report_to', ['none']],
    num_layer_trainable: ['3', 'freeze_trainable_layers', 3],
    name_module_trainable: ['mlp', 'freeze_trainable_modules', ['mlp']],
    badam_switch_block_every: ['7', 'badam_switch_interval', 7],
    dpo_beta: ['0.2', 'pref_beta', 0.2],
    dpo_ftx: ['1', 'pref_ftx', 1],
    dpo_loss: ['ipo', 'pref_loss', 'ipo'],
    orpo_beta: ['0.3', 'pref_beta', 0.3],
    vllm_dtype: ['float16', 'infer_dtype', 'float16'],
    image_resolution: ['512', 'image_max_pixels', 262144],
    video_resolution: ['128', 'video_max_pixels', 16384],
    image_dir: ['i', 'media_dir', 'i'],
    new_special_tokens: ['', 'add_special_tokens', null],
    use_cache: ['false', 'use_kv_cache', false],
    evaluation_strategy: ['no', 'eval_strategy', 'no'],
    no_cuda: ['true', 'use_cpu', true],
    per_gpu_train_batch_size: ['2', 'per_device_train_batch_size', 2],
    per_gpu_eval_batch_size: ['2', 'per_device_eval_batch_size', 2],
    group_by_length: ['true', 'train_sampling_strategy', 'group_by_length'],
    adafactor: ['false', 'optim', 'adamw_torch'],
    fp16_backend: ['auto', 'half_precision_backend', 'auto'],
    push_to_hub_model_id: ['x', 'hub_model_id', 'x'],
    push_to_hub_organization: ['x', 'hub_model_id', 'x'],
    push_to_hub_token: ['x', 'hub_token', 'x'],
    max_source_length: ['700', 'cutoff_len', 1212],
    max_target_length: ['100', 'cutoff_len', 612],
  };

  it('are all in the list above, and none is also a current key', () => {
    expect(Object.keys(values).sort()).toEqual([...OLD_NAMES].sort());
    expect(OLD_NAMES.filter((name) => ARG_TABLE.has(name))).toEqual([]);
  });

  it.each(Object.entries(values))('translates %s', (old, [value, name, expected]) => {
    const parsed = flags(`--${old}=${value}`);
    expect(parsed.given[name]).toEqual(expected);
    expect(
      parsed.notes.some((note) => note.kind === 'translated' && note.key === name && note.text.includes(old)),
    ).toBe(true);
  });

  it('inverts, adds up, and reads bare booleans', () => {
    expect(flags('--resume_lora_training').args.create_new_adapter).toBe(false);
    expect(flags('--max_source_length 256 --max_target_length 128').args.cutoff_len).toBe(384);
    expect(failure(() => flags('--max_source_length much')).message).toMatch(
      /cutoff_len: expected a whole number/,
    );
    expect(flags('--group_by_length --lora_rank 4').args.lora_rank).toBe(4);
    expect(flags('--adafactor').args.optim).toBe('adafactor');
    expect(flags('--neft_alpha 5').args.neftune_noise_alpha).toBe(5);
    expect(failure(() => flags('--finetuning_type none')).message).toMatch(/"none" is refused/);
  });

  it.each([
    ['--flash_attn --lora_rank 4', 'fa2'],
    ['--flash_attn true', 'fa2'],
    ['--flash_attn False', 'disabled'],
    ['--flash_attn off', 'disabled'],
    ['--flash_attn sdpa', 'sdpa'],
  ])('reads the older value of %s', (text, expected) => expect(flags(text).given.flash_attn).toBe(expected));

  it('dates an old command and names the defaults that changed', () => {
    const parsed = flags('--num_layer_trainable 3 --finetuning_type freeze --template default');
    expect(parsed.notes[0]!.text).toMatch(
      /train_bash.py era \(num_layer_trainable\).*cutoff_len was 1024 and is 2048/,
    );
    expect(parsed.notes[0]!.text).toMatch(/template_version was v0.6.3 and is latest/);
    expect(texts(flags('--evaluation_strategy no'))).not.toMatch(/era/);
  });
});

describe('derived values', () => {
  it.each([
    ['--lora_rank 32', { lora_alpha: 64 }],
    ['--lora_rank 32 --lora_alpha 5', { lora_alpha: 5 }],
    ['--stage pt', { packing: null }],
    ['--stage pt --packing', { packing: true }],
    ['--stage pt --packing false', { packing: false }],
    [
      '',
      {
        packing: null,
        do_eval: false,
        eval_steps: null,
        metric_for_best_model: 'loss',
        greater_is_better: false,
      },
    ],
    ['--val_size 0.1 --eval_strategy steps --logging_steps 7', { do_eval: true, eval_steps: 7 }],
    ['--val_size 0.1 --eval_strategy epoch', { do_eval: true, eval_steps: null }],
    ['--warmup_ratio 0.1', { warmup_steps: 0.1, warmup_ratio: 0.1 }],
    ['--warmup_ratio 0.1 --warmup_steps 20', { warmup_steps: 20, warmup_ratio: 0 }],
    [
      '--val_size 0.1 --eval_strategy epoch --save_strategy epoch --load_best_model_at_end --compute_accuracy --metric_for_best_model accuracy',
      { greater_is_better: true },
    ],
  ])('%s', (text, expected) => {
    expect(flags(text).args).toMatchObject(expected);
  });

  it('explains what gives way and what stays idle', () => {
    expect(texts(flags('--max_steps 5 --num_train_epochs 2'))).toMatch(
      /num_train_epochs gives way to max_steps 5/,
    );
    expect(texts(flags('--finetuning_type full --lora_rank 4'))).toMatch(/lora_rank has no effect: .*lora/);
    expect(texts(flags('--stage pt'))).toMatch(/packed into full sequences/);
    expect(texts(flags('--val_size 0.1'))).toMatch(/nothing evaluates them/);
    expect(texts(parse(BASE.slice(0, 5)))).toMatch(/output_dir = trainer_output/);
  });

  it('hands out fresh lists', () => {
    const first = flags('').args;
    first.lora_target.push('changed');
    expect(flags('').args.lora_target).toEqual(['all']);
  });
});

describe('rules between keys', () => {
  it.each([
    ['--val_size 0.1 --eval_dataset e', 'exclude each other'],
    ['--val_size 1.5', 'neither a share below 1 nor a whole number of rows'],
    ['--interleave_probs 0.5,0.5', 'needs an interleave mix'],
    ['--dataset a,b --mix_strategy interleave_under --interleave_probs 1', '1 numbers for 2 data sets'],
    ['--dataset a,b --mix_strategy interleave_under --interleave_probs 1,-1', 'at least 0'],
    ['--mask_history --train_on_prompt', 'exclude each other'],
    ['--stage pt --mask_history', 'stage sft only'],
    ['--stage pt --do_predict --val_size 0.1', 'stage pt has none'],
    ['--dataset_dir ONLINE', 'local files only'],
    ['--finetuning_type full --adapter_name_or_path a', 'needs finetuning_type lora'],
    ['--finetuning_type freeze --use_rslora', 'needs finetuning_type lora'],
    ['--finetuning_type freeze --freeze_trainable_layers 0', 'trains nothing'],
    ['--train_from_scratch --adapter_name_or_path a', 'random weights'],
    ['--bf16 --fp16', 'exclude each other'],
    ['--warmup_steps 1.5', 'neither a share'],
    ['--logging_steps 0.1', 'eval_steps only'],
    ['--save_steps 0.1', 'eval_steps only'],
    ['--do_eval', 'neither eval_dataset nor val_size'],
    ['--eval_strategy steps', 'neither eval_dataset nor val_size'],
    ['--do_predict --val_size 0.1', 'needs predict_with_generate'],
    ['--do_predict --predict_with_generate --compute_accuracy --val_size 0.1', 'exclude each other'],
    ['--early_stopping_steps 2', 'eval_strategy is no'],
    ['--load_best_model_at_end', 'eval_strategy is no'],
    ['--val_size 0.1 --load_best_model_at_end --eval_strategy epoch', 'save_strategy steps'],
    [
      '--val_size 0.1 --load_best_model_at_end --eval_strategy steps --eval_steps 30 --save_steps 100',
      'multiple of eval_steps',
    ],
    [
      '--val_size 0.1 --load_best_model_at_end --eval_strategy epoch --save_strategy epoch --metric_for_best_model accuracy',
      'not computed by this run',
    ],
    ['--extend --overwrite_output_dir --max_steps 9', 'starts anew'],
    ['--extend', 'how far'],
    ['--resume_from_checkpoint o/checkpoint-1 --save_only_model', 'no optimiser state'],
    ['--eval_samples 3', 'neither eval_dataset nor val_size'],
  ])('%s', (text, message) => {
    const error = failure(() => flags(text));
    expect(error.code).toMatch(/^ARGS_(CONFLICT|MISSING|NOT_SUPPORTED)$/);
    expect(error.message).toContain(message);
    expect(error.remedy).toMatch(/^[A-Z].*\.$/);
  });

  it('asks for the model, the data and something to do, all at once', () => {
    const error = failure(() => parse([]));
    expect(error.code).toBe('ARGS_MISSING');
    expect(error.message).toMatch(/model_name_or_path is missing.*nothing to do/);
    expect(failure(() => parse(['--model_name_or_path', 'M', '--do_train'])).message).toMatch(
      /dataset is missing/,
    );
    expect(
      parse(['--model_name_or_path', 'M', '--do_train', '--tokenized_path', 't']).args.tokenized_path,
    ).toBe('t');
  });
});

describe('hostile input', () => {
  const key = fc.oneof(fc.constantFrom(...ARG_TABLE.keys(), ...OLD_NAMES), fc.string());
  const value = fc.oneof(
    fc.anything(),
    fc.string(),
    fc.double(),
    fc.constantFrom('None', '-1', '1e-4', 'true', '__proto__'),
  );

  const onlyTyped = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      expect(error).toBeInstanceOf(FactoryError);
      expect((error as FactoryError).remedy).not.toBe('');
    }
  };

  it('gives arguments or a typed error for any words', () => {
    const word = fc.oneof(
      fc.string(),
      key.map((name) => `--${name}`),
      fc.tuple(key, fc.string()).map(([name, text]) => `--${name}=${text}`),
      fc.tuple(key, fc.string()).map(([name, text]) => `${name}=${text}`),
      fc.constantFrom('-1', '--', '-', '=', '--=', '', '--no_', '--__proto__', 'a.yaml'),
    );
    fc.assert(
      fc.property(fc.array(word, { maxLength: 12 }), (words) => onlyTyped(() => parseTrainArgs(words, NONE))),
    );
  });

  it('gives arguments or a typed error for any JSON or YAML file', () => {
    const object = fc.dictionary(key, value, { maxKeys: 8 });
    const asText = (one: unknown) => {
      try {
        return JSON.stringify(one) ?? '';
      } catch {
        return '{}';
      }
    };
    fc.assert(
      fc.property(object, fc.constantFrom('f.json', 'f.yaml'), (one, name) =>
        onlyTyped(() => parse([name], { [name]: asText(one) })),
      ),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.constantFrom('f.json', 'f.yaml'), (text, name) =>
        onlyTyped(() => parse([name], { [name]: text })),
      ),
    );
    const yamlish = fc.array(
      fc.constantFrom(
        'a',
        ': ',
        '\n',
        '- ',
        '  ',
        '[',
        ']',
        '{',
        '}',
        '&x ',
        '*x',
        '!!int ',
        '|',
        '>',
        '"',
        "'",
        '#',
        '<<',
        '? ',
        '---',
        '%',
      ),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(yamlish, (parts) => onlyTyped(() => parse(['f.yaml'], { 'f.yaml': parts.join('') }))),
    );
  });
});
