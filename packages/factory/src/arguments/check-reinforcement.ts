// In: final training arguments. Out: the rules between keys that stages ppo and grpo break.
import type { TrainArgs } from '#factory/records/train-args.ts';
import { absent, type Broken, conflict, notSupported, where } from './broken.ts';

export function reinforcementRules(args: TrainArgs): Broken[] {
  const { stage } = args;
  if (stage !== 'ppo' && stage !== 'grpo') return [];
  return [...rewardRules(args), ...samplingRules(args)];
}

const isAddress = (text: string) => /^https?:\/\//.test(text);

function rewardRules(args: TrainArgs): Broken[] {
  const { stage, reward_model: model, reward_model_type: type, reward_weights: weights } = args;
  const rewards = args.reward_functions.length + (model === null ? 0 : 1);
  const bits = args.reward_model_quantization_bit;
  return where(
    [
      rewards === 0,
      absent(
        'reward_functions',
        `stage ${stage} learns from rewards, but neither reward_functions nor reward_model is given`,
        'Add --reward_functions with a TypeScript file or an http address, or --reward_model.',
      ),
    ],
    [
      weights !== null && weights.length !== rewards,
      conflict(
        ['reward_weights', 'reward_functions'],
        `reward_weights has ${weights?.length} numbers for ${rewards} rewards`,
        'Give reward_weights one number per reward function, and one for reward_model behind them.',
      ),
    ],
    [
      model !== null && isAddress(model) !== (type === 'api'),
      conflict(
        ['reward_model', 'reward_model_type'],
        `reward_model ${model} does not fit reward_model_type ${type}`,
        'Set reward_model_type to api for an http address, to lora for an adapter and to full for a model.',
      ),
    ],
    [
      args.reward_model_adapters.length > 0 && (model === null || type !== 'full'),
      conflict(
        ['reward_model_adapters', 'reward_model_type'],
        'reward_model_adapters need a reward_model of reward_model_type full',
        'Set reward_model_type to full, or name the adapter as reward_model.',
      ),
    ],
    [
      ![null, 4, 8].includes(bits),
      notSupported(
        'reward_model_quantization_bit',
        `reward_model_quantization_bit ${bits} is refused: there are 4 and 8 bits`,
        'Set reward_model_quantization_bit to 4 or 8.',
      ),
    ],
  );
}

function samplingRules(args: TrainArgs): Broken[] {
  const { stage, num_generations: group } = args;
  const batch = args.per_device_train_batch_size * args.gradient_accumulation_steps;
  return where(
    [
      stage === 'grpo' && batch % group !== 0,
      conflict(
        ['num_generations', 'per_device_train_batch_size', 'gradient_accumulation_steps'],
        `per_device_train_batch_size times gradient_accumulation_steps is ${batch} answers a step, which are no whole groups of ${group}`,
        'Make per_device_train_batch_size times gradient_accumulation_steps a multiple of num_generations.',
      ),
    ],
    [
      stage === 'grpo' && (!args.do_sample || args.temperature === 0),
      conflict(
        ['do_sample', 'temperature'],
        'stage grpo compares several answers to a prompt, which are all the same without sampling',
        'Remove do_sample, and set temperature above 0.',
      ),
    ],
    [
      args.do_predict,
      conflict(
        ['do_predict', 'stage'],
        `do_predict is for stages sft (answers) and rm (scores), and stage is ${stage}`,
        'Remove do_predict, or generate answers with the trained adapter by "tunesmith generate".',
      ),
    ],
    [
      args.neftune_noise_alpha !== null,
      conflict(
        ['neftune_noise_alpha', 'stage'],
        `stage ${stage} compares probabilities before and after a step, which noise on embeddings would blur`,
        'Remove neftune_noise_alpha.',
      ),
    ],
  );
}
