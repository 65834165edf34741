// In: a recipe. Out: what each reason of its steps means in both languages, and the score and threshold that it looks at.
import type { Recipe } from '#factory/data/clean-recipe.ts';
import type { ReportReason } from '#factory/records/clean-report.ts';

export type ReasonTexts = Map<string, Pick<ReportReason, 'text' | 'score' | 'threshold'>>;

/** By `step.reason`. */
export function reasonTexts({ steps }: Recipe): ReasonTexts {
  return new Map(
    steps.flatMap(({ step, options }) =>
      Object.entries(step.reasons).map(([reason, { text, rule, boundary }]) => {
        const option = rule?.option ?? boundary?.option;
        const threshold = option === undefined ? null : (options[option] as number | null);
        return [
          `${step.name}.${reason}`,
          { text, score: rule?.score ?? boundary?.score ?? null, threshold },
        ] as const;
      }),
    ),
  );
}
