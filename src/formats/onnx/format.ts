/**
 * The ONNX file format: a protocol-buffer `ModelProto`, of which this writes what a feed-forward network needs. Field
 * numbers are those of onnx.proto.
 */
import { PbfWriter } from 'pbf';

/** An operator: reads named values, writes one. */
export interface OnnxNode {
  readonly name: string;
  readonly op: string;
  readonly inputs: readonly string[];
  readonly output: string;
  /** Whole numbers, lists of them, or floats. */
  readonly attributes: Readonly<Record<string, number | readonly number[] | { readonly float: number }>>;
}

/** A constant: float32 or int64. */
export interface OnnxTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | BigInt64Array;
}

/** What goes in or out: sizes, or names of sizes that may vary. */
interface OnnxValue {
  readonly name: string;
  readonly shape: readonly (number | string)[];
}

/** A model of one graph. */
export interface OnnxModel {
  readonly name: string;
  /** In an order in which each reads only what is written before. */
  readonly nodes: readonly OnnxNode[];
  readonly tensors: readonly OnnxTensor[];
  readonly input: OnnxValue;
  readonly output: OnnxValue;
}

const irVersion = 8;
const opset = 17;
/** TensorProto.DataType. */
const dataTypes = { float: 1, int64: 7 } as const;
/** AttributeProto.AttributeType. */
const attributeTypes = { float: 1, int: 2, ints: 7 } as const;

/** The bytes of an ONNX file. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const bytes = model.tensors.reduce((sum, tensor) => sum + tensor.data.byteLength, 0);
  const writer = new PbfWriter(new Uint8Array(bytes + (1 << 16))); // so that it needn't grow by copying
  writer.writeVarintField(1, irVersion);
  writer.writeStringField(2, 'tandem');
  writer.writeMessage(7, writeGraph, model);
  writer.writeMessage(8, (version, pbf) => pbf.writeVarintField(2, version), opset);
  return writer.finish();
}

function writeGraph({ name, nodes, tensors, input, output }: OnnxModel, pbf: PbfWriter): void {
  for (const node of nodes) pbf.writeMessage(1, writeNode, node);
  pbf.writeStringField(2, name);
  for (const tensor of tensors) pbf.writeMessage(5, writeTensor, tensor);
  pbf.writeMessage(11, writeValue, input);
  pbf.writeMessage(12, writeValue, output);
}

function writeNode({ name, op, inputs, output, attributes }: OnnxNode, pbf: PbfWriter): void {
  for (const input of inputs) pbf.writeStringField(1, input);
  pbf.writeStringField(2, output);
  pbf.writeStringField(3, name);
  pbf.writeStringField(4, op);
  for (const entry of Object.entries(attributes)) pbf.writeMessage(5, writeAttribute, entry);
}

function writeAttribute([name, value]: [string, OnnxNode['attributes'][string]], pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  if (typeof value === 'number') {
    pbf.writeVarintField(3, value);
    pbf.writeVarintField(20, attributeTypes.int);
  } else if ('float' in value) {
    pbf.writeFloatField(2, value.float);
    pbf.writeVarintField(20, attributeTypes.float);
  } else {
    for (const item of value) pbf.writeVarintField(8, item);
    pbf.writeVarintField(20, attributeTypes.ints);
  }
}

function writeTensor({ name, shape, data }: OnnxTensor, pbf: PbfWriter): void {
  for (const size of shape) pbf.writeVarintField(1, size);
  pbf.writeVarintField(2, data instanceof Float32Array ? dataTypes.float : dataTypes.int64);
  pbf.writeStringField(8, name);
  pbf.writeBytesField(9, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

function writeValue({ name, shape }: OnnxValue, pbf: PbfWriter): void {
  pbf.writeStringField(1, name);
  pbf.writeMessage(2, writeTensorType, shape);
}

function writeTensorType(shape: OnnxValue['shape'], type: PbfWriter): void {
  type.writeMessage(
    1,
    (sizes, tensor) => {
      tensor.writeVarintField(1, dataTypes.float);
      tensor.writeMessage(2, writeShape, sizes);
    },
    shape,
  );
}

function writeShape(sizes: OnnxValue['shape'], pbf: PbfWriter): void {
  for (const size of sizes) {
    pbf.writeMessage(
      1,
      (one, dimension) => {
        if (typeof one === 'string') dimension.writeStringField(2, one);
        else dimension.writeVarintField(1, one);
      },
      size,
    );
  }
}
