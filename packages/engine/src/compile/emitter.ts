// In: operations of ONNX with the names of their inputs. Out: a list of nodes, constants and inputs that carry sizes, with
// equal ones merged. Which operations a graph becomes is up to the rules.
import { invariant } from '../errors.ts';
import type { Dim } from '../graph/dim.ts';
import { isOp, type Node } from '../graph/node.ts';
import type { Op, OpAttrs } from '../graph/op.ts';
import type { OnnxConstant, OnnxNode } from './proto.ts';

export type Attributes = OnnxNode['attributes'];

export class Emitter {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, OnnxConstant>();
  readonly shapeInputs = new Map<string, { name: string; dims: Dim[] }>();
  readonly sizeInputs = new Map<Dim, { name: string; dim: Dim }>();
  readonly #emitted = new Map<string, string>();
  readonly #names = new Map<number, string>();
  readonly #users = new Map<number, number>();
  readonly #sigmoidOf: ReadonlySet<number>;
  readonly #outputs: ReadonlySet<number>;
  #next = 0;

  constructor(order: Node[], outputs: readonly Node[]) {
    this.#outputs = new Set(outputs.map((node) => node.id));
    this.#sigmoidOf = new Set(order.flatMap((node) => (isOp(node, 'sigmoid') ? [node.inputs[0].id] : [])));
    for (const node of order)
      for (const i of node.inputs) this.#users.set(i.id, (this.#users.get(i.id) ?? 0) + 1);
    // An output counts as a user twice over, so that it is never folded into another kernel.
    for (const node of outputs) this.#users.set(node.id, (this.#users.get(node.id) ?? 0) + 2);
  }

  name(node: Node): string {
    const name = this.#names.get(node.id);
    invariant(name !== undefined, `${node.op} is used before it is lowered`);
    return name;
  }

  assign(node: Node, name: string): void {
    this.#names.set(node.id, name);
  }

  usedOnce(node: Node): boolean {
    return this.#users.get(node.id) === 1;
  }

  isOutput(node: Node): boolean {
    return this.#outputs.has(node.id);
  }

  /** The graph needs the sigmoid of `node` anyway, as the gradient of SiLU does. */
  hasSigmoid(node: Node): boolean {
    return this.#sigmoidOf.has(node.id);
  }

  /** Emits a node, or returns the value of an equal one that was emitted before. */
  emit(op: string, inputs: string[], attributes: Attributes = {}, domain: OnnxNode['domain'] = ''): string {
    const key = `${domain}:${op}(${inputs.join(',')})${JSON.stringify(attributes)}`;
    const known = this.#emitted.get(key);
    if (known) return known;
    const output = `v${this.#next++}`;
    this.nodes.push({ op, domain, inputs, outputs: [output], attributes });
    this.#emitted.set(key, output);
    return output;
  }

  scalar(value: number): string {
    return this.#constant('f32', [], [value]);
  }

  ints(values: number[]): string {
    return this.#constant('i64', [values.length], values);
  }

  #constant(type: 'f32' | 'i64', dims: number[], values: number[]): string {
    const key = `${type}[${dims}]${values.join(',')}`;
    const known = this.constants.get(key);
    if (known) return known.name;
    const name = `c${this.constants.size}`;
    this.constants.set(key, { name, type, dims, values });
    return name;
  }

  /** A target shape: a constant where at most one size is unknown (and may be inferred), else an i64 input. */
  shape(dims: readonly Dim[], mayInfer: boolean): string {
    const unknown = dims.filter((d) => typeof d !== 'number').length;
    if (unknown === 0 || (mayInfer && unknown === 1))
      return this.ints(dims.map((d) => (typeof d === 'number' ? d : -1)));
    const key = dims.join(',');
    const known = this.shapeInputs.get(key);
    if (known) return known.name;
    const name = `shape_${this.shapeInputs.size}`;
    this.shapeInputs.set(key, { name, dims: [...dims] });
    return name;
  }

  /** A size as a scalar f32: a constant where it is known, else an input. */
  size(dim: Dim): string {
    if (typeof dim === 'number') return this.scalar(dim);
    const known = this.sizeInputs.get(dim);
    if (known) return known.name;
    const name = `size_${this.sizeInputs.size}`;
    this.sizeInputs.set(dim, { name, dim });
    return name;
  }
}

export type LowerRule<O extends Op> = (
  e: Emitter,
  node: Node<O>,
  inputs: string[],
  attrs: OpAttrs[O],
) => string;
export type LowerRules = { [O in Op]: LowerRule<O> };

export const MS = 'com.microsoft';
/** -1 as in ONNX: the last axis. */
export const LAST = -1;
