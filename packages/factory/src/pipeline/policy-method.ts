// In: the arguments. Out: the method of stage grpo or ppo with its settings.
import type { TrainArgs } from '#factory/records/train-args.ts';
import { clippedMethod, groupMethod } from '#factory/train/policy-methods.ts';
import type { PolicyMethod } from '#factory/train/policy-task.ts';

export function methodOf(args: TrainArgs): PolicyMethod {
  const microBatchSize = args.per_device_train_batch_size;
  if (args.stage === 'ppo')
    return clippedMethod({
      buffer: args.ppo_buffer_size,
      epochs: args.ppo_epochs,
      normalisesScores: args.ppo_score_norm,
      whitensRewards: args.ppo_whiten_rewards,
      klTarget: args.ppo_target,
      microBatchSize,
      accumulation: args.gradient_accumulation_steps,
    });
  return groupMethod({
    loss: args.grpo_loss_type,
    beta: args.grpo_beta,
    low: args.grpo_epsilon,
    high: args.grpo_epsilon_high ?? args.grpo_epsilon,
    level: args.importance_sampling_level,
    temperature: args.temperature,
    maxTokens: args.max_new_tokens,
    answersPerPrompt: args.num_generations,
    iterations: args.num_iterations,
    scale: args.scale_rewards,
    masksTruncated: args.mask_truncated_completions,
    microBatchSize,
  });
}
