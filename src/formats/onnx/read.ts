/**
 * ONNX files read: a `ModelProto` with one graph of nodes, each an operator with attributes that reads named values and
 * writes named values; initializers are its constants. Field numbers are those of onnx.proto.
 */
import { DataError } from '../../core/errors.js';
import { printable } from '../printable.js';
import { failing, GrowingBytes, readMessage } from '../protobuf.js';
import { type FileTensor, readTensorProto, typeOfNumber } from './tensors.js';

/** What an attribute holds, under its name. */
export interface AttributeValue {
  readonly int: number | undefined;
  readonly float: number | undefined;
  readonly text: string | undefined;
  readonly ints: readonly number[];
  readonly floats: readonly number[];
  readonly tensor: FileTensor | undefined;
  /** Whether it holds what isn't read: inner graphs, lists of tensors, types. */
  readonly other: boolean;
}

/** An operator as a file has it. */
export interface FileNode {
  /** '' where it has none. */
  readonly name: string;
  readonly op: string;
  /** '' for ONNX's own operators. */
  readonly domain: string;
  /** '' for an input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: ReadonlyMap<string, AttributeValue>;
}

/** What goes into or out of a graph. */
export interface OnnxValueInfo {
  readonly name: string;
  /** Sizes, names of sizes that vary, '' for a size without a name; null where the file doesn't say. */
  readonly shape: readonly (number | string)[] | null;
  /** The type of its numbers as ONNX names it, in lower case (`float32`, `int64`, `bool`); '' for anything else. */
  readonly type: string;
}

/** A file's graph. */
export interface FileModel {
  /** Version of ONNX's own operators. */
  readonly opset: number;
  readonly nodes: readonly FileNode[];
  readonly tensors: readonly FileTensor[];
  /** Without those that are initializers. */
  readonly inputs: readonly OnnxValueInfo[];
  readonly outputs: readonly OnnxValueInfo[];
}

/** Names of ONNX's own operators. */
const ownDomains = ['', 'ai.onnx'];

/** Reads a ModelProto. @throws {DataError} for damage, no graph, and operators of no stated version */
export function readModel(bytes: Uint8Array, file: string): FileModel {
  let graph: Uint8Array | null = null;
  let opset = 0;
  readMessage(bytes, failing(file), (number, field) => {
    if (number === 7) graph = field.bytes();
    if (number === 8) opset = readOpset(field.bytes(), file) ?? opset;
  });
  if (graph === null) throw new DataError(`${file}: no ONNX model: it has no graph`);
  const model = readGraph(graph, file);
  const own = model.nodes.some(({ domain }) => domain === '');
  if (own && !(opset >= 1 && opset < 1000))
    throw new DataError(`${file}: its operators' version (opset) is ${opset}, expected a number from 1`);
  return { ...model, opset };
}

/** The version of ONNX's own operators, if the entry is theirs. */
function readOpset(bytes: Uint8Array, file: string): number | undefined {
  const entry = { domain: '', version: 0 };
  readMessage(bytes, failing(file, 'its versions of operators'), (number, field) => {
    if (number === 1) entry.domain = field.text();
    if (number === 2) entry.version = field.int();
  });
  return ownDomains.includes(entry.domain) ? entry.version : undefined;
}

function readGraph(bytes: Uint8Array, file: string): Omit<FileModel, 'opset'> {
  const nodes: FileNode[] = [];
  const tensors: FileTensor[] = [];
  const inputs: OnnxValueInfo[] = [];
  const outputs: OnnxValueInfo[] = [];
  readMessage(bytes, failing(file, 'its graph'), (number, field) => {
    if (number === 1) nodes.push(readNode(field.bytes(), file));
    if (number === 5) tensors.push(readTensorProto(field.bytes(), file));
    if (number === 11) inputs.push(readValue(field.bytes(), file));
    if (number === 12) outputs.push(readValue(field.bytes(), file));
    if (number === 15) throw new DataError(`${file}: has sparse tensors, which aren't read`);
  });
  const constants = new Set(tensors.map(({ name }) => name));
  return { nodes, tensors, inputs: inputs.filter(({ name }) => !constants.has(name)), outputs };
}

function readNode(bytes: Uint8Array, file: string): FileNode {
  const inputs: string[] = [];
  const outputs: string[] = [];
  const attributes = new Map<string, AttributeValue>();
  const text = { name: '', op: '', domain: '' };
  readMessage(bytes, failing(file, 'a node'), (number, field) => {
    if (number === 1) inputs.push(field.text());
    if (number === 2) outputs.push(field.text());
    if (number === 3) text.name = field.text();
    if (number === 4) text.op = field.text();
    if (number === 5) attributes.set(...readAttribute(field.bytes(), file));
    if (number === 7) text.domain = field.text();
  });
  const domain = ownDomains.includes(text.domain) ? '' : text.domain;
  return { ...text, domain, inputs, outputs, attributes };
}

function readAttribute(bytes: Uint8Array, file: string): [string, AttributeValue] {
  const ints: number[] = [];
  const floats = new GrowingBytes();
  const held: { -readonly [K in 'int' | 'float' | 'text' | 'tensor' | 'other']: AttributeValue[K] } = {
    int: undefined,
    float: undefined,
    text: undefined,
    tensor: undefined,
    other: false,
  };
  let name = '';
  readMessage(bytes, failing(file, 'an attribute'), (number, field) => {
    if (number === 1) name = field.text();
    else if (number === 2) held.float = field.float();
    else if (number === 3) held.int = field.int();
    else if (number === 4) held.text = field.text();
    else if (number === 5) held.tensor = readTensorProto(field.bytes(), file);
    else if (number === 7) field.fixedInto(floats, 4);
    else if (number === 8) field.intsInto(ints);
    else if (![13, 20, 21].includes(number)) held.other = true;
  });
  const all = floats.bytes();
  const view = new DataView(all.buffer, all.byteOffset, all.byteLength);
  const list = Array.from({ length: all.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  return [name, { ...held, ints, floats: list }];
}

function readValue(bytes: Uint8Array, file: string): OnnxValueInfo {
  const what = 'an input or output';
  let name = '';
  let tensorType: Uint8Array | null = null;
  readMessage(bytes, failing(file, what), (number, field) => {
    if (number === 1) name = field.text();
    if (number !== 2) return;
    readMessage(field.bytes(), failing(file, what), (kind, inner) => {
      if (kind === 1) tensorType = inner.bytes();
    });
  });
  if (tensorType === null) return { name, shape: null, type: '' };
  let type = '';
  let shape: (number | string)[] | null = null;
  const fail = failing(file, printable(name, 80));
  readMessage(tensorType, fail, (number, field) => {
    if (number === 1) type = typeOfNumber(field.int()) ?? '';
    if (number !== 2) return;
    const sizes: (number | string)[] = [];
    readMessage(field.bytes(), fail, (kind, size) => {
      if (kind === 1) sizes.push(readSize(size.bytes(), fail));
    });
    shape = sizes;
  });
  return { name, shape, type };
}

function readSize(bytes: Uint8Array, fail: (problem: string) => never): number | string {
  let size: number | string = '';
  readMessage(bytes, fail, (number, field) => {
    if (number === 1) size = field.int();
    if (number === 2) size = field.text();
  });
  return size;
}
