import protobuf from 'protobufjs';
import type { Attributes, Constant, Graph } from './graph.ts';

// Of onnx.proto, what a graph of tensors needs: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
const { root } = protobuf.parse(
  `syntax = "proto3";
  message ModelProto { int64 ir_version = 1; string producer_name = 2; GraphProto graph = 7; repeated OperatorSetIdProto opset_import = 8; }
  message OperatorSetIdProto { string domain = 1; int64 version = 2; }
  message GraphProto {
    repeated NodeProto node = 1; string name = 2; repeated TensorProto initializer = 5;
    repeated ValueInfoProto input = 11; repeated ValueInfoProto output = 12;
  }
  message NodeProto {
    repeated string input = 1; repeated string output = 2; string name = 3; string op_type = 4; repeated AttributeProto attribute = 5;
  }
  message AttributeProto { string name = 1; float f = 2; int64 i = 3; bytes s = 4; repeated int64 ints = 8; int32 type = 20; }
  message TensorProto { repeated int64 dims = 1; int32 data_type = 2; string name = 8; bytes raw_data = 9; }
  message ValueInfoProto { string name = 1; TypeProto type = 2; }
  message TypeProto { Tensor tensor_type = 1; message Tensor { int32 elem_type = 1; TensorShapeProto shape = 2; } }
  message TensorShapeProto { repeated Dimension dim = 1; message Dimension { int64 dim_value = 1; } }`,
  { keepCase: true },
);
const ModelProto = root.lookupType('ModelProto');

const [FLOAT, INT64] = [1, 7]; // TensorProto.DataType
const ATTRIBUTE = { float: 1, int: 2, string: 3, ints: 7 } as const; // AttributeProto.AttributeType
/** Operators' numbers that are not whole. */
const REAL = new Set(['epsilon', 'alpha', 'beta']);

/** A graph as an ONNX file holds it: IR version 8, opset 17. */
export function encodeOnnx({ input, output, steps, constants }: Graph): Uint8Array {
  const dim = input.shape.map((size) => ({ dim_value: size }));
  const graph = {
    name: 'block',
    node: steps.map(({ op, inputs, outputs, attributes }) => ({
      input: inputs,
      output: outputs,
      name: outputs[0],
      op_type: op,
      attribute: attributesOf(attributes),
    })),
    initializer: constants.map(tensorOf),
    input: [{ name: input.name, type: { tensor_type: { elem_type: FLOAT, shape: { dim } } } }],
    output: [{ name: output, type: { tensor_type: { elem_type: FLOAT } } }],
  };
  return ModelProto.encode({ ir_version: 8, producer_name: 'saccade-bench', graph, opset_import: [{ domain: '', version: 17 }] }).finish();
}

function attributesOf(attributes: Attributes): object[] {
  return Object.entries(attributes).map(([name, value]) => {
    if (typeof value === 'string') return { name, s: new TextEncoder().encode(value), type: ATTRIBUTE.string };
    if (typeof value !== 'number') return { name, ints: value, type: ATTRIBUTE.ints };
    return REAL.has(name) ? { name, f: value, type: ATTRIBUTE.float } : { name, i: value, type: ATTRIBUTE.int };
  });
}

function tensorOf({ name, shape, values }: Constant): object {
  const raw_data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { dims: shape, data_type: values instanceof Float32Array ? FLOAT : INT64, name, raw_data };
}
