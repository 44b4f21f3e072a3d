/**
 * An ONNX graph as it grows: nodes, constants, and the parameters of a module under their names in its state dict.
 *
 * Values are known by name and by their shape without the batch axis, `[C, H, W]` or `[features]`. Nodes are named
 * after the module that they are written for: `conv1.Conv`, `body.0.Gemm`.
 */
import { ArgumentError } from '../../core/errors.js';
import { formatShape, type Shape } from '../../core/shape.js';
import type { Tensor } from '../../core/tensor.js';
import type { Module } from '../../nn/module.js';
import type { OnnxNode, OnnxTensor } from './format.js';

/** What a node computes. */
export interface GraphValue {
  readonly name: string;
  /** Without the batch axis. */
  readonly shape: Shape;
}

/** Adds to a graph what a module computes from a value. */
export type WriteModule = (module: Module, x: GraphValue, graph: OnnxGraph) => GraphValue;

/** A graph under construction. */
export class OnnxGraph {
  readonly nodes: OnnxNode[] = [];
  readonly tensors: OnnxTensor[] = [];
  private readonly names = new Set<string>();
  private path = '';

  /**
   * @param parameters all parameters and buffers that the graph may ask for, read
   * @param write adds a module's nodes
   */
  constructor(
    private readonly parameters: ReadonlyMap<Tensor, OnnxTensor>,
    private readonly write: WriteModule,
  ) {}

  /** Adds what a module computes from `x`. @param name the module's within the one that is being written */
  add(module: Module, x: GraphValue, name: string): GraphValue {
    const outer = this.path;
    this.path = outer === '' ? name : `${outer}.${name}`;
    const result = this.write(module, x, this);
    this.path = outer;
    return result;
  }

  /** Adds a node. @param shape of its output; by default that of its first input */
  node(
    op: string,
    inputs: readonly (GraphValue | string)[],
    attributes: OnnxNode['attributes'] = {},
    shape?: Shape,
  ): GraphValue {
    const output = this.unique(op);
    const [first] = inputs;
    const names = inputs.map((input) => (typeof input === 'string' ? input : input.name));
    this.nodes.push({ name: output, op, inputs: names, output, attributes });
    return { name: output, shape: shape ?? (typeof first === 'object' ? first.shape : []) };
  }

  /** A node of `x` and a number. */
  withNumber(op: 'Mul' | 'Add' | 'Pow' | 'Div', x: GraphValue, by: number): GraphValue {
    const name = this.unique('number');
    this.tensors.push({ name, shape: [], data: Float32Array.of(by) });
    return this.node(op, [x, name]);
  }

  /** The name of a vector of one number. */
  filled(count: number, by: number): string {
    const name = this.unique('numbers');
    this.tensors.push({ name, shape: [count], data: new Float32Array(count).fill(by) });
    return name;
  }

  /** `x` under another shape. @param sizes as ONNX reads them, batch axis first: -1 for the rest, 0 for x's own */
  reshape(x: GraphValue, sizes: readonly number[], shape: Shape): GraphValue {
    const name = this.unique('sizes');
    this.tensors.push({ name, shape: [sizes.length], data: BigInt64Array.from(sizes, BigInt) });
    return this.node('Reshape', [x, name], {}, shape);
  }

  /** The name of a parameter's numbers in the graph. @param shape where it is written otherwise than the module has it */
  parameter(x: Tensor, shape: Shape = x.shape): string {
    const held = this.parameters.get(x);
    if (!held) this.fail('uses a tensor that is no parameter of the module');
    if (!this.names.has(held.name)) this.tensors.push({ ...held, shape });
    this.names.add(held.name);
    return held.name;
  }

  /** @throws {ArgumentError} that the module being written can't be exported, and why */
  fail(problem: string): never {
    throw new ArgumentError(`exportOnnx: ${this.path === '' ? 'the module' : this.path} ${problem}`);
  }

  /** @throws {ArgumentError} unless a value has so many axes besides that of the batch */
  requireRank(x: GraphValue, rank: number): void {
    if (x.shape.length !== rank)
      this.fail(`reads ${formatShape(x.shape)} of each image, expected ${rank} axes: add a Flatten?`);
  }

  private unique(what: string): string {
    const stem = this.path === '' ? what : `${this.path}.${what}`;
    let name = stem;
    for (let i = 2; this.names.has(name); i++) name = `${stem}.${i}`;
    this.names.add(name);
    return name;
  }
}
