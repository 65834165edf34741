// In: the parts of an ONNX model. Out: its bytes in protobuf wire format. Only what our lowering emits is covered
// (onnx.proto3, IR version 10); there is no reader here.

type AttributeValue = number | string | number[] | { float: number } | { graph: OnnxModel };

export interface OnnxNode {
  op: string;
  domain: '' | 'com.microsoft';
  inputs: string[];
  outputs: string[];
  attributes: Record<string, AttributeValue>;
}

/** ONNX TensorProto.DataType numbers. */
export const ONNX_TYPE = { f32: 1, u8: 2, i32: 6, i64: 7, f16: 10 } as const;

export interface OnnxValue {
  name: string;
  type: keyof typeof ONNX_TYPE;
  /** Absent: any rank. */
  dims?: (number | string)[];
  /** Not one tensor but a sequence of such tensors. */
  isSequence?: boolean;
}

export interface OnnxConstant {
  name: string;
  type: 'f32' | 'i64';
  dims: number[];
  values: number[];
}

export interface OnnxModel {
  name: string;
  nodes: OnnxNode[];
  inputs: OnnxValue[];
  outputs: OnnxValue[];
  constants: OnnxConstant[];
}

class Writer {
  readonly #bytes: number[] = [];

  varint(value: number | bigint): void {
    let v = BigInt.asUintN(64, BigInt(value));
    while (v > 127n) {
      this.#bytes.push(Number(v & 127n) | 128);
      v >>= 7n;
    }
    this.#bytes.push(Number(v));
  }

  int(field: number, value: number): void {
    this.varint(field << 3);
    this.varint(value);
  }

  float(field: number, value: number): void {
    this.varint((field << 3) | 5);
    this.#bytes.push(...new Uint8Array(new Float32Array([value]).buffer));
  }

  bytes(field: number, value: Uint8Array | readonly number[]): void {
    this.varint((field << 3) | 2);
    this.varint(value.length);
    for (const byte of value) this.#bytes.push(byte);
  }

  text(field: number, value: string): void {
    this.bytes(field, new TextEncoder().encode(value));
  }

  message(field: number, fill: (w: Writer) => void): void {
    const inner = new Writer();
    fill(inner);
    this.bytes(field, inner.#bytes);
  }

  finish(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

// AttributeProto.AttributeType: FLOAT 1, INT 2, STRING 3, GRAPH 5, INTS 7.
function writeAttribute(w: Writer, name: string, value: AttributeValue): void {
  w.text(1, name);
  if (typeof value === 'number') {
    w.int(3, value);
    w.int(20, 2);
  } else if (typeof value === 'string') {
    w.text(4, value);
    w.int(20, 3);
  } else if (Array.isArray(value)) {
    for (const v of value) w.int(8, v);
    w.int(20, 7);
  } else if ('graph' in value) {
    w.message(6, (graph) => writeGraph(graph, value.graph));
    w.int(20, 5);
  } else {
    w.float(2, value.float);
    w.int(20, 1);
  }
}

function writeValue(w: Writer, value: OnnxValue): void {
  w.text(1, value.name);
  w.message(2, (type) => {
    if (value.isSequence)
      type.message(4, (sequence) => sequence.message(1, (t) => writeTensorType(t, value)));
    else writeTensorType(type, value);
  });
}

function writeTensorType(type: Writer, { type: element, dims }: OnnxValue): void {
  type.message(1, (tensor) => {
    tensor.int(1, ONNX_TYPE[element]);
    if (!dims) return;
    tensor.message(2, (shape) => {
      for (const dim of dims)
        shape.message(1, (d) => (typeof dim === 'number' ? d.int(1, dim) : d.text(2, dim)));
    });
  });
}

function writeConstant(w: Writer, constant: OnnxConstant): void {
  for (const d of constant.dims) w.int(1, d);
  w.int(2, ONNX_TYPE[constant.type]);
  w.text(8, constant.name);
  const raw =
    constant.type === 'f32'
      ? new Uint8Array(Float32Array.from(constant.values).buffer)
      : new Uint8Array(BigInt64Array.from(constant.values, BigInt).buffer);
  w.bytes(9, raw);
}

function writeGraph(graph: Writer, model: OnnxModel): void {
  for (const node of model.nodes) {
    graph.message(1, (n) => {
      for (const input of node.inputs) n.text(1, input);
      for (const output of node.outputs) n.text(2, output);
      n.text(4, node.op);
      for (const [name, value] of Object.entries(node.attributes))
        n.message(5, (a) => writeAttribute(a, name, value));
      if (node.domain) n.text(7, node.domain);
    });
  }
  graph.text(2, model.name);
  for (const constant of model.constants) graph.message(5, (c) => writeConstant(c, constant));
  for (const input of model.inputs) graph.message(11, (v) => writeValue(v, input));
  for (const output of model.outputs) graph.message(12, (v) => writeValue(v, output));
}

export function encodeModel(model: OnnxModel): Uint8Array {
  const w = new Writer();
  w.int(1, 10);
  w.text(2, 'tunesmith');
  w.message(7, (graph) => writeGraph(graph, model));
  const opset = (domain: string, version: number) =>
    w.message(8, (o) => {
      if (domain) o.text(1, domain);
      o.int(2, version);
    });
  opset('', 20);
  opset('com.microsoft', 1);
  return w.finish();
}
