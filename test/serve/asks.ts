// In: nothing. Out: settings of asks that tests share.
import type { SamplingAsk } from '../../packages/factory/src/records/served-model.ts';

export const greedy: SamplingAsk = {
  maxTokens: null,
  temperature: 0,
  topP: 1,
  topK: 0,
  minP: 0,
  repetitionPenalty: 1,
  presencePenalty: 0,
  frequencyPenalty: 0,
  logitBias: {},
  seed: null,
  stop: [],
  logprobs: null,
};
