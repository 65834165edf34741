import { describe, expect, it } from 'vitest';
import { classificationReport } from '#factory/eval/classification-report.ts';
import { nextCommands, resultText, serveCommands } from './result-text.ts';

describe('resultText', () => {
  it('shows the gain, one mail with both answers, and three commands', () => {
    const truth = ['spam', 'spam', 'ham', 'ham'];
    const report = (answers: string[]) =>
      classificationReport(
        answers.map((prediction, i) => ({ id: `${i}`, prompt: '', prediction, references: [truth[i]] })),
        { labels: ['spam', 'ham'], label_match: 'exact' },
      );
    const text = resultText({
      before: report(['spam', 'spam', 'spam', 'spam']),
      after: report(truth),
      samples: [
        { mail: `Subject: Prize\n\n${'word '.repeat(60)}`, truth: 'spam', before: 'a\nb', after: 'spam' },
      ],
      adapter: 'out/adapter',
      lossPlot: 'out/adapter/training_loss.png',
      deployed: {
        path: 'out/gguf/model-q8_0.gguf',
        type: 'q8_0',
        bytes: 3_700_000,
        parity: { topTokenAgreement: 0.995, greedy: { equalTokens: 94, tokens: 96 } },
        report: report(['spam', 'spam', 'ham', 'spam']),
      },
      served: { text: 'spam', commands: serveCommands('out/gguf/model-q8_0.gguf', 'model-q8_0') },
      seconds: { total: 61.2, training: 40 },
      nextCommands: nextCommands('base', 'out/adapter'),
    });
    expect(text).toMatchInlineSnapshot(`
      "
      4 held-out mails (2 spam, 2 ham), none of them in training:

                  before                  after                   as q8_0
        accuracy  50.0 % [15.0–85.0]      100.0 % [51.0–100.0]    75.0 % [30.1–95.4]
        macro-F1  33.3 % [0.0–50.0]       100.0 % [50.0–100.0]    73.3 % [20.0–100.0]
                  in brackets: 95 % intervals (Wilson; bootstrap)

        | Subject: Prize
        | word word word word word word word word word word word word word word word word word wo…
          base model:  "a\\nb"
          fine-tuned:  "spam"   (truth: spam)

      adapter     out/adapter
      loss plot   out/adapter/training_loss.png
      for servers out/gguf/model-q8_0.gguf (3.7 MB), of which llama.cpp takes the likeliest token alike in 99.5 %,
                  and 94 of 96 tokens where both go on by themselves
      time        61 s in all, 40 s of it training

      Asked over HTTP whether "Claim your free prize now" is spam, it answered "spam". The same by hand:
        npx tunesmith serve out/gguf/model-q8_0.gguf
        curl http://localhost:8000/v1/chat/completions -H 'content-type: application/json' -d '{"model":"model-q8_0","messages":[{"role":"user","content":"Is this e-mail spam or ham? Answer with one word. Subject: Claim your free prize now"}],"max_tokens":24,"temperature":0}'

      What to do next:
        npx tunesmith generate --model_name_or_path base --adapter_name_or_path out/adapter --prompt 'Is this e-mail spam or ham? Answer with one word. Subject: Claim your free prize now'
        npx tunesmith train --model_name_or_path base --stage sft --do_train --dataset your_data.json --output_dir outputs
        npm run quickstart -- --model HuggingFaceTB/SmolLM2-135M-Instruct
      "
    `);
    for (const line of text.split('\n').filter((l) => !/npx|curl/.test(l)))
      expect(line.length).toBeLessThan(120);
  });
});
