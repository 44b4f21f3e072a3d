/**
 * ONNX files as modules: the file's graph, its nodes one after the other, its weights as parameters under their names.
 *
 * Float constants of at least one axis are parameters, so that the module trains; means and variances of batch
 * normalization are buffers, which move while it trains; single numbers and whole numbers stay as they are. What says sizes (Reshape's shape, a Slice's ends) is
 * kept on the host, where shapes are worked out without waiting for a device.
 */
import { wrongArgument } from '../../core/arguments.js';
import { type Device, requireDevice } from '../../core/device.js';
import { DataError } from '../../core/errors.js';
import { full } from '../../core/ops/create.js';
import { keep } from '../../core/scope.js';
import { type Shape, sizeOf } from '../../core/shape.js';
import { Tensor } from '../../core/tensor.js';
import { parameter } from '../../nn/module.js';
import type { NumberType } from '../numbers.js';
import { printable } from '../printable.js';
import { dtypeOfType, nameOfNode, onDevice, type Value } from './call.js';
import { OnnxModule } from './module.js';
import { isKnown } from './operators.js';
import { type FileModel, type FileNode, readModel } from './read.js';
import { type ExternalTensor, type HostValue, readExternal } from './tensors.js';

/** Most names of nodes that a message lists for each operator. */
const mostNames = 8;

/** Inputs, by operator, that say sizes and the like. */
const saysSizes: Readonly<Record<string, readonly number[]>> = {
  Clip: [1, 2],
  ConstantOfShape: [0],
  CumSum: [1],
  Dropout: [1, 2],
  Expand: [1],
  OneHot: [1],
  Pad: [1, 2, 3],
  Range: [0, 1, 2],
  Reshape: [1],
  Resize: [1, 2, 3],
  Slice: [1, 2, 3, 4],
  Split: [1],
  Squeeze: [1],
  Tile: [1],
  TopK: [1],
  Trilu: [1],
  Unsqueeze: [1],
  Upsample: [1],
};

/** Inputs that are measured, not trained. */
const measured: Readonly<Record<string, readonly number[]>> = { BatchNormalization: [3, 4] };

/** How a file is taken. */
export interface OnnxImportOptions {
  /** Where the module's parameters are, and its inputs must be. */
  readonly device: Device;
  /**
   * Gives the bytes of a file next to this one that holds numbers of it ("external data"), by its name, and is asked once
   * for each; without it, such a model is refused by that name.
   */
  readonly external?: (name: string) => Promise<Uint8Array>;
}

/**
 * Reads a file's bytes.
 * @param file its name, for messages
 * @returns a module that computes what the model does and trains; its state dict has the names of the file
 * @throws {DataError} for a damaged file, and for operators that aren't known: all of them, with their nodes' names
 */
export async function importOnnx(
  bytes: Uint8Array,
  file: string,
  { device, external }: OnnxImportOptions,
): Promise<OnnxModule> {
  if (!(bytes instanceof Uint8Array)) throw wrongArgument('importOnnx', 'bytes', bytes, 'a Uint8Array');
  requireDevice('importOnnx', device);
  const model = readModel(bytes, file);
  requireOperators(model, file);
  const held = await constantsOf(model, file, external);
  const nodes = model.nodes.filter(({ op, outputs }) => op !== 'Constant' && !held.has(outputs[0] ?? ''));
  requireOrder({ ...model, nodes }, held, file);
  const uses = usesOf(nodes);
  const constants = new Map<string, Value>();
  const buffers: Tensor[] = [];
  try {
    for (const [name, constant] of held) {
      const of = uses.get(name) ?? [];
      const value = placed(constant, of, device);
      constants.set(name, value);
      if (value instanceof Tensor && isMeasured(of)) buffers.push(value);
    }
  } catch (error) {
    for (const value of constants.values()) if (value instanceof Tensor) value.dispose();
    throw error;
  }
  return new OnnxModule(file, { ...model, nodes }, device, constants, buffers);
}

/** A constant of a model. */
interface Constant {
  readonly value: HostValue | Filled;
  /** Whether it may be a parameter: Constant nodes hold numbers of formulas. */
  readonly weight: boolean;
}

/** One number over and over, as a ConstantOfShape node makes it. */
interface Filled {
  readonly type: NumberType;
  readonly shape: Shape;
  readonly fill: number;
}

/** A value's place among the inputs of an operator. */
interface Use {
  readonly op: string;
  readonly i: number;
}

/** A constant where it is needed: on the host where all that read it want it there, else on the device. */
function placed({ value, weight }: Constant, uses: readonly Use[], device: Device): Value {
  const isFloat = value.type.includes('float');
  const sizes = uses.length > 0 && uses.every(({ op, i }) => saysSizes[op]?.includes(i));
  if ('data' in value && (!isFloat || sizes)) return value;
  const dtype = dtypeOfType(value.type);
  const x = keep(
    'data' in value ? onDevice(value, device) : full(value.shape, value.fill, { device, dtype }),
  );
  return weight && isFloat && !isMeasured(uses) && value.shape.length > 0 ? parameter(x) : x;
}

const isMeasured = (uses: readonly Use[]): boolean => uses.some(({ op, i }) => measured[op]?.includes(i));

function usesOf(nodes: readonly FileNode[]): ReadonlyMap<string, readonly Use[]> {
  const uses = new Map<string, Use[]>();
  for (const { op, inputs } of nodes) {
    for (const [i, name] of inputs.entries()) {
      const known = uses.get(name);
      if (known) known.push({ op, i });
      else uses.set(name, [{ op, i }]);
    }
  }
  return uses;
}

