// Every combination of keys that LLaMA-Factory refuses is refused here too, from the words alone, before a file of a model or
// of data is opened: with the rule and a remedy. Where the other key is not supported at all, it is refused by name.
import { describe, expect, test } from 'vitest';
import { FactoryError } from '#factory/errors.ts';
import { parseTrainArgs } from './parse.ts';

const deps = { readFile: () => '', env: {} };
const MODEL = '--model_name_or_path nowhere --output_dir o';
const BASE = `${MODEL} --do_train --dataset nothing --template default`;
const PPO = `${BASE} --stage ppo`;
const parse = (words: string) => parseTrainArgs(words.trim().split(/\s+/), deps);

function refusal(run: () => unknown): FactoryError {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(FactoryError);
    return error as FactoryError;
  }
  return expect.unreachable();
}

const RULES: Readonly<Record<string, readonly (readonly [words: string, rule: RegExp])[]>> = {
  data: [
    [`${MODEL} --do_eval --val_size 0.1`, /val_size holds out training rows, but dataset is not given/],
    [`${BASE} --val_size 0.1 --eval_dataset e`, /val_size and eval_dataset exclude each other/],
    [`${BASE},b --interleave_probs 0.5,0.5`, /interleave_probs needs an interleave mix/],
    [`${BASE} --mix_strategy interleave_under --interleave_probs 0.5,0.5`, /2 numbers for 1 data sets/],
    [`${BASE} --streaming --max_steps 9 --val_size 0.1`, /streaming/],
    [`${BASE} --streaming --max_steps 9 --max_samples 5`, /streaming/],
    [`${BASE} --streaming`, /streaming/],
    [`${BASE} --streaming --max_steps 9 --tokenized_path t`, /streaming/],
    [`${BASE} --mask_history --train_on_prompt`, /mask_history and train_on_prompt exclude each other/],
    [`${BASE} --stage dpo --mask_history`, /mask_history.* for stage sft only, and stage is dpo/],
    [`${BASE} --stage kto --train_on_prompt`, /train_on_prompt.* for stage sft only, and stage is kto/],
    [`${BASE} --stage pt --neat_packing`, /neat_packing is for stage sft only, and stage is pt/],
    [`${BASE} --stage rm --val_size 0.1 --predict_with_generate`, /for stage sft only, and stage is rm/],
  ],
  model: [
    [
      `${BASE} --adapter_name_or_path a --finetuning_type full`,
      /adapter_name_or_path needs finetuning_type lora/,
    ],
    [`${BASE} --quantization_bit 4 --finetuning_type full`, /quantization_bit needs finetuning_type lora/],
    [`${BASE} --quantization_bit 4 --finetuning_type freeze`, /quantization_bit needs finetuning_type lora/],
    [`${BASE} --quantization_bit 4 --pissa_init`, /pissa_init changes the base weights/],
    [`${BASE} --quantization_bit 4 --resize_vocab`, /resize_vocab/],
    [
      `${BASE} --quantization_bit 4 --adapter_name_or_path a --create_new_adapter`,
      /not possible when quantization_bit/,
    ],
    [`${BASE} --quantization_bit 4 --adapter_name_or_path a,b`, /quantised base takes one adapter, found 2/],
    [`${BASE} --quantization_bit 4 --quantization_device_map auto`, /quantization_device_map/],
    [`${BASE} --image_min_pixels 2048 --image_max_pixels 1024`, /image_m(in|ax)_pixels/],
    [`${BASE} --video_min_pixels 2048 --video_max_pixels 1024`, /video_m(in|ax)_pixels/],
    [`${BASE} --infer_backend vllm`, /infer_backend/],
    [`${BASE} --infer_backend sglang`, /infer_backend/],
  ],
  finetuning: [
    [PPO, /stage ppo learns from rewards, but neither reward_functions nor reward_model is given/],
    [`${PPO} --reward_model r --report_to mlflow`, /report_to/],
    [
      `${BASE} --stage dpo --pref_loss ipo --dpo_label_smoothing 0.1`,
      /dpo_label_smoothing is for pref_loss sigmoid only/,
    ],
    [`${BASE} --use_llama_pro --finetuning_type full`, /use_llama_pro needs finetuning_type freeze or lora/],
    [`${BASE} --use_galore`, /use_galore does not go with finetuning_type lora/],
    [`${BASE} --use_apollo`, /use_apollo does not go with finetuning_type lora/],
    [`${BASE} --use_badam`, /use_badam does not go with finetuning_type lora/],
    [
      `${BASE} --finetuning_type full --use_galore --use_apollo`,
      /use_galore and use_apollo exclude each other/,
    ],
    [
      `${BASE} --finetuning_type full --use_galore --use_badam`,
      /use_galore and use_badam exclude each other/,
    ],
    [
      `${BASE} --finetuning_type full --use_apollo --use_badam`,
      /use_apollo and use_badam exclude each other/,
    ],
    [`${PPO} --reward_model r --pissa_init`, /reference of stage ppo/],
    [`${BASE} --stage kto --pissa_init`, /reference of stage kto/],
    [`${BASE} --stage dpo --pissa_init`, /reference of stage dpo/],
    [`${BASE} --finetuning_type full --loraplus_lr_ratio 16`, /loraplus_lr_ratio needs finetuning_type lora/],
    [`${BASE} --finetuning_type freeze --use_rslora`, /use_rslora needs finetuning_type lora/],
    [`${BASE} --finetuning_type full --use_dora`, /use_dora needs finetuning_type lora/],
    [`${BASE} --finetuning_type full --pissa_init`, /pissa_init needs finetuning_type lora/],
    [
      `${BASE} --stage dpo --ref_model m --ref_model_quantization_bit 3`,
      /ref_model_quantization_bit 3 is refused/,
    ],
    [
      `${PPO} --reward_model r --reward_model_quantization_bit 2`,
      /reward_model_quantization_bit 2 is refused/,
    ],
  ],
  training: [
    [
      `${MODEL} --stage sft --do_predict --eval_dataset e`,
      /do_predict needs predict_with_generate in stage sft/,
    ],
    [`${BASE} --do_eval`, /neither eval_dataset nor val_size/],
    [`${BASE} --eval_strategy steps`, /neither eval_dataset nor val_size/],
    [`${BASE} --predict_with_generate`, /neither eval_dataset nor val_size/],
    [
      `${BASE} --val_size 0.1 --predict_with_generate --compute_accuracy`,
      /predict_with_generate and compute_accuracy exclude/,
    ],
    [
      `${BASE} --stage rm --val_size 0.1 --eval_strategy steps --load_best_model_at_end`,
      /refused for stage rm/,
    ],
    [`${BASE} --deepspeed ds.json --predict_with_generate --val_size 0.1`, /deepspeed is refused/],
    [`${BASE} --deepspeed ds.json --pure_bf16`, /deepspeed is refused/],
    [`${BASE} --deepspeed ds.json --finetuning_type full --use_galore`, /deepspeed is refused/],
    [`${BASE} --deepspeed ds.json --finetuning_type full --use_apollo`, /deepspeed is refused/],
    [`${BASE} --deepspeed ds.json --pissa_init`, /deepspeed is refused/],
    [`${BASE} --deepspeed ds.json --use_unsloth`, /deepspeed is refused/],
    [
      `${BASE} --finetuning_type full --use_galore --galore_layerwise --gradient_accumulation_steps 2`,
      /galore_layerwise/,
    ],
    [
      `${BASE} --finetuning_type full --use_apollo --apollo_layerwise --gradient_accumulation_steps 2`,
      /apollo_layerwise/,
    ],
    [`${BASE} --finetuning_type full --use_badam --badam_mode ratio`, /badam_mode/],
    [`${BASE} --fp8 --quantization_bit 4`, /fp8/],
    [`${BASE} --use_kt`, /use_kt/],
    [`${BASE} --use_mca --stage dpo`, /use_mca is refused/],
  ],
};

