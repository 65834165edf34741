// In: requests for chat. Out: the answer of a provider that always takes the same time, whole or as a stream of 20 tokens: what a
// gateway is measured with. It runs in its own process and prints its port.
import { createServer } from 'node:http';

const DELAY_MS = Number(process.argv[2] ?? 50);
const words = Array.from({ length: 20 }, (_, at) => ` word${at}`);
const head = { id: 'x', object: 'chat.completion.chunk', created: 0, model: 'm' };
const chunk = (choices: unknown[], more: object = {}) =>
  `data: ${JSON.stringify({ ...head, choices, ...more })}\n\n`;
const usage = { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 };
const stream = [
  ...words.map((content) => chunk([{ index: 0, delta: { content }, finish_reason: null }])),
  chunk([{ index: 0, delta: {}, finish_reason: 'stop' }]),
  chunk([], { usage }),
  'data: [DONE]\n\n',
].join('');
const whole = JSON.stringify({
  id: 'x',
  object: 'chat.completion',
  created: 0,
  model: 'm',
  choices: [
    {
      index: 0,
      message: { role: 'assistant', content: words.join('') },
      logprobs: null,
      finish_reason: 'stop',
    },
  ],
  usage,
});

const server = createServer((request, response) => {
  let body = '';
  request.on('data', (bytes: Buffer) => {
    body += bytes;
  });
  request.on('end', () => {
    const isStream = body.includes('"stream":true');
    setTimeout(() => {
      response.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' });
      response.end(isStream ? stream : whole);
    }, DELAY_MS);
  });
});
server.keepAliveTimeout = 120_000;
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' ? address?.port : ''}\n`);
});
