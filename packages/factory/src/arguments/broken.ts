// In: nothing. Out: one broken rule between keys, and short builders of it. The rules themselves are in check.ts and its
// neighbours.

export interface Broken {
  code: 'ARGS_BAD_VALUE' | 'ARGS_MISSING' | 'ARGS_CONFLICT' | 'ARGS_NOT_SUPPORTED';
  keys: string[];
  message: string;
  remedy: string;
}

export function conflict(keys: string[], message: string, remedy: string): Broken {
  return { code: 'ARGS_CONFLICT', keys, message, remedy };
}

export function absent(key: string, message: string, remedy: string): Broken {
  return { code: 'ARGS_MISSING', keys: [key], message, remedy };
}

/** Keeps the rules whose condition holds. */
export function where(...rules: [boolean, Broken][]): Broken[] {
  return rules.filter(([isBroken]) => isBroken).map(([, rule]) => rule);
}

export function notSupported(key: string, message: string, remedy: string): Broken {
  return { code: 'ARGS_NOT_SUPPORTED', keys: [key], message, remedy };
}
