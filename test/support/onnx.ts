/**
 * ONNX files read back with a plain protocol-buffer reader.
 */
import { PbfReader } from 'pbf';

/** An operator as a file has it. */
export interface ReadNode {
  op: string;
  name: string;
  inputs: string[];
  output: string;
  ints: Map<string, number[]>;
  floats: Map<string, number>;
}

/** A constant as a file has it. */
export interface ReadTensor {
  name: string;
  shape: number[];
  bytes: Uint8Array;
}

/** Nodes and constants of an ONNX file. */
export function readModel(bytes: Uint8Array): { nodes: ReadNode[]; tensors: Map<string, ReadTensor> } {
  const nodes: ReadNode[] = [];
  const tensors = new Map<string, ReadTensor>();
  const graph = (tag: number, _: null, pbf: PbfReader): void => {
    if (tag === 1)
      nodes.push(
        pbf.readMessage(readNode, {
          op: '',
          name: '',
          inputs: [],
          output: '',
          ints: new Map(),
          floats: new Map(),
        }),
      );
    if (tag === 5) {
      const tensor = pbf.readMessage(readTensor, { name: '', shape: [], bytes: new Uint8Array() });
      tensors.set(tensor.name, tensor);
    }
  };
  new PbfReader(bytes).readFields((tag, _, pbf) => {
    if (tag === 7) pbf.readMessage(graph, null);
  }, null);
  return { nodes, tensors };
}

function readNode(tag: number, node: ReadNode, pbf: PbfReader): void {
  if (tag === 1) node.inputs.push(pbf.readString());
  if (tag === 2) node.output = pbf.readString();
  if (tag === 3) node.name = pbf.readString();
  if (tag === 4) node.op = pbf.readString();
  if (tag !== 5) return;
  const ints: number[] = [];
  const attribute = { name: '', ints, float: Number.NaN };
  pbf.readMessage((field, into, reader) => {
    if (field === 1) into.name = reader.readString();
    if (field === 2) into.float = reader.readFloat();
    if (field === 3 || field === 8) into.ints.push(reader.readVarint(true));
  }, attribute);
  node.ints.set(attribute.name, attribute.ints);
  node.floats.set(attribute.name, attribute.float);
}

function readTensor(tag: number, tensor: ReadTensor, pbf: PbfReader): void {
  if (tag === 1) tensor.shape.push(pbf.readVarint());
  if (tag === 8) tensor.name = pbf.readString();
  if (tag === 9) tensor.bytes = pbf.readBytes();
}
