// In: a prompt. Out: a short key that is the same for prompts which differ only in case, width and spacing. By it training
// data and evaluation data are compared without keeping either's text.
import { createHash } from 'node:crypto';

/** 128 bits, base64url: 22 characters. */
export function promptKey(prompt: string): string {
  const plain = prompt.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
  return createHash('sha256').update(plain, 'utf8').digest('base64url').slice(0, 22);
}

/** All turns of the prompt; system text is often shared by all rows and says nothing about one. */
export function conversationKey(prompt: readonly { content: string }[]): string {
  return promptKey(prompt.map(({ content }) => content).join('\n'));
}
