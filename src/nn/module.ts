/**
 * Modules: objects that hold parameters and other modules, found by walking their own properties: those that are
 * tensors or modules, and arrays, maps and plain objects of them. (What is `#private` can't be seen: use `private`.)
 *
 * A tensor's name is its path, as in PyTorch: `heads.0.weight`, and `0.weight` in a Sequential. Parameters are trained;
 * buffers are remembered with them (a running mean, a count) and change by `update`. A state dict holds copies of both on
 * the host, so that it can be written to a file, compared, or loaded onto any device.
 */
import { requireBoolean, requireFunction, requireText, wrongArgument } from '../core/arguments.js';
import { ArgumentError } from '../core/errors.js';
import { e } from '../core/expr.js';
import { tensor } from '../core/ops/create.js';
import { requireTensor } from '../core/ops/launch.js';
import { update } from '../core/ops/update.js';
import { keep, scope } from '../core/scope.js';
import {
  dtypeOf,
  formatShape,
  hostArray,
  makeArray,
  type Shape,
  sameShape,
  sizeOf,
  type TypedArray,
} from '../core/shape.js';
import type { HostTensor, StateDict } from '../core/state.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';

export type { HostTensor, StateDict } from '../core/state.js';

/** What belongs to a parameter or buffer and has its shape: itself, its gradient, its velocity; null: there is none. */
export type Belonging = (owner: Tensor) => Tensor | null;

const markedParameters = new WeakSet<Tensor>();
const markedBuffers = new WeakSet<Tensor>();

/**
 * Marks a tensor as a parameter, a leaf that gathers a gradient and outlives scopes, and returns it. Setting its
 * `requiresGrad` to false freezes it.
 * @param name what messages call it; by default its path, once its module was asked for parameters
 */
export function parameter(x: Tensor, name?: string): Tensor {
  requireTensor('parameter', 'x', x);
  if (name !== undefined) {
    requireText('parameter', 'name', name);
    x.name = name;
  }
  x.requiresGrad = true;
  markedParameters.add(x);
  return keep(x);
}

/** Base of all layers and networks. */
export abstract class Module {
  /** Whether dropout and the like are on. Set it by `train()` and `eval()`. */
  training = true;

  /** Where parameters and modules are looked for, by name: the own properties, unless a module overrides this. */
  members(): Iterable<[PropertyKey, unknown]> {
    return Object.entries(this);
  }

  /** Parameters (marked by `parameter()`) by path, in the order they were assigned; a shared one at its first path. */
  namedParameters(): Map<string, Tensor> {
    return namedTensors(this, markedParameters);
  }

  /** The parameters of `namedParameters()`. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /**
   * Marks a tensor as a buffer of this module, in its state dict but not trained, and returns it; `update` changes it:
   *
   *     readonly runningMean = this.buffer(zeros([channels], { device }));
   *
   * @throws {ArgumentError} for a parameter, or a tensor that a gradient flows through
   */
  protected buffer(x: Tensor): Tensor {
    requireTensor('buffer', 'x', x);
    const way = 'use parameter(), or detach() it';
    if (x.requiresGrad)
      throw new ArgumentError(`buffer: x requires a gradient, and buffers get none; ${way}`);
    markedBuffers.add(x);
    return keep(x);
  }

  /** Buffers (tensors marked by `buffer()`) by path, found as parameters are. */
  namedBuffers(): Map<string, Tensor> {
    return namedTensors(this, markedBuffers);
  }

  /** This module, under '', and all modules within it, by path; a shared one at its first. */
  namedModules(): Map<string, Module> {
    const found = new Map<string, Module>([['', this]]);
    walk(this, '', (path, value) => {
      if (value instanceof Module) found.set(path, value);
    });
    return found;
  }

  /**
   * Has a function told of what `forward` is given and gives, each time it is called: for logging, with `namedModules()`.
   * @param hook runs off the tape and in a scope; what it is given is borrowed and can be asked for `onGradient`
   * @returns what ends it
   * @throws {ArgumentError} for a module without `forward`
   */
  onForward(hook: (module: this, inputs: readonly unknown[], output: unknown) => unknown): () => void {
    requireFunction('onForward', 'hook', hook);
    const forward: unknown = Reflect.get(this, 'forward');
    const name = this.constructor.name;
    if (typeof forward !== 'function')
      throw new ArgumentError(`onForward: ${name} has no forward(); ask the modules within it`);
    let told = true;
    const value = (...inputs: unknown[]): unknown => {
      const output: unknown = Reflect.apply(forward, this, inputs);
      if (told) noGrad(() => scope(() => void hook(this, inputs, output)));
      return output;
    };
    // Not enumerable, and so none of the module's members.
    Object.defineProperty(this, 'forward', { value, configurable: true, writable: true, enumerable: false });
    return () => {
      told = false;
    };
  }

