// In: nothing. Out: every code that an EngineError may carry, with its kind.

export const ENGINE_ERROR_CODES = {
  ENGINE_BAD_SHAPE: 'user',
  ENGINE_BAD_DTYPE: 'user',
  ENGINE_MISSING_INPUT: 'user',
  ENGINE_NOT_DIFFERENTIABLE: 'user',
  ENGINE_UNKNOWN_BACKEND: 'user',
  ENGINE_BACKEND_UNAVAILABLE: 'environment',
  ENGINE_COMPILE_FAILED: 'environment',
  ENGINE_RUN_FAILED: 'environment',
  ENGINE_OUT_OF_MEMORY: 'environment',
  ENGINE_USE_AFTER_DISPOSE: 'user',
  ENGINE_BAD_SCHEDULE: 'user',
} as const;

export type EngineErrorCode = keyof typeof ENGINE_ERROR_CODES;
