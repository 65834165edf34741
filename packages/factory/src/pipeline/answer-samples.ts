// In: sample prompts and evaluation rows. Out: the model's present answers as events, greedy, so that two evaluations can
// be compared.
import type { Decoder } from '#factory/model/decoder.ts';
import { generateTokens } from '#factory/model/generate.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import type { TrainEvent } from '#factory/records/train-events.ts';
import type { ResolvedTemplate } from '#factory/tokens/template.ts';
import { checkVocabulary } from './check-vocabulary.ts';
import type { Base } from './open-base.ts';
import type { PreparedRows } from './prepare-rows.ts';

const MAX_NEW_TOKENS = 128;

export async function answerSamples(
  args: TrainArgs,
  decoder: Decoder,
  base: Base,
  template: ResolvedTemplate | null,
  evaluation: PreparedRows['evaluation'],
  step: number,
  emit: (event: TrainEvent) => void,
  signal: AbortSignal,
): Promise<void> {
  const prompts: { text: string; ids: number[] }[] = args.sample_prompts.map((text) => ({
    text,
    ids: template
      ? template.encodeOneTurn(
          [
            { role: 'user', content: text },
            { role: 'assistant', content: '' },
          ],
          '',
          '',
        ).prompt
      : base.tokenizer.encode(text),
  }));
  for (const { prompt, response, system, tools } of evaluation
    .flatMap((e) => e.examples)
    .slice(0, args.eval_samples)) {
    const text = prompt.at(-1)?.content ?? '';
    if (template)
      prompts.push({
        text,
        ids: template.encodeOneTurn(
          [...prompt, response[0] ?? { role: 'assistant', content: '' }],
          system,
          tools,
        ).prompt,
      });
  }
  for (const { text, ids } of prompts) {
    if (signal.aborted) return;
    checkVocabulary(ids, base.tokenizer, base.config.vocabSize);
    const [answer] = await generateTokens(decoder, [ids], {
      maxNewTokens: Math.min(MAX_NEW_TOKENS, args.max_new_tokens),
      doSample: false,
      temperature: 1,
      topK: 0,
      topP: 1,
      repetitionPenalty: 1,
      stopIds: template?.stopIds ?? (base.tokenizer.eosId === null ? [] : [base.tokenizer.eosId]),
      random: () => 0,
      signal,
    });
    emit({
      kind: 'sample',
      step,
      prompt: text,
      text: base.tokenizer.decode(answer.ids, { skipSpecialTokens: true }),
    });
  }
}
