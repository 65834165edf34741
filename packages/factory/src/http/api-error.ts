// In: whatever was thrown while a request was answered. Out: status and body in OpenAI's shape, so that its clients raise
// their own classes. Faults of the program are told as such, without their text.
import { FactoryError } from '#factory/errors.ts';

export interface ApiError {
  status: number;
  body: { error: { message: string; type: string; param: string | null; code: string | null } };
  /** Seconds; null where waiting does not help. */
  retryAfter: number | null;
}

interface Told {
  status?: number;
  type?: string | null;
  param?: string | null;
  code?: string | null;
  retryAfter?: number | null;
}

/** The request is refused as it stands. `code` is a word of OpenAI, as `invalid_type`. */
export function badRequest(param: string | null, message: string, code: string | null): FactoryError {
  return refusal(400, message, { param, code });
}

export function refusal(status: number, message: string, told: Told = {}): FactoryError {
  return new FactoryError({
    code: 'SERVE_REQUEST',
    message,
    remedy: 'Correct the request as the message says.',
    details: { ...told, status },
  });
}

export function toApiError(error: unknown): ApiError {
  if (error instanceof FactoryError) return fromTyped(error);
  const fault = error as { statusCode?: unknown; code?: unknown; message?: unknown };
  // What the HTTP library refuses before a handler sees it.
  if (typeof fault?.statusCode === 'number' && fault.statusCode < 500)
    return shaped(String(fault.message), { status: fault.statusCode, ...LIBRARY[String(fault.code)] });
  return shaped('The server had an error while processing your request.', {
    status: 500,
    code: 'internal_error',
  });
}

const LIBRARY: Record<string, Told> = {
  FST_ERR_CTP_BODY_TOO_LARGE: { code: 'request_too_large' },
  FST_ERR_CTP_INVALID_JSON_BODY: { code: 'invalid_json' },
  FST_ERR_CTP_EMPTY_JSON_BODY: { code: 'invalid_json' },
  FST_ERR_CTP_INVALID_MEDIA_TYPE: { code: 'unsupported_media_type' },
};

function fromTyped(error: FactoryError): ApiError {
  const told = error.details as Told;
  const withRemedy = `${error.message.replace(/\.?$/, '.')} ${error.remedy}`;
  switch (error.code) {
    case 'SERVE_REQUEST':
      return shaped(error.message, told);
    case 'SERVE_NO_MODEL':
      return shaped(error.message, { status: 404, param: 'model', code: 'model_not_found' });
    case 'SERVE_CONTEXT':
      return shaped(error.message, {
        status: 400,
        param: told.param ?? 'messages',
        code: 'context_length_exceeded',
      });
    case 'SERVE_ASK':
      return shaped(withRemedy, { status: 400, param: told.param ?? null, code: 'unsupported_request' });
    case 'SERVE_BUSY':
      return shaped(error.message, {
        status: 429,
        code: 'rate_limit_exceeded',
        retryAfter: told.retryAfter ?? 1,
      });
    case 'SERVE_ENGINE':
      return shaped(error.message, { status: 503, code: 'engine_restarting', retryAfter: 1 });
    case 'SERVE_STOPPING':
      return shaped(error.message, { status: 503, code: 'stopping', retryAfter: 5 });
    case 'SERVE_KEYS':
      return shaped(withRemedy, { status: 401, code: 'invalid_api_key' });
    case 'SERVE_UPSTREAM':
      return shaped(error.message, told);
    default:
      // Loading a model through the admin API meets every error of files and formats.
      return shaped(`${error.code}: ${withRemedy}`, {
        status: error.exitCode === 2 ? 400 : 500,
        code: error.code.toLowerCase(),
      });
  }
}

function shaped(message: string, told: Told): ApiError {
  const status = told.status ?? 500;
  const type = told.type ?? TYPES[status] ?? (status >= 500 ? 'server_error' : 'invalid_request_error');
  return {
    status,
    body: { error: { message, type, param: told.param ?? null, code: told.code ?? null } },
    retryAfter: told.retryAfter ?? null,
  };
}

const TYPES: Record<number, string> = {
  401: 'authentication_error',
  403: 'permission_error',
  429: 'rate_limit_error',
};
