// In: how an answer is sampled. Out: tokens, one per pass, each with the log-probabilities of the distribution before sampling where
// they are asked for. The order is llama.cpp's: logit bias, penalties, grammar, top-k, top-p, min-p, temperature.
import type { LlamaBinding, NativeContext, NativeSampler, SamplerConfig } from './binding.ts';
import type { SentAsk, TokenDetail } from './messages.ts';

/** Tokens back that penalties look. */
const MOST_PENALISED = 0x7fff;

export interface Sampled {
  /** Null where nothing may follow. */
  id: number | null;
  detail: TokenDetail | null;
}

export interface TokenSampler {
  sample(context: NativeContext, index: number): Promise<Sampled>;
  free(): void;
}

export async function openSampler(
  binding: LlamaBinding,
  ask: Omit<SentAsk, 'adapter'>,
): Promise<TokenSampler> {
  const grammarEvaluationState =
    ask.grammar === null ? undefined : await binding.newGrammarState(ask.grammar);
  const config = configOf(ask);
  const sampler = binding.newSampler();
  sampler.applyConfig({
    ...config.fixed,
    ...config.bias(),
    ...(grammarEvaluationState !== undefined && { grammarEvaluationState }),
  });
  const { logprobs } = ask.sampling;
  const plain = logprobs === null ? null : openPlain(binding);
  return {
    async sample(context, index) {
      const drawn = await context.sampleToken(index, sampler);
      if (drawn < 0) return { id: null, detail: null };
      const detail = plain && (await detailOf(context, index, plain, drawn, logprobs ?? 0));
      if (config.accept(drawn))
        sampler.applyConfig({
          ...config.fixed,
          ...config.bias(),
          ...(grammarEvaluationState !== undefined && { grammarEvaluationState }),
        });
      return { id: drawn, detail };
    },
    free() {
      sampler.dispose();
      plain?.dispose();
    },
  };
}

/** A sampler that changes no logit, to read them through. */
export function openPlain(binding: LlamaBinding): NativeSampler {
  const plain = binding.newSampler();
  plain.applyConfig({ temperature: 0 });
  return plain;
}

/** Natural logarithms of all probabilities at a place of the batch. */
export async function allLogprobs(
  context: NativeContext,
  index: number,
  plain: NativeSampler,
  into: Float32Array,
): Promise<void> {
  const [, , , pairs] = await context.sampleToken(index, plain, false, false, true, false);
  let greatest = Number.NEGATIVE_INFINITY;
  for (let i = 1; i < pairs.length; i += 2) greatest = Math.max(greatest, pairs[i]);
  let sum = 0;
  for (let i = 1; i < pairs.length; i += 2) sum += Math.exp(pairs[i] - greatest);
  const norm = greatest + Math.log(sum);
  for (let i = 1; i < pairs.length; i += 2) into[pairs[i - 1]] = pairs[i] - norm;
}

async function detailOf(
  context: NativeContext,
  index: number,
  plain: NativeSampler,
  drawn: number,
  count: number,
): Promise<TokenDetail> {
  // The likeliest is needed in any case: the sum is relative to its logit.
  const filter: [number[], boolean, boolean, boolean, number] = [
    [drawn],
    false,
    false,
    false,
    Math.max(1, count),
  ];
  const [, , , pairs, sum] = await context.sampleToken(index, plain, false, false, filter, true);
  const norm = Math.max(...pairs.filter((_, i) => i % 2 === 1)) + Math.log(sum);
  const top: { id: number; logprob: number }[] = [];
  let logprob = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < pairs.length; i += 2) {
    const one = { id: pairs[i], logprob: pairs[i + 1] - norm };
    if (one.id === drawn) logprob = one.logprob;
    if (!top.some(({ id }) => id === one.id)) top.push(one);
  }
  top.sort((a, b) => b.logprob - a.logprob || a.id - b.id);
  return { logprob, top: top.slice(0, count) };
}

/**
 * Presence and frequency count the answer's tokens only, repetition the prompt's too. llama.cpp has one list for all three, so
 * where both kinds are asked for, the first are biases that change with every token.
 */
function configOf({ prompt, sampling, seed }: Omit<SentAsk, 'adapter'>) {
  const { presencePenalty: presence, frequencyPenalty: frequency, repetitionPenalty: repetition } = sampling;
  const repeats = repetition !== 1;
  const counts = presence !== 0 || frequency !== 0;
  const asBias = repeats && counts;
  const seen = Array.from(prompt);
  const told = new Map<number, number>();
  const bias = new Map(Object.entries(sampling.logitBias).map(([id, value]) => [Number(id), value]));
  const isGreedy = sampling.temperature === 0;
  const fixed: SamplerConfig = {
    temperature: sampling.temperature,
    seed,
    ...(!isGreedy && {
      topP: sampling.topP,
      minP: sampling.minP,
      ...(sampling.topK > 0 && { topK: sampling.topK }),
    }),
    ...((repeats || counts) && {
      repeatPenalty: repetition,
      repeatPenaltyMaxTokens: MOST_PENALISED,
      repeatPenaltyPresencePenalty: asBias ? 0 : presence,
      repeatPenaltyFrequencyPenalty: asBias ? 0 : frequency,
    }),
  };
  return {
    fixed,
    bias(): Partial<SamplerConfig> {
      const all = new Map(bias);
      if (asBias)
        for (const [id, times] of told) all.set(id, (all.get(id) ?? 0) - presence - times * frequency);
      return {
        // Without the list llama.cpp makes no sampler of penalties, so an empty one is given, too.
        ...((repeats || counts) && {
          repeatPenaltyTokens: Uint32Array.from(repeats ? seen.slice(-MOST_PENALISED) : []),
        }),
        ...(all.size > 0 && {
          tokenBiasKeys: Uint32Array.from(all.keys()),
          tokenBiasValues: Float32Array.from(all.values()),
        }),
      };
    },
    /** True where the configuration changed. */
    accept(id: number): boolean {
      if (!asBias) return false;
      seen.push(id);
      told.set(id, (told.get(id) ?? 0) + 1);
      return true;
    },
  };
}
