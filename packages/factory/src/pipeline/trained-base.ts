// In: the arguments of an export and its opened base. Out: a refusal where an adapter was trained on another base, and the chat
// template that the last adapter was trained with, as a file for servers.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FactoryError } from '#factory/errors.ts';
import type { TrainArgs } from '#factory/records/train-args.ts';
import { BASE_FILE, baseFingerprint, readBaseFile } from '#factory/store/base-fingerprint.ts';
import { readResolvedConfig } from '#factory/store/resolved-config.ts';
import { PROOF_FILE, templateOf } from './choose-template.ts';
import type { Base } from './open-base.ts';

/** Where the weights are: the file of a GGUF base, else the folder. */
export function weightsPath(args: TrainArgs, base: Pick<Base, 'dir' | 'tokenizerFiles'>): string {
  return base.tokenizerFiles ? args.model_name_or_path : base.dir;
}

/** An adapter without the file was trained elsewhere, and only its shapes can be checked. */
export async function requireTrainedBase(args: TrainArgs, base: Base, force: boolean): Promise<void> {
  if (force) return;
  const path = weightsPath(args, base);
  for (const dir of args.adapter_name_or_path) {
    const trained = await readBaseFile(dir);
    if (trained === null) continue;
    const found = await baseFingerprint(path);
    if (found === trained.fingerprint) continue;
    throw new FactoryError({
      code: 'ADAPTERS_MISMATCH',
      message: `${dir}: expected the base that the adapter was trained on (${trained.name}, fingerprint ${trained.fingerprint.slice(0, 12)} in ${BASE_FILE}), found ${path} with fingerprint ${found.slice(0, 12)}`,
      remedy: `Set model_name_or_path to the weights that the adapter was trained on, or add --force true.`,
      details: { adapter: dir, expected: trained.fingerprint, found },
    });
  }
}

const TEMPLATE_KEYS = [
  'template',
  'template_version',
  'tool_format',
  'default_system',
  'enable_thinking',
  'preserve_thinking',
  'mask_history',
] as const satisfies readonly (keyof TrainArgs)[];

/** The arguments with the template keys of the run that made the last adapter, or the model; a template that is named stays. */
export async function withTrainedTemplate(args: TrainArgs, base: Pick<Base, 'dir'>): Promise<TrainArgs> {
  if (args.template !== null) return args;
  const stored = await readResolvedConfig(args.adapter_name_or_path.at(-1) ?? base.dir);
  if (stored === null) return args;
  const own = TEMPLATE_KEYS.filter((key) => Object.hasOwn(stored.args, key)).map((key) => [
    key,
    (stored.args as Partial<TrainArgs>)[key],
  ]);
  return { ...args, ...Object.fromEntries(own) };
}

/** `chat_template.jinja`, where the tokenizer's own is not the one that was trained with; nothing for text without turns. */
export async function trainedTemplate(
  args: TrainArgs,
  base: Base,
  note: (text: string) => void,
): Promise<Record<string, string>> {
  const own = await withTrainedTemplate(args, base);
  if (own.template === null) return {};
  const { jinja, name } = templateOf(own, base);
  if (jinja !== null) return { 'chat_template.jinja': jinja };
  const dir = args.adapter_name_or_path.at(-1) ?? base.dir;
  const proof = await readFile(join(dir, PROOF_FILE), 'utf8').catch(() => null);
  if (proof !== null && JSON.parse(proof).firstMismatch)
    note(
      `template ${name}, with which it was trained, differs from the tokenizer's chat template, which is exported (see ${PROOF_FILE})`,
    );
  return {};
}
