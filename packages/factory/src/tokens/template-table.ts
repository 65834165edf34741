// In: a template name and version. Out: its strings as data, or an error that says what was probably meant.
import { distance } from 'fastest-levenshtein';
import { FactoryError } from '#factory/errors.ts';
import type { TextTokenizer } from '#factory/records/tokenizer.ts';
import type { Slots, TemplateSpec } from './template-spec.ts';
import { CHATML_FAMILY_TEMPLATES } from './templates/chatml-family.ts';
import { GENERAL_TEMPLATES } from './templates/general.ts';
import { GLM_DEEPSEEK_TEMPLATES } from './templates/glm-deepseek.ts';
import { LLAMA_GEMMA_MISTRAL_TEMPLATES } from './templates/llama-gemma-mistral.ts';
import { V0_6_3_TEMPLATES } from './templates/v0-6-3.ts';

export type TemplateVersion = 'latest' | 'v0.6.3';

const TABLES: Record<TemplateVersion, Record<string, TemplateSpec>> = {
  latest: {
    ...CHATML_FAMILY_TEMPLATES,
    ...LLAMA_GEMMA_MISTRAL_TEMPLATES,
    ...GLM_DEEPSEEK_TEMPLATES,
    ...GENERAL_TEMPLATES,
  },
  'v0.6.3': V0_6_3_TEMPLATES,
};

/** Names that LLaMA-Factory has for models with images, sound or video. */
const MULTIMODAL = new Set(
  `dots_ocr ernie_vl gemma3n glm4v glm4_5v glm_ocr granite3_vision intern_vl intern_s1 keye_vl kimi_vl lfm2_vl mllama
  moss_vl llava llava_next llava_next_llama3 llava_next_mistral llava_next_qwen llava_next_yi llava_next_video
  llava_next_video_mistral llava_next_video_yi mimo_vl minicpm_v minicpm_v_4_6 minicpm_o paligemma paligemma_chat
  pixtral qwen2_audio qwen2_omni qwen3_omni qwen3_omni_nothink qwen2_vl qwen3_vl qwen3_vl_nothink qwen3_6 video_llava
  yi_vl youtu_vl`.split(/\s+/),
);

/** @throws FactoryError TOKENS_UNKNOWN_TEMPLATE */
export function findTemplateSpec(name: string, version: TemplateVersion): TemplateSpec {
  const table = TABLES[version];
  if (Object.hasOwn(table, name)) return table[name] as TemplateSpec;
  const fail = (message: string, remedy: string) =>
    new FactoryError({ code: 'TOKENS_UNKNOWN_TEMPLATE', message, remedy, details: { name, version } });
  if (MULTIMODAL.has(name)) {
    throw fail(
      `template "${name}" is for models with images or sound, and only text is supported`,
      "Set template to the text template of the model's family (for example qwen, qwen3 or llama3).",
    );
  }
  const other: TemplateVersion = version === 'latest' ? 'v0.6.3' : 'latest';
  if (Object.hasOwn(TABLES[other], name)) {
    throw fail(
      `template "${name}" does not exist in version ${version}`,
      `Set template_version to ${other}, or choose another template.`,
    );
  }
  const near = nearestNames(name, Object.keys(table));
  throw fail(
    `template "${name}" is not known`,
    near.length > 0
      ? `Did you mean ${near.join(' or ')}? Set template to it.`
      : "Set template to one of the known names, or leave it out to use the tokenizer's own chat template.",
  );
}

export function templateNames(version: TemplateVersion): string[] {
  return Object.keys(TABLES[version]).sort();
}

/**
 * Named templates whose markers (`<|im_start|>`, `[INST]`, ...) are single tokens of this tokenizer and, where it has a
 * chat template, occur in it; best first, never empty.
 */
export function closeTemplates(tokenizer: TextTokenizer): string[] {
  const scored: { name: string; markers: number; written: number }[] = [];
  for (const [name, spec] of Object.entries(TABLES.latest)) {
    const markers = markersOf(spec);
    if (markers.length === 0 || !markers.every((m) => tokenizer.tokenToId(m) !== null)) continue;
    const jinja = tokenizer.chatTemplate;
    const written = jinja === null ? 0 : markers.filter((m) => jinja.includes(m)).length;
    scored.push({ name, markers: markers.length, written });
  }
  scored.sort((a, b) => b.written - a.written || b.markers - a.markers);
  return scored.length > 0 ? scored.slice(0, 4).map((s) => s.name) : ['default'];
}

function nearestNames(name: string, names: string[]): string[] {
  const wanted = name.toLowerCase().replace(/[-. ]/g, '_');
  const scored = names.map((n) => ({ n, d: distance(wanted, n.toLowerCase().replace(/[-. ]/g, '_')) }));
  const limit = Math.max(2, Math.floor(name.length / 3));
  return scored
    .filter((s) => s.d <= limit)
    .sort((a, b) => a.d - b.d)
    .slice(0, 3)
    .map((s) => s.n);
}

/** The strings of the user slots that look like special tokens. */
function markersOf(spec: TemplateSpec): string[] {
  const found = new Set<string>();
  for (const slots of [spec.user, spec.assistant]) {
    for (const text of textsOf(slots ?? [])) {
      for (const [marker] of text.matchAll(/<[^<>\s]+>|\[\/?INST\]|\[[|a-zA-Z]+[|\]]+/g)) found.add(marker);
    }
  }
  return [...found];
}

function textsOf(slots: Slots): string[] {
  if (typeof slots === 'string') return [slots];
  return slots.flatMap((e) => (typeof e === 'string' ? [e] : 'token' in e ? [e.token] : []));
}
