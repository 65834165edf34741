import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CleanRow } from '#factory/records/clean-row.ts';
import { rowToJson } from '#factory/records/clean-row.ts';
import { batchRunner } from '../clean-batch.ts';
import { openPool } from '../clean-pool.ts';
import type { RecipeStep } from '../clean-recipe.ts';
import { cutStep } from '../cut-step.ts';
import { mailTracesStep } from './mail-traces-step.ts';

const row = (text: string): string => {
  const one: CleanRow = {
    ...{ kind: 'sft', system: '', tools: '', extra: {} },
    prompt: [{ role: 'user', content: text }],
    response: [{ role: 'assistant', content: 'ham' }],
  };
  return rowToJson(one);
};
const textOf = (json: string) => (JSON.parse(json) as CleanRow).prompt[0]!.content;
const steps: RecipeStep[] = [
  { step: mailTracesStep, options: {} },
  { step: cutStep, options: { max_pieces: 40 } },
];

describe('mail-traces', () => {
  it('takes out what tells where a mail was collected, each under its name', () => {
    const mail = [
      'Subject: [ILUG] Re: lunch',
      '',
      '> are you coming?',
      'Yes, see http://a.example/x?y and write to bob@b.example ======',
      '_______________________________________________',
      'Irish mailing list: ilug@c.example',
    ].join('\n');
    const { after, edits } = batchRunner(steps.slice(0, 1))([row(mail)]);
    expect(textOf(after[0]!)).toBe('Subject: Re: lunch\n\nYes, see [link] and write to [email] ===');
    expect(edits.map(({ reason }) => reason).sort()).toEqual([
      'addresses_replaced',
      'footer_removed',
      'links_replaced',
      'list_tag_removed',
      'quoted_lines_removed',
      'signs_shortened',
    ]);
  });
});

describe('cut', () => {
  it('keeps a beginning, never a longer text, and cuts a cut text no more', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const run = batchRunner(steps.slice(1));
        const cut = run([row(text)]).after[0] ?? row(text);
        expect(text.startsWith(textOf(cut))).toBe(true);
        expect(run([cut]).after).toEqual([null]);
      }),
    );
  });
});

describe('worker threads', () => {
  it('give what one thread gives', async () => {
    const rows = Array.from({ length: 60 }, (_, i) => row(`Subject: [x] ${i}\n\n> q\n${'word '.repeat(i)}`));
    const pool = openPool(steps, 2);
    try {
      const batches = [rows.slice(0, 20), rows.slice(20, 40), rows.slice(40)];
      const found = await Promise.all(batches.map((batch) => pool.run(batch)));
      expect(found).toEqual(batches.map(batchRunner(steps)));
    } finally {
      await pool.close();
    }
  });
});
