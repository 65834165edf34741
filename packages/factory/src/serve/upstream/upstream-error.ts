// In: what went wrong with another server. Out: the typed error, with the status and the fields that the client of the gateway
// is to see. The key of the other server is in none of them.
import { FactoryError } from '#factory/errors.ts';

/** `details` of SERVE_UPSTREAM. */
export interface UpstreamFailure {
  /** For the client. */
  status: number;
  type: string | null;
  param: string | null;
  code: string | null;
  /** Seconds, as the other server asked. */
  retryAfter: number | null;
  /** Asking again may help. */
  mayPass: boolean;
}

/** The other server is not there, or is overloaded. Its errors about the request stay what they are. */
const MAY_PASS = new Set([429, 502, 503, 504, 529]);

/** `where` names the model and its server. */
export function refusedBy(
  where: string,
  status: number,
  retryAfterText: string | undefined,
  body: string,
): FactoryError {
  const told = readError(body);
  const retryAfter = Number(retryAfterText);
  const isAboutOurKey = status === 401 || status === 403;
  const message = isAboutOurKey
    ? `${where} refuses the key of the gateway (status ${status})`
    : (told?.message ?? `${where} answered with status ${status}: ${oneLine(body)}`);
  return upstreamError(message, {
    // A key that the client has not sent is none that it can mend.
    status: isAboutOurKey || status < 400 ? 502 : status,
    type: isAboutOurKey ? null : (told?.type ?? null),
    param: isAboutOurKey ? null : (told?.param ?? null),
    code: isAboutOurKey ? 'upstream_key' : (told?.code ?? null),
    retryAfter: retryAfter > 0 ? retryAfter : null,
    mayPass: MAY_PASS.has(status),
  });
}

/** An error that came as an event of a stream, so after the status. */
export function brokeWithin(where: string, error: unknown): FactoryError {
  const { message, type, param, code } = fieldsOf(error);
  return upstreamError(message ?? `${where} broke off: ${oneLine(JSON.stringify(error) ?? '')}`, {
    ...NOTHING,
    type,
    param,
    code,
  });
}

export function noAnswer(where: string, problem: string, status: 502 | 504, cause?: unknown): FactoryError {
  return upstreamError(
    `${where} ${problem}`,
    {
      ...NOTHING,
      status,
      code: status === 504 ? 'upstream_timeout' : 'upstream_unreachable',
      mayPass: status === 502,
    },
    cause,
  );
}

const NOTHING: UpstreamFailure = {
  status: 502,
  type: null,
  param: null,
  code: null,
  retryAfter: null,
  mayPass: false,
};

function upstreamError(message: string, failure: UpstreamFailure, cause?: unknown): FactoryError {
  return new FactoryError({
    code: 'SERVE_UPSTREAM',
    message,
    remedy: 'Check that the upstream server is up, and its address, model and key.',
    details: { ...failure },
    cause,
  });
}

function readError(body: string): Fields | null {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    const fields = fieldsOf(error);
    return fields.message === null ? null : fields;
  } catch {
    return null;
  }
}

interface Fields {
  message: string | null;
  type: string | null;
  param: string | null;
  code: string | null;
}

/** Some servers say `{"error": "text"}`. */
function fieldsOf(error: unknown): Fields {
  const fields = (typeof error === 'string' ? { message: error } : (error ?? {})) as Record<string, unknown>;
  const text = (value: unknown) =>
    typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : null;
  return {
    message: text(fields.message),
    type: text(fields.type),
    param: text(fields.param),
    code: text(fields.code),
  };
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 300);
}