  /** Switches this module and all within it to training (or, with false, to evaluation). Returns itself. */
  train(on = true): this {
    requireBoolean('train', 'on', on);
    for (const module of this.namedModules().values()) module.training = on;
    return this;
  }

  /** Switches to evaluation: no dropout. Returns itself. */
  eval(): this {
    return this.train(false);
  }

  /**
   * Parameters by their names in the state dict, each the tensors that hold it, joined along the first axis: one, but in a
   * module that spreads layers over devices and overrides this.
   */
  joinedParameters(): Map<string, readonly Tensor[]> {
    return new Map([...this.namedParameters()].map(([path, x]) => [path, [x]]));
  }

  /** Copies of all parameters and buffers. */
  stateDict(): Promise<StateDict> {
    return readBelonging(this, itself);
  }

  /**
   * Sets all parameters and buffers; for some, put them over the others: `new Map([...await net.stateDict(), ...some])`.
   * @throws {ArgumentError} listing every name that is missing, unknown or of another shape; then nothing changed.
   */
  loadStateDict(state: StateDict): void {
    writeBelonging('loadStateDict', this, state, itself);
  }

  /** Sets all gradients to none. */
  zeroGrad(): void {
    dropGradients(this.parameters());
  }

  /** Gives all parameters and buffers back to their devices. */
  dispose(): void {
    for (const x of [...this.parameters(), ...this.namedBuffers().values()]) x.dispose();
  }
}

function namedTensors(module: Module, marked: WeakSet<Tensor>): Map<string, Tensor> {
  const found = new Map<string, Tensor>();
  walk(module, '', (path, value) => {
    if (value instanceof Tensor && marked.has(value)) found.set(path, value);
  });
  for (const [path, x] of found) if (!x.disposed) x.name ||= path;
  return found;
}

const itself: Belonging = (x) => x;

/** Copies of what belongs to each parameter and buffer of a module, by their names; where it's null, the name is left out. */
export async function readBelonging(module: Module, belonging: Belonging): Promise<StateDict> {
  const state = new Map<string, HostTensor>();
  // One parameter after the other: copies on their way take memory of the device's, too.
  for (const [name, pieces] of belongings(module, belonging)) {
    const copies = await Promise.all(pieces.map((x) => x.data()));
    state.set(name, { shape: joinedShape(pieces), data: joined(copies) });
  }
  return state;
}

/**
 * What of a state goes to what belongs to a module's parameters and buffers, as their dtypes.
 * @throws {ArgumentError} listing what is missing, unknown or of another shape; for numbers out of an integer type's range
 */
export function checkBelonging(what: string, module: Module, state: StateDict, belonging: Belonging) {
  const owned = [...belongings(module, belonging)];
  const present = withPresentNames(module, state);
  checkState(what, new Map(owned.map(([name, pieces]) => [name, joinedShape(pieces)])), present);
  return owned.map(([name, pieces]) => {
    const { data } = present.get(name)!;
    return { pieces, data: hostArray(`${what}: ${name}`, pieces[0]?.dtype ?? 'float32', data) };
  });
}

/** Overwrites what belongs to a module's parameters and buffers. @throws as `checkBelonging` does; then nothing changed */
export function writeBelonging(what: string, module: Module, state: StateDict, belonging: Belonging): void {
  for (const { pieces, data } of checkBelonging(what, module, state, belonging)) {
    let start = 0;
    for (const x of pieces) {
      assign(what, x, data.subarray(start, start + x.size));
      start += x.size;
    }
  }
}

/** A state by present names: files of earlier versions have `layers.0.weight` for what is `0.weight` in a Sequential. */
function withPresentNames(module: Module, state: StateDict): StateDict {
  if (!(state instanceof Map)) return state;
  const named = [...module.namedParameters(), ...module.namedBuffers()];
  const names = new Map(named.map(([name, x]) => [x, name]));
  const earlier = new Map<string, string>();
  const note = (path: string, value: Tensor | Module): void => {
    const name = value instanceof Tensor ? names.get(value) : undefined;
    if (name !== undefined && name !== path && state.has(path) && !state.has(name)) earlier.set(path, name);
  };
  walk(module, '', note, Object.entries);
  return new Map([...state].map(([name, held]) => [earlier.get(name) ?? name, held]));
}

