// In: nothing. Out: the keys of stages ppo and grpo that only Tunesmith has, in the names of TRL where these say enough.
import { bool, choice, float, int, list, numbers, optional, supported } from './key.ts';

export const REINFORCEMENT_KEYS = [
  supported(
    'reward_functions',
    list,
    [],
    'ppo, grpo: rewards as file.ts, file.ts:exportName or http://..., separated by commas',
  ),
  supported(
    'reward_weights',
    optional(numbers),
    null,
    'one weight per reward, the reward model last; unset = 1 each',
  ),
  supported(
    'reward_timeout',
    float({ min: 0, exclusiveMin: true }),
    60,
    'seconds that one call of a reward may take',
  ),
  supported('reward_retries', int(0), 2, 'further tries of a reward server'),
  supported('num_generations', int(2), 8, 'grpo: answers per prompt, compared with one another'),
  supported('num_iterations', int(1), 1, 'grpo: times that each answer is learned from'),
  supported(
    'grpo_beta',
    float({ min: 0 }),
    0,
    'grpo: weight of the distance from the reference; 0 = no reference',
  ),
  supported(
    'grpo_epsilon',
    float({ min: 0, max: 1, exclusiveMin: true }),
    0.2,
    'grpo: ratios are clipped below 1 - this',
  ),
  supported(
    'grpo_epsilon_high',
    optional(float({ min: 0, exclusiveMin: true })),
    null,
    'grpo: ratios are clipped above 1 + this; unset = grpo_epsilon',
  ),
  supported(
    'grpo_loss_type',
    choice('grpo', 'bnpo', 'dr_grpo', 'dapo'),
    'dapo',
    'grpo: mean per answer (grpo), per token of the micro batch (bnpo) or of the step (dapo), or by max_new_tokens',
  ),
  supported(
    'scale_rewards',
    choice('group', 'batch', 'none'),
    'group',
    'grpo: what advantages are divided by: the deviation of the group, of all, or nothing',
  ),
  supported(
    'importance_sampling_level',
    choice('token', 'sequence'),
    'token',
    'grpo: ratios of tokens, or of whole answers (GSPO)',
  ),
  supported('mask_truncated_completions', bool, false, 'grpo: learn nothing from answers that did not end'),
  supported('logged_completions', int(0), 8, 'ppo, grpo: answers of each round kept in completions.jsonl'),
];
