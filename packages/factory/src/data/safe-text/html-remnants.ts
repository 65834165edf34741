// In: prose. Out: prose without the HTML that a crawler or an editor left in it: tags of layout and style, and entities.
// Whether a text is about HTML (its tags are then what it teaches) is decided here too. Code is not to be passed in.
import { unescapeHtml } from '../unicode/html-entities.ts';

const INLINE = 'a|abbr|b|big|center|em|font|i|img|mark|small|span|strong|strike|u';
const BLOCK = 'blockquote|br|dd|div|dl|dt|h[1-6]|hr|li|ol|p|section|table|tbody|td|th|thead|tr|ul';
/** Attributes may have > within quotes. */
const TAG = new RegExp(
  `<(/?)(${INLINE}|${BLOCK})((?:\\s+[\\w:-]+(?:\\s*=\\s*(?:"[^"<]*"|'[^'<]*'|[^\\s"'<>]+))?)*)\\s*/?>`,
  'gi',
);
const LINE_TAG = new RegExp(`^(?:${BLOCK})$`, 'i');
/** Markup that somebody wrote on purpose: documents, scripts, forms, templates. */
const PROGRAM =
  /<(?:!doctype|html|head|body|script|style|form|input|button|select|template|svg|link|meta)\b|<\?|<%|\{\{/i;
const ABOUT_HTML = /html|xml|css|\bdom\b|\btags?\b|markup|jsx|\breact\b|\bvue\b|标签|网页|标记语言|前端/i;
const TAG_LIKE = /<[a-z/!?]/i;
/** Names that pages use; rarer ones, such as &sum;, are as likely an address in C. */
const COMMON_ENTITIES =
  '&(?:#\\d{1,7}|#[xX][0-9a-fA-F]{1,6}|nbsp|amp|lt|gt|quot|apos|copy|reg|trade|hellip|[mn]dash|[lr][sd]quo|[sb]dquo|' +
  'bull|middot|[lr]aquo|euro|pound|yen|cent|deg|times|divide|plusmn|frac(?:12|14|34)|sup[123]|para|sect|' +
  '[a-zA-Z](?:acute|grave|uml|circ|tilde|cedil|ring|slash|caron)|szlig|(?:ae|AE|oe|OE)lig|[lr]sa?quo|emsp|ensp|thinsp|shy|zwj|zwnj);';
const COMMON_ENTITY = new RegExp(COMMON_ENTITIES);
const EVERY_COMMON_ENTITY = new RegExp(COMMON_ENTITIES, 'g');

/** A text that speaks of markup, or has markup with a purpose, keeps it. */
export function isAboutMarkup(text: string): boolean {
  return PROGRAM.test(text) || ABOUT_HTML.test(text);
}

export function removeHtmlRemnants(text: string): string {
  return unescapeRemnants(removeTags(text));
}

/** One closing or breaking tag is proof enough; a single opening one may be a placeholder, such as <i> or <a>. */
function removeTags(text: string): string {
  if (!text.includes('<')) return text;
  let tags = 0;
  let proof = false;
  for (const [, slash, name, attributes] of text.matchAll(TAG)) {
    tags++;
    if (slash === '/' || attributes !== '' || /^(?:br|hr)$/i.test(name!)) proof = true;
  }
  if (tags === 0 || !proof) return text;
  const plain = text.replace(TAG, (_, slash: string, name: string) => {
    if (/^(?:td|th)$/i.test(name)) return slash === '/' ? ' ' : '';
    if (/^li$/i.test(name)) return slash === '/' ? '\n' : '- ';
    return LINE_TAG.test(name) && (slash === '/' || /^(?:br|hr)$/i.test(name)) ? '\n' : '';
  });
  return plain.replace(/\n{3,}/g, '\n\n');
}

/** Entities go where they leave no new tag: escaped markup was escaped to be read. */
function unescapeRemnants(text: string): string {
  let current = text;
  while (COMMON_ENTITY.test(current) && !TAG_LIKE.test(current)) {
    const next = current.replace(EVERY_COMMON_ENTITY, unescapeCommon);
    if (next === current) break;
    if (TAG_LIKE.test(next)) return current.replace(EVERY_COMMON_ENTITY, keepBrackets);
    current = next;
  }
  return current;
}

const unescapeCommon = (entity: string) => unescapeHtml(entity).replace('\u00a0', ' ');
const keepBrackets = (entity: string) =>
  /[<>&]/.test(unescapeHtml(entity)) ? entity : unescapeCommon(entity);
