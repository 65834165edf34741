// In: the headers of a request and the scope that its route asks for. Out: who asks, or the refusal. Where keys are not required
// (localhost), everything but administration is open; a browser's page is kept out by the name of the host that it asks.
import type { IncomingHttpHeaders } from 'node:http';
import { FactoryError } from '#factory/errors.ts';
import type { KeyRing, KeyScope } from '#factory/store/api-keys.ts';
import { refusal } from './api-error.ts';

export interface AccessRules {
  keys: KeyRing;
  requireKeys: boolean;
  /** The name that the server listens at. */
  host: string;
}

/** Returns the id of the key, or null for somebody without one. */
export function authenticate(
  rules: AccessRules,
  headers: IncomingHttpHeaders,
  scope: KeyScope,
): string | null {
  if (!rules.requireKeys) checkHost(headers.host, rules.host);
  const text = /^Bearer\s+(\S+)$/i.exec(headers.authorization ?? '')?.[1];
  const holder = text === undefined ? null : rules.keys.find(text);
  if (holder?.scopes.includes(scope)) return holder.id;
  if (!rules.requireKeys && scope !== 'admin') return holder?.id ?? null;
  if (holder !== null)
    throw refusal(403, `This key lacks the scope ${scope}; it has ${holder.scopes.join(', ')}.`, {
      code: 'missing_scope',
    });
  if (text === undefined)
    throw noKey("You didn't provide an API key in an Authorization header, as in Authorization: Bearer KEY");
  throw noKey(`Incorrect API key provided: ${text.slice(0, 4)}…`);
}

function noKey(message: string): FactoryError {
  return new FactoryError({
    code: 'SERVE_KEYS',
    message,
    remedy: 'Make one with "tunesmith keys create" on the server.',
  });
}

/** A page of another site can make its name mean 127.0.0.1; the browser still sends that name. */
function checkHost(header: string | undefined, host: string): void {
  const name = (header ?? '')
    .replace(/:\d+$/, '')
    .replace(/^\[|\]$/g, '')
    .toLowerCase();
  if (isLoopback(name) || name === host.toLowerCase()) return;
  throw refusal(403, `The server was asked as ${JSON.stringify(name.slice(0, 100))}, expected localhost.`, {
    code: 'wrong_host',
  });
}

export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
