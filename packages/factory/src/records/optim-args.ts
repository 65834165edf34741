// In: the value of `optim_args`, such as `momentum=0.9,nesterov=true`. Out: its pairs, or what is wrong with it. Which names
// an optimiser takes is said here, so that the check of arguments and the optimiser read the same table.

/** What each value of `optim` may be given besides the betas, epsilon and weight decay, with its default. */
export const OPTIM_ARGS: Readonly<Record<string, Readonly<Record<string, number | boolean>>>> = {
  sgd: { momentum: 0, dampening: 0, nesterov: false },
  adagrad: { lr_decay: 0, eps: 1e-10 },
  rmsprop: { alpha: 0.99, eps: 1e-8, momentum: 0, centered: false },
};

type Parsed = { ok: true; values: Record<string, number | boolean> } | { ok: false; problem: string };

/** The settings of `optim`: those of `text` over the defaults. */
export function parseOptimArgs(optim: string, text: string | null): Parsed {
  const known = OPTIM_ARGS[optim] ?? {};
  const values = { ...known };
  const pairs = (text ?? '')
    .split(',')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '');
  for (const pair of pairs) {
    const [, name, raw] = /^(\w+)\s*=\s*(\S+)$/.exec(pair) ?? [];
    if (name === undefined)
      return { ok: false, problem: `expected name=value, found ${JSON.stringify(pair)}` };
    if (!Object.hasOwn(known, name)) {
      const names = Object.keys(known).join(', ') || 'none';
      return { ok: false, problem: `${name} is no setting of optim ${optim} (it has: ${names})` };
    }
    const value = typeof known[name] === 'boolean' ? asBool(raw) : asNumber(raw);
    if (value === null) return { ok: false, problem: `${name}: ${JSON.stringify(raw)} is not usable` };
    values[name] = value;
  }
  const problem = impossible(optim, values);
  return problem === null ? { ok: true, values } : { ok: false, problem };
}

function asBool(raw: string): boolean | null {
  if (/^(true|1|yes)$/i.test(raw)) return true;
  return /^(false|0|no)$/i.test(raw) ? false : null;
}

function asNumber(raw: string): number | null {
  const value = Number(raw);
  return Number.isFinite(value) && value >= 0 ? value : null;
}

function impossible(optim: string, { momentum, dampening, nesterov, alpha }: Record<string, unknown>) {
  if (optim === 'sgd' && nesterov === true && (momentum === 0 || dampening !== 0))
    return 'nesterov needs a momentum above 0 and no dampening';
  return optim === 'rmsprop' && Number(alpha) >= 1 ? 'alpha must be below 1' : null;
}
