// In: the spec of one expert: a gated MLP. Out: its graphs over the rows that were routed to it, so that the cost follows
// their number. Routing, gathering and adding up are done outside, because sizes here follow from values.
import { type ResidualPolicy, type SplitGraphs, splitForwardBackward } from '../grad/split.ts';
import { keep, makeInput, mul } from '../graph/build.ts';
import { type Graph, makeGraph, type Node } from '../graph/node.ts';
import { ACTIVATIONS, declareParameters, type TrainedParameters, trainedNames } from './declare.ts';
import { type LayerSpec, projectionParameters } from './layer-spec.ts';
import { linear } from './linear.ts';

/** Projections are named gate, up and down, whatever the checkpoint calls them, so that all experts share graphs. */
export type ExpertSpec = Pick<LayerSpec, 'hidden' | 'activation' | 'projections'>;

/** x [R, hidden], share [R, 1] (the router's weight of each row) -> share * down(activation(gate x) * up x). */
function body(spec: ExpertSpec, trained: readonly string[]) {
  const x = makeInput('x', ['R', spec.hidden]);
  const share = makeInput('share', ['R', 1]);
  const { parameters, projection } = declareParameters(spec, projectionParameters(spec), 'R', trained);
  const gate = keep(linear(x, projection('gate')));
  const up = keep(linear(x, projection('up')));
  const inner = mul(ACTIVATIONS[spec.activation](gate), up);
  // down is linear: weighting what goes in spares the backward pass the expert's output.
  const y = linear(mul(inner, share), projection('down'));
  return { x, share, y, parameters };
}

export function expertForward(spec: ExpertSpec): Graph {
  return makeGraph('expert_forward', { y: body(spec, []).y });
}

/** Backward outputs: d_x, d_share and d_<parameter>. */
export function expertTraining(
  spec: ExpertSpec,
  trained: TrainedParameters,
  policy: ResidualPolicy,
): SplitGraphs {
  const names = trainedNames(spec, trained);
  const { x, share, y, parameters } = body(spec, names);
  const wrt: Record<string, Node> = { x, share };
  for (const name of names) wrt[name] = parameters.get(name) as Node;
  return splitForwardBackward('expert', { y }, wrt, policy);
}
