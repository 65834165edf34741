// In: the steps of a recipe. Out: the passes over the rows that they take.
import type { RecipeStep } from '#factory/data/clean-recipe.ts';

/** A run of consecutive row steps is one pass over the rows; every set step is a pass of its own. */
type Pass = { kind: 'row'; steps: RecipeStep[] } | { kind: 'set'; steps: [RecipeStep] };

export function passesOf(steps: readonly RecipeStep[]): Pass[] {
  const passes: Pass[] = [{ kind: 'row', steps: [] }];
  for (const one of steps) {
    const last = passes.at(-1)!;
    if (one.step.kind === 'set') passes.push({ kind: 'set', steps: [one] });
    else if (last.kind === 'row') last.steps.push(one);
    else passes.push({ kind: 'row', steps: [one] });
  }
  return passes;
}
