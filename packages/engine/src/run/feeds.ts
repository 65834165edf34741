// In: the inputs that a graph declares and the tensors that a caller passes. Out: the sizes of the symbols, or an
// EngineError that names the input. Every backend checks its feeds here, so that all give the same errors.
import { EngineError } from '../errors.ts';
import { bind } from '../graph/dim.ts';
import type { Node } from '../graph/node.ts';
import type { Tensor } from './backend.ts';

export function bindFeeds(
  graph: string,
  inputs: readonly Node<'input'>[],
  feeds: Readonly<Record<string, Pick<Tensor, 'dtype' | 'dims'>>>,
): Map<string, number> {
  const bindings = new Map<string, number>();
  for (const { attrs, shape, dtype } of inputs) {
    const tensor = feeds[attrs.name];
    if (!tensor)
      throw new EngineError({
        code: 'ENGINE_MISSING_INPUT',
        message: `graph ${graph}: input ${attrs.name} ${dtype}[${shape.join(', ')}] was not given`,
        remedy: `Pass a tensor for ${attrs.name}.`,
      });
    if (tensor.dtype !== dtype)
      throw new EngineError({
        code: 'ENGINE_BAD_DTYPE',
        message: `graph ${graph}: input ${attrs.name} is ${tensor.dtype}, expected ${dtype}`,
        remedy: `Pass ${attrs.name} as ${dtype}, or compile the graph for ${tensor.dtype}.`,
      });
    bind(attrs.name, shape, tensor.dims, bindings);
  }
  // Once more for compound sizes, whose symbols a later input may have fixed.
  for (const { attrs, shape } of inputs) bind(attrs.name, shape, feeds[attrs.name].dims, bindings);
  return bindings;
}
