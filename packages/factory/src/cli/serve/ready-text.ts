// In: where a server listens and what it serves. Out: what people see when it is ready, with a command that asks it.

export interface ReadyFacts {
  /** `http://host:port`. */
  url: string;
  models: { id: string; chat: boolean }[];
  requiresKeys: boolean;
}

export function readyText({ url, models, requiresKeys }: ReadyFacts): string {
  const reached = url.replace('//0.0.0.0:', '//localhost:').replace('//[::]:', '//localhost:');
  const names = models.map(({ id }) => id).join(', ');
  return [
    `serving ${names} at ${url}/v1${requiresKeys ? ', for who has a key' : ', for this machine only'}`,
    'ask it:',
    ...curlLines(`${reached}/v1`, models[0], requiresKeys),
    'stop it: Ctrl-C lets answers end, a second one does not',
    '',
  ].join('\n');
}

function curlLines(
  base: string,
  { id, chat }: ReadyFacts['models'][number],
  requiresKeys: boolean,
): string[] {
  const body = chat
    ? { model: id, messages: [{ role: 'user', content: 'Hello' }] }
    : { model: id, prompt: 'Once upon a time', max_tokens: 64 };
  return [
    `  curl ${base}/${chat ? 'chat/completions' : 'completions'} \\`,
    ...(requiresKeys ? ['    -H "authorization: Bearer $TUNESMITH_API_KEY" \\'] : []),
    "    -H 'content-type: application/json' \\",
    `    -d '${JSON.stringify(body)}'`,
  ];
}
