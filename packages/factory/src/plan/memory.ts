// In: what one step of a run holds (StepFacts), and how many residuals it may keep. Out: the peak of the process, by term.
// Pure arithmetic: the phases of a run in order, and what stands in memory in each.
import type { BesideFacts, LayerFacts, PassFacts, StepFacts } from '#factory/records/memory-facts.ts';
import type { PlannedMethod } from '#factory/records/plan.ts';
import {
  DATA_BYTES_PER_TOKEN,
  HEAP_BYTES,
  KEPT_BLOCKS,
  MAPPED_BYTES,
  RUNTIME_BYTES,
  SCRATCH_FACTOR,
  SESSION_BYTES,
  TOKENIZER_BYTES_PER_ENTRY,
} from './constants.ts';

export const TERMS = [
  'weights',
  'unpacked layer',
  'trained parameters',
  'gradients',
  'optimiser',
  'residuals',
  'layer scratch',
  'head scratch',
  'answers',
  'other models',
  'runtime',
  'data',
] as const;
export type Term = (typeof TERMS)[number];

export interface MemoryPlan {
  /** Bytes at the peak, by term. */
  terms: Record<Term, number>;
  peakBytes: number;
  /** The phase that has the peak. */
  phase: PlannedMethod['phase'];
  /** Layers whose residuals are kept; the others are computed again. */
  savedLayers: number;
  trainedLayers: number;
}

/** What stands beside the model. */
export interface HostFacts {
  /** All tokens of the data set. */
  dataTokens: number;
  /** Entries of the tokenizer. */
  vocabulary: number;
}

export interface MemoryOptions extends HostFacts {
  /** Room for residuals and a layer's scratch, as `TrainSettings.residualBytes`. */
  residualBytes: number;
  /** Layers beyond that wait on the disk, not to be computed again. */
  spills?: boolean;
  beside?: BesideFacts | null;
}

const largest = (values: readonly number[]) => values.reduce((a, b) => Math.max(a, b), 0);
const sum = (values: Iterable<number>) => [...values].reduce((a, b) => a + b, 0);

