// In: a path of another server and a JSON body. Out: its answer once the headers are there, over connections that stay open.
// It tries again only while nothing of an answer has come, and gives up when nothing comes for the time limit.
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import { text as readAll } from 'node:stream/consumers';
import { setTimeout as wait } from 'node:timers/promises';
import { FactoryError } from '#factory/errors.ts';
import { noAnswer, refusedBy, type UpstreamFailure } from './upstream-error.ts';

export interface UpstreamServer {
  /** Up to and with `/v1`, without a slash at the end. */
  url: string;
  /** Names model and server in errors. */
  where: string;
  key: string | undefined;
  /** Longest silence before and between bytes. */
  timeoutMs: number;
  /** Further tries when the server is not reached or says that it is overloaded. */
  retries: number;
}

export interface Post {
  (path: string, body: unknown, signal: AbortSignal): Promise<IncomingMessage>;
  /** Ends the connections that wait for work. */
  close(): void;
}

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 10_000;
/** Of an error's body; more is not an error in OpenAI's shape. */
const ERROR_BYTES = 1 << 16;

export function openPost(server: UpstreamServer): Post {
  const isSecure = server.url.startsWith('https:');
  // Sockets that idle longer than most servers keep them would be reset just when they are used again.
  const settings = { keepAlive: true, maxFreeSockets: 256, scheduling: 'lifo', timeout: 60_000 } as const;
  const agent = isSecure ? new HttpsAgent(settings) : new HttpAgent(settings);
  const send = isSecure ? httpsRequest : httpRequest;
  const headers = {
    'content-type': 'application/json',
    accept: 'text/event-stream, application/json',
    ...(server.key ? { authorization: `Bearer ${server.key}` } : {}),
  };

  const once = (path: string, bytes: Buffer, signal: AbortSignal) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      let silent = false;
      const request = send(`${server.url}${path}`, {
        method: 'POST',
        agent,
        signal,
        headers: { ...headers, 'content-length': bytes.length },
      });
      request.setTimeout(server.timeoutMs, () => {
        silent = true;
        request.destroy();
      });
      request.on('error', (error: NodeJS.ErrnoException) => {
        if (silent) reject(noAnswer(server.where, `was silent for ${server.timeoutMs} ms`, 504));
        else reject(noAnswer(server.where, `cannot be reached: ${error.code ?? error.message}`, 502, error));
      });
      request.on('response', resolve);
      request.end(bytes);
    });

  const post = async (path: string, body: unknown, signal: AbortSignal) => {
    const bytes = Buffer.from(JSON.stringify(body));
    for (let attempt = 0; ; attempt++) {
      signal.throwIfAborted();
      try {
        const response = await once(path, bytes, signal);
        if (response.statusCode === 200) return response;
        throw refusedBy(
          server.where,
          response.statusCode ?? 0,
          response.headers['retry-after'],
          await readError(response),
        );
      } catch (error) {
        signal.throwIfAborted();
        const failure = error instanceof FactoryError ? (error.details as unknown as UpstreamFailure) : null;
        if (failure === null) throw noAnswer(server.where, `broke off: ${String(error)}`, 502, error);
        if (!failure.mayPass || attempt >= server.retries) throw error;
        const pause = Math.max(FIRST_PAUSE_MS * 2 ** attempt, 1000 * (failure.retryAfter ?? 0));
        // What the server wants to be asked much later is for the client to decide.
        if (pause > LONGEST_PAUSE_MS) throw error;
        await wait(pause, undefined, { signal });
      }
    }
  };
  return Object.assign(post, { close: () => agent.destroy() });
}

async function readError(response: IncomingMessage): Promise<string> {
  const text = await readAll(response);
  return text.slice(0, ERROR_BYTES);
}
