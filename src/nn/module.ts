/**
 * Modules: objects that hold parameters and other modules, found by walking their own properties.
 *
 * A parameter's name is its path: `layers.0.weight`. A state dict holds copies on the host, so that it can be written
 * to a file, compared, or loaded onto any device.
 */
import { ArgumentError } from '../core/errors.js';
import { e } from '../core/expr.js';
import { mapInto } from '../core/ops/launch.js';
import { keep } from '../core/scope.js';
import { formatShape, type Shape, sameShape, type TypedArray } from '../core/shape.js';
import { Tensor } from '../core/tensor.js';

/** Numbers on the host with their shape, row-major. */
export interface HostTensor {
  readonly shape: Shape;
  readonly data: TypedArray;
}

/** Named numbers on the host. */
export type StateDict = ReadonlyMap<string, HostTensor>;

/** Marks a tensor as a parameter: a leaf that gathers a gradient and outlives scopes. Returns it. */
export function parameter(x: Tensor): Tensor {
  x.requiresGrad = true;
  return keep(x);
}

/** Base of all layers and networks. */
export abstract class Module {
  /** Whether dropout and the like are on. Set it by `train()` and `eval()`. */
  training = true;

  /** Parameters by path, in the order they were assigned, those of inner modules in their place. */
  namedParameters(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    walk(this, '', (path, value) => {
      if (value instanceof Tensor && value.requiresGrad) found.set(path, value);
    });
    return found;
  }

  /** The parameters of `namedParameters()`. */
  parameters(): Tensor[] {
    return [...this.namedParameters().values()];
  }

  /** Switches this module and all within it to training (or, with false, to evaluation). Returns itself. */
  train(on = true): this {
    this.training = on;
    walk(this, '', (_, value) => {
      if (value instanceof Module) value.training = on;
    });
    return this;
  }

  /** Switches to evaluation: no dropout. Returns itself. */
  eval(): this {
    return this.train(false);
  }

  /** Copies of all parameters. */
  async stateDict(): Promise<StateDict> {
    const named = [...this.namedParameters()];
    const data = await Promise.all(named.map(([, x]) => x.data()));
    return new Map(named.map(([path, x], i) => [path, { shape: x.shape, data: data[i]! }]));
  }

  /**
   * Sets all parameters.
   * @throws {ArgumentError} listing every name that is missing, unknown or of another shape; then nothing changed.
   */
  loadStateDict(state: StateDict): void {
    const named = this.namedParameters();
    checkState('loadStateDict', new Map([...named].map(([path, x]) => [path, x.shape])), state);
    for (const [path, x] of named) assign(x, state.get(path)!.data);
  }

  /** Sets all gradients to none. */
  zeroGrad(): void {
    for (const x of this.parameters()) {
      x.grad?.dispose();
      x.grad = null;
    }
  }

  /** Gives all parameters back to their devices. */
  dispose(): void {
    for (const x of this.parameters()) x.dispose();
  }
}

/** Calls `visit` for every tensor and module within `root`, in arrays too. */
function walk(root: object, prefix: string, visit: (path: string, value: Tensor | Module) => void): void {
  for (const [key, value] of Object.entries(root)) {
    const path = prefix + key;
    if (value instanceof Tensor) visit(path, value);
    else if (value instanceof Module) {
      visit(path, value);
      walk(value, `${path}.`, visit);
    } else if (Array.isArray(value)) walk(value, `${path}.`, visit);
  }
}

/** Overwrites a tensor's elements. */
export function assign(x: Tensor, data: TypedArray): void {
  const source = Tensor.from('assign', x.device, data, x.shape);
  mapInto('assign', [e.input(0)], [source], [x]);
  source.dispose();
}

/** @throws {ArgumentError} unless `state` has exactly the expected names and shapes; it lists what differs. */
export function checkState(what: string, expected: ReadonlyMap<string, Shape>, state: StateDict): void {
  const problems: string[] = [];
  for (const [name, shape] of expected) {
    const given = state.get(name);
    if (!given) problems.push(`${name} is missing`);
    else if (!sameShape(given.shape, shape)) {
      problems.push(`${name} is ${formatShape(given.shape)}, expected ${formatShape(shape)}`);
    }
  }
  for (const name of state.keys()) if (!expected.has(name)) problems.push(`${name} is unknown here`);
  if (problems.length > 0) throw new ArgumentError(`${what}: ${problems.join('; ')}`);
}
