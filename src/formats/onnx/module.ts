/**
 * An ONNX graph as a module: its nodes run one after the other, each value let go behind the last node that reads it.
 */

import { wrongArgument } from '../../core/arguments.js';
import type { Device } from '../../core/device.js';
import { ArgumentError } from '../../core/errors.js';
import { reshape } from '../../core/ops/views.js';
import { scope } from '../../core/scope.js';
import type { HostTensor } from '../../core/state.js';
import { Tensor } from '../../core/tensor.js';
import { Layer } from '../../nn/index.js';
import { printable } from '../printable.js';
import { nameOfNode, OnnxCall, onDevice, type Value } from './call.js';
import { operatorOf } from './operators.js';
import type { FileModel, FileNode, OnnxValueInfo } from './read.js';
import { hostValue } from './tensors.js';

/** What an imported model reads: tensors of its device, or numbers on the host. */
export type OnnxInputs = Readonly<Record<string, Tensor | HostTensor>>;

/** A node, and the values that nothing needs any more behind it. */
interface Step {
  readonly node: FileNode;
  readonly last: readonly string[];
}

/** An ONNX model as a module. Its parameters have the names of the file. */
export class OnnxModule extends Layer {
  /** What it reads, in order. */
  readonly inputs: readonly OnnxValueInfo[];
  /** What it gives, in order. */
  readonly outputs: readonly OnnxValueInfo[];
  private readonly steps: readonly Step[];
  private readonly opset: number;
  private readonly moving: ReadonlySet<Tensor>;

  /**
   * @param constants by name: parameters and other tensors, and numbers on the host
   * @param buffers those of the constants that training moves
   */
  constructor(
    private readonly file: string,
    { inputs, outputs, opset, nodes }: FileModel,
    readonly device: Device,
    private readonly constants: ReadonlyMap<string, Value>,
    buffers: readonly Tensor[],
  ) {
    super();
    this.moving = new Set(buffers.map((x) => this.buffer(x)));
    this.inputs = inputs;
    this.outputs = outputs;
    this.opset = opset;
    const last = new Map<string, number>();
    for (const [i, node] of nodes.entries())
      for (const name of [...node.inputs, ...node.outputs]) last.set(name, i);
    for (const { name } of outputs) last.delete(name);
    const ending = nodes.map((): string[] => []);
    for (const [name, i] of last) if (name !== '' && !this.isGiven(name)) ending[i]?.push(name);
    this.steps = nodes.map((node, i) => ({ node, last: ending[i] ?? [] }));
  }

  override members(): Iterable<[PropertyKey, unknown]> {
    return this.constants;
  }

  /**
   * The first output.
   * @param x the only input, or all inputs by name
   * @throws {ArgumentError} for inputs that are missing or don't fit; it names the node
   */
  forward(x: Tensor | OnnxInputs): Tensor {
    if (typeof x !== 'object' || x === null)
      throw wrongArgument('forward', 'x', x, 'a Tensor, or an object of tensors by name');
    const first = this.outputs[0]?.name ?? '';
    return scope(() => {
      const result = this.run(x instanceof Tensor ? this.only(x) : x)[first];
      return result ?? this.fail('has no output');
    });
  }

  /** All outputs by name. @throws {ArgumentError} as `forward` does */
  run(inputs: OnnxInputs): Record<string, Tensor> {
    return scope(() => {
      const values = this.valuesOf(inputs);
      for (const { node, last } of this.steps) {
        const results = this.runNode(node, values);
        for (const [i, name] of node.outputs.entries())
          if (name !== '' && results[i]) values.set(name, results[i]);
        for (const name of last) {
          const value = values.get(name);
          if (value instanceof Tensor) value.dispose();
          values.delete(name);
        }
      }
      const outputs = this.outputs.map(({ name }): [string, Tensor] => {
        const value = values.get(name) ?? this.fail(`doesn't compute its output ${printable(name, 80)}`);
        const x = onDevice(value, this.device);
        // What was given stays the giver's.
        return [name, this.isGiven(name) ? reshape(x, x.shape) : x];
      });
      return Object.fromEntries(outputs);
    });
  }

  override dispose(): void {
    super.dispose();
    for (const value of this.constants.values()) if (value instanceof Tensor) value.dispose();
  }

  private isGiven(name: string): boolean {
    return this.constants.has(name) || this.inputs.some((input) => input.name === name);
  }

  private only(x: Tensor): OnnxInputs {
    const [input, another] = this.inputs;
    if (!input || another) {
      const names = this.inputs.map(({ name }) => printable(name, 80)).join(', ');
      return this.fail(`reads ${names || 'nothing'}: give an object of tensors by name`);
    }
    return { [input.name]: x };
  }

  private valuesOf(inputs: OnnxInputs): Map<string, Value> {
    const values = new Map(this.constants);
    for (const { name } of this.inputs) {
      const given = inputs[name];
      if (given === undefined) this.fail(`input ${printable(name, 80)} is missing`);
      if (given instanceof Tensor && given.device !== this.device)
        this.fail(
          `input ${printable(name, 80)} is on ${given.device.name}, the model on ${this.device.name}: use to()`,
        );
      values.set(name, given instanceof Tensor ? given : hostValue(given));
    }
    return values;
  }

  private runNode(node: FileNode, values: ReadonlyMap<string, Value>): readonly Value[] {
    const given = node.inputs.map((name) =>
      name === '' ? undefined : (values.get(name) ?? this.absent(node, name)),
    );
    while (given.length > 0 && given.at(-1) === undefined) given.pop();
    const operator = operatorOf(node.op, given);
    const call = new OnnxCall(node, given, this.device, this.opset, this.training, this.moving);
    try {
      return scope(() => {
        if (!operator) return call.fail('works on numbers of the host alone');
        const result = operator(call);
        return Array.isArray(result) ? result : [result];
      });
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      throw new ArgumentError(`${this.file}: ${nameOfNode(node)}: ${error.message}`, { cause: error });
    }
  }

  private absent(node: FileNode, name: string): never {
    return this.fail(`${nameOfNode(node)} reads ${printable(name, 80)}, which nothing gave`);
  }

  private fail(problem: string): never {
    throw new ArgumentError(`${this.file}: ${problem}`);
  }
}