/** @throws {DataError} that lists all operators that aren't known, with the nodes that need them */
function requireOperators({ nodes }: FileModel, file: string): void {
  const unknown = new Map<string, string[]>();
  for (const node of nodes) {
    if (node.domain === '' && isKnown(node.op)) continue;
    const op = printable(node.domain === '' ? node.op : `${node.domain}.${node.op}`, 60);
    const name = node.name === '' ? `that of "${node.outputs[0] ?? ''}"` : node.name;
    unknown.set(op, [...(unknown.get(op) ?? []), printable(name, 60)]);
  }
  if (unknown.size === 0) return;
  const list = [...unknown].map(([op, names]) => {
    const more = names.length > mostNames ? `, and ${names.length - mostNames} more` : '';
    return `${op} (${names.slice(0, mostNames).join(', ')}${more})`;
  });
  throw new DataError(`${file}: has operators that aren't known here: ${list.join('; ')}`);
}

/** @throws {DataError} unless each node reads what is given or was written before, and all outputs are written once */
function requireOrder(
  { nodes, inputs, outputs }: FileModel,
  constants: ReadonlyMap<string, Constant>,
  file: string,
): void {
  const known = new Set([...constants.keys(), ...inputs.map(({ name }) => name)]);
  for (const node of nodes) {
    for (const name of node.inputs) {
      if (name !== '' && !known.has(name))
        throw new DataError(
          `${file}: ${nameOfNode(node)} reads "${printable(name, 80)}", which nothing before it writes`,
        );
    }
    for (const name of node.outputs) {
      if (name !== '' && known.has(name))
        throw new DataError(`${file}: ${nameOfNode(node)} writes "${printable(name, 80)}" once more`);
      known.add(name);
    }
  }
  for (const { name } of outputs) {
    if (!known.has(name)) throw new DataError(`${file}: nothing writes its output "${printable(name, 80)}"`);
  }
  if (outputs.length === 0) throw new DataError(`${file}: it has no outputs`);
}

/** All constants by name: initializers, and what Constant and ConstantOfShape nodes make. */
async function constantsOf(
  { tensors, nodes }: FileModel,
  file: string,
  external: OnnxImportOptions['external'],
): Promise<ReadonlyMap<string, Constant>> {
  const found = new Map<string, Constant>();
  const files = new Map<string, Uint8Array>();
  const read =
    external &&
    (async (name: string): Promise<Uint8Array> => {
      const bytes = files.get(name) ?? (await external(name));
      files.set(name, bytes);
      return bytes;
    });
  const add = async (
    name: string,
    value: HostValue | ExternalTensor | Filled,
    weight: boolean,
  ): Promise<void> => {
    if (found.has(name)) throw new DataError(`${file}: has two constants "${printable(name, 80)}"`);
    found.set(name, {
      weight,
      value: 'location' in value ? await fetched(value, name, file, read) : value,
    });
  };
  for (const { name, value } of tensors) await add(name, value, true);
  for (const node of nodes) {
    const [output = ''] = node.outputs;
    if (node.op === 'Constant') await add(output, constantOf(node, file), false);
    if (node.op !== 'ConstantOfShape') continue;
    const sizes = found.get(node.inputs[0] ?? '')?.value;
    const held = node.attributes.get('value')?.tensor?.value;
    const type = held?.type ?? 'float32';
    if (!sizes || !('data' in sizes) || !type.includes('float')) continue;
    await add(output, { type, shape: checkedSizes([...sizes.data], node, file), fill: fillOf(held) }, true);
  }
  return found;
}

const fillOf = (held: HostValue | ExternalTensor | undefined): number =>
  held && 'data' in held ? (held.data[0] ?? 0) : 0;

function checkedSizes(sizes: readonly number[], node: FileNode, file: string): Shape {
  if (sizes.every((n) => Number.isSafeInteger(n) && n >= 0) && Number.isSafeInteger(sizeOf(sizes)))
    return sizes;
  throw new DataError(`${file}: ${nameOfNode(node)} asks for the shape [${sizes.slice(0, 8).join(', ')}]`);
}

/** What a Constant node holds, in one of the attributes that it may have for it. */
function constantOf(node: FileNode, file: string): HostValue | ExternalTensor {
  const { attributes } = node;
  const tensor = attributes.get('value')?.tensor;
  if (tensor) return tensor.value;
  const number = attributes.get('value_float')?.float;
  if (number !== undefined) return { type: 'float32', shape: [], data: Float32Array.of(number) };
  const whole = attributes.get('value_int')?.int;
  if (whole !== undefined) return { type: 'int64', shape: [], data: Float64Array.of(whole) };
  const floats = attributes.get('value_floats')?.floats;
  if (floats) return { type: 'float32', shape: [floats.length], data: Float32Array.from(floats) };
  const ints = attributes.get('value_ints')?.ints;
  if (ints) return { type: 'int64', shape: [ints.length], data: Float64Array.from(ints) };
  throw new DataError(`${file}: ${nameOfNode(node)} holds no numbers that are read`);
}

async function fetched(
  tensor: ExternalTensor,
  name: string,
  file: string,
  external: OnnxImportOptions['external'],
): Promise<HostValue> {
  if (external) return readExternal(tensor, await external(tensor.location), file);
  throw new DataError(
    `${file}: the numbers of ${printable(name, 80)} are in another file, ${printable(tensor.location, 80)}: give external, which reads it`,
  );
}
