/**
 * One node of a graph at work: what it reads, its attributes, and how it says that it can't.
 *
 * Values are tensors on the module's device, or numbers on the host: constants that shapes are made of, and what is
 * computed from them. A tensor can be asked of both; numbers on the host of the latter alone, since a forward pass never
 * waits for a device.
 */
import type { Device } from '../../core/device.js';
import { ArgumentError } from '../../core/errors.js';
import { tensor } from '../../core/ops/create.js';
import { type DType, formatShape } from '../../core/shape.js';
import { Tensor } from '../../core/tensor.js';
import type { NumberType } from '../numbers.js';
import { printable } from '../printable.js';
import type { AttributeValue, FileNode } from './read.js';
import type { HostValue } from './tensors.js';

/** What nodes pass on. */
export type Value = Tensor | HostValue;

/** Computes what a node writes. */
export type Operator = (call: OnnxCall) => Value | readonly Value[];

/** The dtype on a device of a type in files. */
export function dtypeOfType(type: NumberType): DType {
  switch (type) {
    case 'float32':
    case 'float16':
    case 'bfloat16':
      return 'float32';
    case 'float64':
      return 'float64';
    case 'uint8':
    case 'bool':
      return 'uint8';
    default:
      return 'int32';
  }
}

/** Host numbers on a device. @throws {ArgumentError} for integers that int32 doesn't hold */
export function onDevice(value: Value, device: Device): Tensor {
  if (value instanceof Tensor) return value;
  const { shape, data, type } = value;
  return tensor(data, { shape, device, dtype: dtypeOfType(type) });
}

/** How messages name a node: `conv1 (Conv)`, or of one without a name `Conv that writes "17"`. */
export function nameOfNode({ name, op, outputs }: FileNode): string {
  const what = printable(op, 40);
  if (name !== '') return `${printable(name, 80)} (${what})`;
  return `${what} that writes "${printable(outputs[0] ?? '', 80)}"`;
}

/** A node with the values it reads. */
export class OnnxCall {
  /**
   * @param opset version of ONNX's operators, which some attributes depend on
   * @param training whether dropout is on, and batches are normalized by themselves
   * @param moving tensors that training moves: running means and variances
   */
  constructor(
    private readonly node: FileNode,
    private readonly inputs: readonly (Value | undefined)[],
    readonly device: Device,
    readonly opset: number,
    readonly training: boolean,
    readonly moving: ReadonlySet<Tensor>,
  ) {}

  /** Ends with an error; whoever runs the node adds its name. */
  fail(problem: string): never {
    throw new ArgumentError(problem);
  }

  /** Number of outputs that the node has. */
  get outputs(): number {
    return this.node.outputs.length;
  }

  /** Inputs up to the last that is given. */
  get count(): number {
    return this.inputs.length;
  }

  /** Whether an optional input is given. */
  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  value(i: number): Value {
    return this.inputs[i] ?? this.fail(`has no input ${i}`);
  }

  /** An input as a tensor. */
  tensor(i = 0): Tensor {
    return this.lift(this.value(i));
  }

  /** A value on the device. */
  lift(value: Value): Tensor {
    return onDevice(value, this.device);
  }

  /** All inputs as tensors. */
  tensors(): Tensor[] {
    return this.inputs.map((_, i) => this.tensor(i));
  }

  /** An optional input as a tensor, null where it is left out. */
  optional(i: number): Tensor | null {
    return this.has(i) ? this.tensor(i) : null;
  }

  /** An input that must be known without waiting for a device. */
  host(i: number): HostValue {
    const value = this.value(i);
    if (!(value instanceof Tensor)) return value;
    return this.fail(
      `input ${i} says sizes or the like, and is computed on the device: give it as { shape, data }, or make it a constant`,
    );
  }

  /** The whole numbers of a host input, one after the other. */
  ints(i: number): number[] {
    return [...this.host(i).data];
  }

  /** The only number of a host input. */
  scalar(i: number): number {
    const { data, shape } = this.host(i);
    const [only] = data;
    if (only === undefined || data.length > 1)
      return this.fail(`input ${i} is ${formatShape(shape)}, expected one number`);
    return only;
  }

  /** An attribute, whatever it is; undefined where it is absent. */
  attribute(name: string): AttributeValue | undefined {
    const found = this.node.attributes.get(name);
    if (found?.other) this.fail(`its attribute ${name} isn't read`);
    return found;
  }

  int(name: string, otherwise: number): number {
    return this.attribute(name)?.int ?? otherwise;
  }

  float(name: string, otherwise: number): number {
    return this.attribute(name)?.float ?? otherwise;
  }

  text(name: string, otherwise: string): string {
    return this.attribute(name)?.text ?? otherwise;
  }

  /** A list of whole numbers, undefined where the attribute is absent. */
  list(name: string): readonly number[] | undefined {
    return this.attribute(name)?.ints;
  }

  /** Whole numbers that were an attribute in early versions and are an input in later ones. */
  listOrInput(name: string, i: number): readonly number[] | undefined {
    return this.list(name) ?? (this.has(i) ? this.ints(i) : undefined);
  }
}
