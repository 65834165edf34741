// In: a template as data and the user's settings. Out: the same with every default of LLaMA-Factory's register_template in
// place, today's or v0.6.3's.
import type { TemplateSettings } from '#factory/records/chat-template.ts';
import { EOS, type SlotElement, type Slots, type TemplateSpec } from './template-spec.ts';
import type { TemplateVersion } from './template-table.ts';
import { V0_6_3_DEFAULT } from './tool-formats.ts';

export type SlotName = 'prefix' | 'system' | 'user' | 'assistant' | 'observation' | 'function' | 'separator';

export interface CompleteSpec {
  slots: Record<SlotName, readonly SlotElement[]>;
  functionFormat: string;
  toolFormat: string;
  /** Function slots with `{name}` and `{arguments}`. */
  namedCalls: boolean;
  defaultSystem: string;
  thoughtWords: readonly [string, string];
  toolCallWords: readonly [string, string];
  kind: NonNullable<TemplateSpec['kind']>;
}

/** `derived` templates were read off a chat template and know no version. */
export function completeSpec(
  spec: TemplateSpec,
  settings: TemplateSettings,
  version: TemplateVersion,
  derived: boolean,
): CompleteSpec {
  const list = (slots: Slots): readonly SlotElement[] => (typeof slots === 'string' ? [slots] : slots);
  const isOld = version === 'v0.6.3' && !derived;
  const answer: Slots = spec.efficientEos ? ['{c}'] : ['{c}', EOS];
  const oldCalls = ['Action: {name}\nAction Input: {arguments}', ...answer.slice(1)];
  const chosen = settings.toolFormat;
  const functionSlots = chosen ? answer : (spec.function ?? (isOld ? oldCalls : (spec.assistant ?? answer)));
  return {
    slots: {
      prefix: list(spec.prefix ?? []),
      system: list(spec.system ?? '{c}'),
      user: list(spec.user ?? '{c}'),
      assistant: list(spec.assistant ?? answer),
      observation: list(spec.observation ?? spec.user ?? '{c}'),
      function: list(functionSlots),
      separator: list(spec.separator ?? []),
    },
    functionFormat: chosen ?? spec.functionFormat ?? 'default',
    toolFormat: chosen ?? spec.toolFormat ?? (isOld ? V0_6_3_DEFAULT : 'default'),
    namedCalls: isOld && !chosen,
    defaultSystem: settings.defaultSystem ?? spec.defaultSystem ?? '',
    thoughtWords: spec.thoughtWords ?? ['<think>\n', '\n</think>\n\n'],
    toolCallWords: spec.toolCallWords ?? ['<tool_call>', '</tool_call>'],
    kind: spec.kind ?? 'plain',
  };
}