function belongings(module: Module, belonging: Belonging): Map<string, readonly Tensor[]> {
  const found = new Map<string, readonly Tensor[]>();
  const buffers = [...module.namedBuffers()].map(([name, x]): [string, Tensor[]] => [name, [x]]);
  for (const [name, pieces] of [...module.joinedParameters(), ...buffers]) {
    const own = pieces.map(belonging).filter((x) => x !== null);
    if (own.length === pieces.length) found.set(name, own);
  }
  return found;
}

/** The shape of tensors one below the other along the first axis. */
export function joinedShape(pieces: readonly Tensor[]): Shape {
  const [first] = pieces;
  if (!first || pieces.length === 1) return first?.shape ?? [];
  return [pieces.reduce((rows, x) => rows + x.shape[0]!, 0), ...first.shape.slice(1)];
}

function joined(copies: readonly TypedArray[]): TypedArray {
  const [first] = copies;
  if (first && copies.length === 1) return first;
  const length = copies.reduce((sum, copy) => sum + copy.length, 0);
  const all = makeArray(first ? dtypeOf(first) : 'float32', length);
  let start = 0;
  for (const copy of copies) {
    all.set(copy, start);
    start += copy.length;
  }
  return all;
}

type MembersOf = (module: Module) => Iterable<[PropertyKey, unknown]>;

/** What a property holds that is walked into, with its keys; null for anything else. */
function entriesOf(value: unknown, membersOf: MembersOf): Iterable<[PropertyKey, unknown]> | null {
  if (value instanceof Map) return value;
  if (value instanceof Module) return membersOf(value);
  if (typeof value !== 'object' || value === null || value instanceof Tensor) return null;
  const plain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype;
  return plain ? Object.entries(value) : null;
}

/** Calls `visit` once for every tensor and module within `root`; `seen` holds those met before. */
function walk(
  root: object,
  prefix: string,
  visit: (path: string, value: Tensor | Module) => void,
  membersOf: MembersOf = (module) => module.members(),
  seen = new Set<object>([root]),
): void {
  for (const [key, value] of entriesOf(root, membersOf) ?? []) {
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    const path = prefix + String(key);
    if (value instanceof Tensor || value instanceof Module) visit(path, value);
    walk(value, `${path}.`, visit, membersOf, seen);
  }
}

/** Sets the gradients of `params` to none. */
export function dropGradients(params: readonly Tensor[]): void {
  for (const x of params) {
    x.grad?.dispose();
    x.grad = null;
  }
}

/** Overwrites a tensor's elements, converted to its dtype. `op` is who asks, for messages. */
export function assign(op: string, x: Tensor, data: TypedArray): void {
  const source = tensor(hostArray(op, x.dtype, data), { shape: x.shape, device: x.device });
  update(x, e.input(0), [source], { op });
  source.dispose();
}

/** @throws {ArgumentError} unless `state` has exactly the expected names and shapes, filled; it lists what differs. */
export function checkState(what: string, expected: ReadonlyMap<string, Shape>, state: StateDict): void {
  const form = 'a Map of names to { shape, data }, as stateDict() gives it';
  if (!(state instanceof Map)) throw wrongArgument(what, 'the state', state, form);
  const problems: string[] = [];
  for (const [name, shape] of expected) {
    const given = state.get(name);
    if (!given) problems.push(`${name} is missing`);
    else if (!Array.isArray(given.shape) || !ArrayBuffer.isView(given.data))
      problems.push(`${name} isn't { shape, data }`);
    else if (!sameShape(given.shape, shape))
      problems.push(`${name} is ${formatShape(given.shape)}, expected ${formatShape(shape)}`);
    else if (given.data.length !== sizeOf(shape))
      problems.push(
        `${name} holds ${given.data.length} numbers, ${formatShape(shape)} takes ${sizeOf(shape)}`,
      );
  }
  for (const name of state.keys()) if (!expected.has(name)) problems.push(`${name} is unknown here`);
  if (problems.length > 0) throw new ArgumentError(`${what}: ${problems.join('; ')}`);
}
