// In: bytes of a stream of server-sent events. Out: the data of its events, in order. Names, ids and comments are passed over.
import { StringDecoder } from 'node:string_decoder';
import { FactoryError } from '#factory/errors.ts';

/** No event of an answer comes near this. */
const LONGEST_EVENT = 16 * 1024 * 1024;

export async function* eventTexts(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new StringDecoder('utf8');
  let rest = '';
  let data: string[] = [];
  for await (const piece of bytes) {
    rest += decoder.write(piece as Buffer);
    let from = 0;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n', from)) {
      const line = rest.slice(from, rest[end - 1] === '\r' && end > from ? end - 1 : end);
      from = end + 1;
      if (line === '') {
        if (data.length > 0) yield data.join('\n');
        data = [];
      } else if (line.startsWith('data:')) data.push(line.slice(line[5] === ' ' ? 6 : 5));
    }
    rest = rest.slice(from);
    if (rest.length > LONGEST_EVENT)
      throw new FactoryError({
        code: 'SERVE_UPSTREAM',
        message: `expected events of a stream, found a line of more than ${LONGEST_EVENT} characters`,
        remedy: 'Check that the address of the upstream is that of an OpenAI-compatible server.',
      });
  }
  // A server that forgets the empty line after its last event.
  if (rest.startsWith('data:')) data.push(rest.slice(5).trim());
  if (data.length > 0) yield data.join('\n');
}
