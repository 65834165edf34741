// In: sizes that are numbers or symbols. Out: products and sums of them in one canonical text form, so that two equal
// sizes are equal strings and one compiled graph serves every batch and every length.
// Form: a number, or `[coefficient*]A*B` with sorted symbols, or a sum of two of those, `P+T`. No subtraction.
import { EngineError, invariant } from '../errors.ts';

export type Dim = number | string;
export type Bindings = ReadonlyMap<string, number>;

interface Monomial {
  coefficient: number;
  symbols: string[];
}

function parse(dim: Dim): Monomial {
  if (typeof dim === 'number') return { coefficient: dim, symbols: [] };
  invariant(!dim.includes('+'), `the sum ${dim} cannot be a factor`);
  let coefficient = 1;
  const symbols: string[] = [];
  for (const part of dim.split('*')) {
    const value = Number(part);
    if (Number.isNaN(value)) symbols.push(part);
    else coefficient *= value;
  }
  return { coefficient, symbols };
}

function print({ coefficient, symbols }: Monomial): Dim {
  if (symbols.length === 0 || coefficient === 0) return coefficient;
  const sorted = [...symbols].sort();
  return coefficient === 1 ? sorted.join('*') : [coefficient, ...sorted].join('*');
}

export function product(dims: readonly Dim[]): Dim {
  // A sum may be multiplied by nothing but ones.
  const factors = dims.filter((d) => d !== 1);
  if (factors.length === 1) return factors[0];
  let coefficient = 1;
  const symbols: string[] = [];
  for (const dim of factors) {
    const m = parse(dim);
    coefficient *= m.coefficient;
    symbols.push(...m.symbols);
  }
  return print({ coefficient, symbols });
}

export function sum(a: Dim, b: Dim): Dim {
  if (typeof a === 'number' && typeof b === 'number') return a + b;
  if (a === 0) return b;
  if (b === 0) return a;
  return [String(a), String(b)].sort().join('+');
}

/** The value of a size under the bindings of a run. */
export function evaluate(dim: Dim, bindings: Bindings): number {
  if (typeof dim === 'number') return dim;
  let total = 0;
  for (const term of dim.split('+')) {
    const { coefficient, symbols } = parse(term);
    let value = coefficient;
    for (const symbol of symbols) {
      const bound = bindings.get(symbol);
      invariant(bound !== undefined, `the symbol ${symbol} has no value`);
      value *= bound;
    }
    total += value;
  }
  return total;
}

/** Reads the symbols of `shape` off a tensor's `dims`; a size that disagrees is an error that names the input. */
export function bind(
  name: string,
  shape: readonly Dim[],
  dims: readonly number[],
  bindings: Map<string, number>,
): void {
  const fail = () =>
    new EngineError({
      code: 'ENGINE_BAD_SHAPE',
      message: `input ${name}: expected [${shape.join(', ')}], found [${dims.join(', ')}] with ${[...bindings].map(([k, v]) => `${k}=${v}`).join(', ') || 'no sizes bound yet'}`,
      remedy: `Pass ${name} with the shape that the graph declares.`,
    });
  if (shape.length !== dims.length) throw fail();
  for (let i = 0; i < shape.length; i++) {
    const dim = shape[i];
    const size = dims[i];
    if (typeof dim === 'number') {
      if (dim !== size) throw fail();
      continue;
    }
    const symbol = /^[A-Za-z_]\w*$/.test(dim);
    if (symbol && !bindings.has(dim)) {
      bindings.set(dim, size);
      continue;
    }
    const unbound = dim.split(/[+*]/).some((p) => Number.isNaN(Number(p)) && !bindings.has(p));
    // A compound size over symbols that no input has fixed yet is checked by the runtime's own shape rules.
    if (!unbound && evaluate(dim, bindings) !== size) throw fail();
  }
}

export function sameShape(a: readonly Dim[], b: readonly Dim[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}