describe.each(Object.entries(RULES))('%s', (_, rows) => {
  test.each(rows)('%s', (words, rule) => {
    const { code, message, remedy } = refusal(() => parse(words));
    expect(code).toMatch(/^ARGS_(CONFLICT|MISSING|NOT_SUPPORTED)$/);
    expect(message).toMatch(rule);
    expect(remedy).toMatch(/^[A-Z].*\.$/);
  });
});

/** LLaMA-Factory refuses these for reasons that are not there here: a reward adapter has a base of its own, and rewards are evaluated. */
test.each([
  `${MODEL} --dataset d --template default --stage ppo --reward_model r --do_eval --val_size 0.1`,
  `${PPO} --reward_model r --finetuning_type full --reward_model_type lora`,
  `${PPO} --reward_model r --val_size 0.1 --eval_strategy steps --save_steps 500 --load_best_model_at_end`,
])('%s works here', (words) => {
  expect(parse(words).args.stage).toBe('ppo');
});

test('what follows from other keys is set, not refused', () => {
  expect(parse(`${BASE} --neat_packing`).args.packing).toBe(true);
  expect(parse(`${BASE} --stage pt`).notes.map(({ key }) => key)).toContain('packing');
  expect(parse(`${BASE} --stage sft`).notes.map(({ key }) => key)).not.toContain('packing');
  expect(parse(`${BASE} --lora_rank 4`).args.lora_alpha).toBe(8);
});
