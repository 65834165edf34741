// In: nothing. Out: every cleaning step that a recipe may name. A new step is one line here.
import type { CleanStep } from './clean-step.ts';
import { cleanTextStep } from './clean-text/clean-text-step.ts';
import { cutStep } from './cut-step.ts';
import { conflictsStep } from './dedup/conflicts-step.ts';
import { duplicatesStep } from './dedup/duplicates-step.ts';
import { referenceStep } from './dedup/reference-step.ts';
import { languageStep } from './language/language-step.ts';
import { lengthStep } from './length-step.ts';
import { mailTracesStep } from './mail/mail-traces-step.ts';
import { personalDataStep } from './pii/personal-data-step.ts';
import { judgeStep } from './quality/judge-step.ts';
import { labelsStep } from './quality/labels-step.ts';
import { qualityStep } from './quality/quality-step.ts';
import { textStep } from './safe-text/text-step.ts';
import { sealedStep } from './split/sealed-step.ts';

export const CLEAN_STEPS: readonly CleanStep[] = [
  textStep,
  cleanTextStep,
  mailTracesStep,
  cutStep,
  personalDataStep,
  languageStep,
  qualityStep,
  labelsStep,
  judgeStep,
  lengthStep,
  sealedStep,
  referenceStep,
  conflictsStep,
  duplicatesStep,
];

export function findStep(name: string): CleanStep | undefined {
  return CLEAN_STEPS.find((step) => step.name === name);
}
