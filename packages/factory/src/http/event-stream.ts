// In: objects. Out: server-sent events on a response, no faster than its client reads. A client that went away is no error
// here: whoever writes looks at its abort signal.
import type { ServerResponse } from 'node:http';

export class EventStream {
  #response: ServerResponse;

  constructor(response: ServerResponse, headers: Record<string, string | number | string[] | undefined>) {
    this.#response = response;
    const given = Object.entries(headers).filter(([, value]) => value !== undefined);
    response.writeHead(200, {
      ...Object.fromEntries(given),
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      // Proxies that collect answers before they pass them on would undo the stream.
      'x-accel-buffering': 'no',
    });
  }

  /** Resolves when more may be written. */
  send(event: unknown): Promise<void> | undefined {
    return this.#write(`data: ${JSON.stringify(event)}\n\n`);
  }

  /** Ends with what clients wait for; after an error they do not. */
  end(isWhole: boolean): void {
    this.#response.end(isWhole ? 'data: [DONE]\n\n' : undefined);
  }

  #write(text: string): Promise<void> | undefined {
    const response = this.#response;
    if (response.destroyed || response.write(text)) return undefined;
    return new Promise((resolve) => {
      const done = () => {
        response.off('drain', done);
        response.off('close', done);
        resolve();
      };
      response.on('drain', done);
      response.on('close', done);
    });
  }
}