export function planMemory(facts: StepFacts, options: MemoryOptions): MemoryPlan {
  const { weights, layers, hiddenBytes, labelRowBytes, headScratchBytes, isLarge } = facts;
  const trained = layers.filter((layer) => !layer.isBelow);
  const policies = policiesOf(facts, trained, options);
  const graphs = policies.map((policy) => (policy === 'spill' ? 'save' : policy));
  const fixed = zero();
  fixed.weights = weights.restBytes;
  fixed['unpacked layer'] = weights.unpackBytes;
  fixed['trained parameters'] = 4 * weights.adapterParameters;
  // Their sums, and what the backward pass of a layer returns.
  const returned = largest(trained.map((l) => l.gradientBytes));
  fixed.gradients = 4 * weights.trainedParameters + returned;
  fixed.optimiser = weights.optimizerBytes;
  const stays = hiddenBytes < MAPPED_BYTES ? KEPT_BLOCKS * hiddenBytes : 0;
  fixed.runtime = RUNTIME_BYTES + HEAP_BYTES + stays;
  fixed.data = DATA_BYTES_PER_TOKEN * options.dataTokens + TOKENIZER_BYTES_PER_ENTRY * options.vocabulary;

  const kept = trained.map((layer, i) => (policies[i] === 'save' ? layer.residualBytes : 0));
  const spilled = trained.filter((_, i) => policies[i] === 'spill');
  const inputs = (trained.length - spilled.length + 1) * hiddenBytes;
  // One is written or read while another is in use.
  const onTheWay =
    spilled.length > 0 ? 2 * (Math.max(...spilled.map((l) => l.residualBytes)) + hiddenBytes) : 0;
  const residuals = sum(kept) + inputs + onTheWay + facts.sharedBytes;
  // What the binding hands out besides our own buffers lives until the end of the call.
  const forwardCopy = largest(kept) + hiddenBytes;
  const backwardCopy = returned + hiddenBytes;
  const norms = SCRATCH_FACTOR * facts.normScratchBytes;
  const plain =
    norms +
    scratchOf(
      layers.filter((l) => l.isBelow).map((l) => [l.kind, l.scratch.plain]),
      false,
    );
  const pass = (name: 'forward' | 'backward') =>
    scratchOf(
      trained.map((l, i) => [`${l.kind} ${graphs[i]}`, l.scratch[name][graphs[i]]]),
      isLarge,
    );
  const forward = pass('forward');
  const backward = pass('backward');
  const head = SCRATCH_FACTOR * headScratchBytes;
  // Normed rows, and their gradient; each is made anew and copied once.
  const labelRows = 4 * labelRowBytes;

  const { beside } = options;
  fixed['other models'] = beside && !beside.isFirst ? beside.restBytes : 0;
  const passes: Partial<Record<MemoryPlan['phase'], Partial<Record<Term, number>>>> = {};
  if (beside) {
    // Before the first step nothing has been written to gradients, and there is no optimiser.
    const before = { gradients: 0, optimiser: 0 };
    const others = { 'other models': beside.restBytes };
    passes.opening = { ...before, 'other models': beside.restBytes + beside.loadingBytes };
    const reading = largestPass(beside.reading);
    if (reading)
      passes.reading = { ...(beside.isFirst ? before : {}), ...others, ...termsOf(reading, 'residuals') };
    if (beside.writing) passes.writing = termsOf(beside.writing, 'answers');
  }
  function termsOf(pass: PassFacts, held: Term): Partial<Record<Term, number>> {
    return { [held]: pass.heldBytes, 'layer scratch': norms + passScratch(pass) };
  }

  const phases: Partial<Record<MemoryPlan['phase'], Partial<Record<Term, number>>>> = {
    loading: { weights: weights.loadingBytes, gradients: 0, optimiser: 0, 'other models': 0 },
    ...passes,
    forward: {
      residuals,
      'layer scratch': plain + forward + (isLarge ? 0 : backward) + facts.dropoutBytes + forwardCopy,
      'head scratch': isLarge ? 0 : head,
    },
    head: {
      residuals: residuals + labelRows,
      'layer scratch': plain + (isLarge ? 0 : forward + backward),
      'head scratch': head,
    },
    backward: {
      residuals: residuals + labelRows / 2,
      'layer scratch': plain + backward + (isLarge ? 0 : forward) + facts.dropoutBytes + backwardCopy,
      'head scratch': isLarge ? 0 : head,
    },
  };
  let best: MemoryPlan | null = null;
  for (const [phase, terms] of Object.entries(phases)) {
    const all = { ...fixed, ...terms };
    const peakBytes = sum(Object.values(all));
    if (!best || peakBytes > best.peakBytes)
      best = {
        terms: all,
        peakBytes,
        phase: phase as MemoryPlan['phase'],
        savedLayers: policies.filter((p) => p === 'save').length,
        trainedLayers: trained.length,
      };
  }
  return best as MemoryPlan;
}

/** The decoder's own rule: from the lowest layer on, residuals are kept while there is room. */
function policiesOf(
  facts: StepFacts,
  trained: readonly LayerFacts[],
  { residualBytes: room, spills }: MemoryOptions,
): ('save' | 'recompute' | 'spill')[] {
  let left = room - facts.setAsideBytes;
  return trained.map((layer) => {
    if (left < facts.residualEstimateBytes) {
      if (spills) return 'spill';
      left -= facts.hiddenBytes;
      return 'recompute';
    }
    left -= facts.hiddenBytes + layer.residualBytes;
    return 'save';
  });
}

const largestPass = (passes: readonly PassFacts[]) =>
  passes.reduce<PassFacts | null>(
    (a, b) => (!a || b.heldBytes + passScratch(b) > a.heldBytes + passScratch(a) ? b : a),
    null,
  );

const passScratch = ({ scratchBytes }: PassFacts) =>
  sum(scratchBytes.map((bytes) => SESSION_BYTES + SCRATCH_FACTOR * bytes));

/** Of several graphs: all together, or the largest where one is freed before the next runs. */
function scratchOf(graphs: readonly (readonly [string, number])[], oneAtATime: boolean): number {
  const each = [...new Map(graphs).values()].map((bytes) => SESSION_BYTES + SCRATCH_FACTOR * bytes);
  return oneAtATime ? each.reduce((a, b) => Math.max(a, b), 0) : sum(each);
}

function zero(): Record<Term, number> {
  return Object.fromEntries(TERMS.map((term) => [term, 0])) as Record<Term, number>;
}
