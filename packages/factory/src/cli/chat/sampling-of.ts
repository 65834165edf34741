// In: the arguments of generation. Out: the same as an ask of a served model.
import type { SamplingAsk } from '#factory/records/served-model.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';

export function samplingOf(args: TrainArgs, stop: readonly string[]): SamplingAsk {
  return {
    maxTokens: args.max_new_tokens,
    temperature: args.do_sample ? args.temperature : 0,
    topP: args.top_p,
    topK: args.top_k,
    minP: 0,
    repetitionPenalty: args.repetition_penalty,
    presencePenalty: 0,
    frequencyPenalty: 0,
    logitBias: {},
    seed: args.seed,
    stop,
    logprobs: null,
  };
}
