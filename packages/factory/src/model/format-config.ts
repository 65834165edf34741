// In: the keys of a config.json. Out: its text. Values are not judged here.

/** transformers 5 refuses a whole number, such as the 30 that JSON.stringify makes of 30.0, where it declares a float. */
const FLOATS = ['rms_norm_eps', 'initializer_range', 'attn_logit_softcapping', 'final_logit_softcapping'];
const WHOLE_FLOAT = new RegExp(`^( *"(?:${FLOATS.join('|')})": -?[0-9]+)(,?)$`, 'gm');

export function formatConfig(raw: Readonly<Record<string, unknown>>): string {
  return `${JSON.stringify(raw, null, 2).replace(WHOLE_FLOAT, '$1.0$2')}\n`;
}
