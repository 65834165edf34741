// In: the text of an answer, and of its prompt. Out: numbers about it that need no model: repetition, compression, echo, and
// marks of damage such as an open fence. What number is too much is the recipe's to say.
import { deflateRawSync } from 'node:zlib';

/**
 * Share of character n-grams that are among the most repeated ones, as data-juicer counts it: the top √(distinct) n-grams,
 * but only those that occur more than once.
 */
export function characterRepetition(text: string, n: number): number {
  const total = text.length - n + 1;
  if (total <= 0) return 0;
  const counts = new Map<string, number>();
  for (let i = 0; i < total; i++) {
    const gram = text.slice(i, i + n);
    counts.set(gram, (counts.get(gram) ?? 0) + 1);
  }
  const repeated = [...counts.values()].filter((count) => count > 1).sort((a, b) => b - a);
  const top = repeated.slice(0, Math.floor(Math.sqrt(counts.size)));
  return top.reduce((sum, count) => sum + count, 0) / total;
}

/** Share of characters in lines that stood before; blank lines do not count. */
export function lineRepetition(text: string): number {
  if (!text.includes('\n')) return 0;
  const seen = new Set<string>();
  let repeated = 0;
  let total = 0;
  for (const raw of text.split('\n')) {
    const line = raw.trim();
    total += line.length;
    if (line === '') continue;
    if (seen.has(line)) repeated += line.length;
    else seen.add(line);
  }
  return total === 0 ? 0 : repeated / total;
}

/** Bytes after deflate by bytes before; NaN for texts too short to say anything. */
export function compressionRatio(text: string): number {
  if (text.length < 400) return Number.NaN;
  const bytes = Buffer.from(text.slice(0, 20_000));
  return deflateRawSync(bytes, { level: 1 }).length / bytes.length;
}

/** Share of the 6-grams of the answer that are in the prompt; NaN for short answers. */
export function echo(prompt: string, answer: string): number {
  const n = 6;
  if (answer.length < 40 || prompt.length < 20) return Number.NaN;
  const grams = new Set<string>();
  const limit = Math.min(prompt.length, 20_000) - n;
  for (let i = 0; i <= limit; i++) grams.add(prompt.slice(i, i + n));
  let shared = 0;
  let total = 0;
  for (let i = 0; i + n <= Math.min(answer.length, 20_000); i += 2) {
    total++;
    if (grams.has(answer.slice(i, i + n))) shared++;
  }
  return shared / total;
}

/** Code fences, environments of LaTeX and JSON that are opened and not closed. */
export function unclosed(text: string): number {
  let open = 0;
  if (text.includes('```')) open += (text.match(/^[ \t]*```/gm)?.length ?? 0) % 2;
  if (text.includes('\\begin{'))
    open += Math.abs((text.match(/\\begin\{/g)?.length ?? 0) - (text.match(/\\end\{/g)?.length ?? 0));
  if (/^\s*(?:\{\s*"|\[\s*[{["\d])/.test(text) && !/[}\]]\s*$/.test(text)) open++;
  return open;
}

/** A long text that stops within a sentence: no mark of an end, no list, no code. */
export function looksTruncated(text: string, minChars: number): boolean {
  const end = text.trimEnd();
  if (end.length < minChars) return false;
  const last = end.slice(end.lastIndexOf('\n') + 1);
  if (/^\s*(?:[-*+•|#>]|\d+[.)、])|```|[=;{}<>\\$]/.test(last)) return false;
  return /[\p{L}\p{N},，、;；:：(（]$/u.test(end) && last.length > 20;
}

const REFUSAL =
  /^(?:i'?m sorry|sorry|i apologi[sz]e|unfortunately)[^.。\n]{0,40}(?:can(?:not|'?t)|unable|not able|won'?t)|^i (?:can(?:not|'?t)|am unable to|am not able to|won'?t) (?:assist|help|provide|fulfil|comply|answer|create|generate|do that)|^(?:很?抱歉|对不起|非常抱歉)[^。！\n]{0,20}(?:无法|不能|没有办法|不便)|^我(?:无法|不能)(?:回答|提供|协助|帮助|满足|完成)/i;
const BOILERPLATE =
  /as an? (?:ai|artificial intelligence)(?: language)? (?:model|assistant)|i(?:'m| am) (?:just )?an ai\b|my (?:knowledge cutoff|training data)|作为(?:一[个名款])?(?:人工智能|ai|大?语言模型|智能助手)|我是一[个名款](?:人工智能|ai|大?语言模型)|我的知识(?:截止|更新)/i;

export const isRefusal = (answer: string) => REFUSAL.test(answer.trimStart());
export const hasBoilerplate = (answer: string) => BOILERPLATE.test(answer);
