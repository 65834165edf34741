// In: a layer with experts, what is trained of them, and the size of a batch. Out: what its experts hold in a training step,
// with tokens spread evenly over them. Nothing runs here.
import {
  type ExpertSpec,
  expertForward,
  expertTraining,
  graphMemory,
  loraParameters,
  projectionParameters,
  roundedSize,
} from '@tunesmith/engine';
import type { LayerFacts } from '#factory/records/memory-facts.ts';

export interface ExpertGroup {
  spec: ExpertSpec;
  count: number;
  /** To how many a token goes. */
  active: number;
  /** Trained parameters of an expert, by their name in it. */
  trained: string[];
}

export const trainsExperts = ({ spec, trained }: ExpertGroup) =>
  trained.length > 0 || loraParameters(spec).size > 0;

/** `own`: whether a base tensor of the expert is trained, by its name in it. */
export function expertGroup(
  spec: ExpertSpec,
  { count, active }: { count: number; active: number },
  own: (name: string) => boolean,
): ExpertGroup {
  return { spec, count, active, trained: [...projectionParameters(spec).keys()].filter(own) };
}

/** The facts of a layer together with those of its experts, whose graphs run after and before its own. */
export function withExperts(facts: LayerFacts, group: ExpertGroup, tokens: number): LayerFacts {
  const { spec, count, active, trained } = group;
  const sizes = new Map([['R', Math.ceil((tokens * active) / count)]]);
  if (facts.isBelow) {
    const plain = graphMemory(expertForward(spec), sizes).scratch;
    return { ...facts, scratch: { ...facts.scratch, plain: Math.max(facts.scratch.plain, plain) } };
  }
  const names = trained.length > 0 ? [...trained, ...loraParameters(spec).keys()] : 'lora';
  const [save, recompute] = (['save', 'recompute'] as const).map((policy) => {
    const { forward, backward } = expertTraining(spec, names, policy);
    return { forward: graphMemory(forward, sizes), backward: graphMemory(backward, sizes) };
  });
  const bytes = (outputs: ReadonlyMap<string, number>, without: readonly string[]) =>
    [...outputs].reduce((n, [name, b]) => (without.includes(name) ? n : n + roundedSize(b)), 0);
  const { forward, backward, plain } = facts.scratch;
  return {
    ...facts,
    residualBytes: facts.residualBytes + count * bytes(save.forward.outputs, ['y']),
    gradientBytes: Math.max(facts.gradientBytes, bytes(save.backward.outputs, ['d_x', 'd_share'])),
    scratch: {
      forward: {
        save: Math.max(forward.save, save.forward.scratch),
        recompute: Math.max(forward.recompute, recompute.forward.scratch),
      },
      backward: {
        save: Math.max(backward.save, save.backward.scratch),
        recompute: Math.max(backward.recompute, recompute.backward.scratch),
      },
      plain,
    },
  };
}
