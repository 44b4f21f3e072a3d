/**
 * Optimizers: what changes parameters by their gradients.
 *
 * Parameters come in groups that share their settings; schedules set a group's rate. What an optimizer remembers of a
 * parameter (a velocity, a moment) lies in slots, tensors of the parameter's shape on its device, made of zeros when
 * they are first asked for. Its state holds them under the slot's and the parameter's name: `velocity.conv1.weight`.
 * Before a step gradients may be held within bounds, for which nothing is waited.
 */
import { readOptions, readSettings, requireArray, requireNumber, wrongArgument } from '../core/arguments.js';
import { ArgumentError } from '../core/errors.js';
import { zeros } from '../core/ops/create.js';
import { add, clamp, div, minimum, mul } from '../core/ops/elementwise.js';
import { requireTensors } from '../core/ops/launch.js';
import { to } from '../core/ops/transfer.js';
import { norm } from '../core/ops/variance.js';
import { stack } from '../core/ops/views.js';
import { keep, scope } from '../core/scope.js';
import { countOf, type HostTensor, type PartState, type StateDict } from '../core/state.js';
import { noGrad } from '../core/tape.js';
import { Tensor } from '../core/tensor.js';
import { trace } from '../core/trace.js';
import {
  type Belonging,
  checkBelonging,
  dropGradients,
  type Module,
  readBelonging,
  writeBelonging,
} from './module.js';

/** What every optimizer is told of a group. */
export interface GroupOptions {
  /** To find the group again. Default ''. */
  readonly name?: string;
  readonly params: readonly Tensor[];
  /** Whether schedules change the rate. Default true. */
  readonly scheduled?: boolean;
}

/** Parameters that share their settings. */
export interface OptimizerGroup extends Required<GroupOptions> {
  /** The rate it began with, which schedules multiply. */
  readonly initialRate: number;
  /** What the next step uses. */
  learningRate: number;
}

/** What an optimizer trains: `model.parameters()`, or groups with settings of their own over the common ones. */
export type Trained<S extends object> = readonly Tensor[] | readonly (GroupOptions & Partial<S>)[];

/** What changes parameters by their gradients. */
export interface Optimizer {
  readonly groups: readonly OptimizerGroup[];
  /** Updates every parameter that has a gradient. @throws {ArgumentError} where none has */
  step(): void;
  /** Sets all gradients to none. */
  zeroGrad(): void;
  /**
   * What it remembers of its parameters, to be saved with them. Rates are not in it: groups and schedules give them.
   * @param model gives the parameters their names
   */
  state(model: Module): PartState | Promise<PartState>;
  /** @throws {ArgumentError} for a state of other parameters; changes nothing either way. */
  checkState(state: PartState, model: Module): void;
  /** Goes back to a state. @throws as `checkState` does, before anything is changed. */
  loadState(state: PartState, model: Module): void;
  /** Gives what it remembers back to the devices. */
  dispose(): void;
}

/** An optimizer that remembers slots; one that extends it writes `update` alone, as Adagrad does (adaptive.ts). */
export abstract class SlotOptimizer<S extends { learningRate: number } = { learningRate: number }>
  implements Optimizer
{
  readonly groups: readonly (OptimizerGroup & S)[];
  private readonly slots: ReadonlyMap<string, Map<Tensor, Tensor>>;
  private readonly known: ReadonlySet<Tensor>;
  private taken = 0;

  /**
   * @param options what groups don't say themselves
   * @param defaults of the options; each stands for its kind, and numbers must not be below 0
   * @param slots names of what is remembered of each parameter
   * @throws {ArgumentError} for no parameters at all, one in two groups, or a setting of another kind or below 0
   */
  constructor(
    private readonly name: string,
    trained: Trained<S>,
    options: Partial<S> | undefined,
    defaults: S,
    slots: readonly string[],
  ) {
    this.groups = groupsOf(name, trained, options, defaults);
    for (const [i, group] of this.groups.entries()) {
      requireTensors(name, `groups[${i}].params`, group.params);
      for (const [setting, value] of Object.entries(group)) {
        if (typeof value === 'number' && !(value >= 0))
          throw wrongArgument(name, setting, value, 'a number from 0');
      }
    }
    const { groups } = this;
    const all = groups.flatMap((group) => group.params);
    if (all.length === 0)
      throw new ArgumentError(
        `${name}: got no parameters; a module finds those that parameter() marked in its own properties, not in ` +
          '#private ones: declare layers as private or readonly instead',
      );
    this.known = new Set(all);
    if (this.known.size !== all.length) throw new ArgumentError(`${name}: a parameter is in two groups`);
    this.slots = new Map(slots.map((slot) => [slot, new Map()]));
  }

  /** Changes a parameter in place, and its slots, by its gradient. */
  protected abstract update(x: Tensor, gradient: Tensor, group: OptimizerGroup & S): void;

  /** Steps taken; within `update`, the one under way is counted. */
  get steps(): number {
    return this.taken;
  }

  step(): void {
    const way = 'call backward() on a loss that depends on them before step()';
    if (!this.groups.some(({ params }) => params.some((x) => x.grad)))
      throw new ArgumentError(`${this.name}: no parameter has a gradient; ${way}`);
    const outer = trace.phase;
    trace.phase = 'update';
    this.taken++;
    for (const group of this.groups) for (const x of group.params) if (x.grad) this.update(x, x.grad, group);
    trace.phase = outer;
  }

  zeroGrad(): void {
    for (const { params } of this.groups) dropGradients(params);
  }

  /** What is remembered of a parameter; zeros before its first step. */
  protected slot(slot: string, x: Tensor): Tensor {
    const held = this.slots.get(slot);
    if (!held) throw new ArgumentError(`${this.name}: has no slot ${slot}`);
    let tensor = held.get(x);
    if (!tensor) {
      tensor = keep(zeros(x.shape, { device: x.device, dtype: x.dtype }));
      held.set(x, tensor);
    }
    return tensor;
  }

  async state(model: Module): Promise<PartState> {
    const tensors = new Map<string, HostTensor>();
    for (const slot of this.slots.keys()) {
      for (const [name, copy] of await readBelonging(model, this.inSlot(slot)))
        tensors.set(`${slot}.${name}`, copy);
    }
    return { tensors, json: { steps: this.taken } };
  }

  checkState(state: PartState, model: Module): void {
    countOf(this.name, state, 'steps');
    for (const [slot, held] of this.bySlot(state.tensors))
      checkBelonging(`${this.name}, ${slot}`, model, held, this.inSlot(slot));
  }

  loadState(state: PartState, model: Module): void {
    this.checkState(state, model);
    for (const [slot, held] of this.bySlot(state.tensors))
      writeBelonging(this.name, model, held, this.inSlot(slot));
    this.taken = countOf(this.name, state, 'steps');
  }

  dispose(): void {
    for (const held of this.slots.values()) {
      for (const tensor of held.values()) tensor.dispose();
      held.clear();
    }
  }

  private inSlot(slot: string): Belonging {
    return (x) => (this.known.has(x) ? this.slot(slot, x) : null);
  }

  private bySlot(tensors: StateDict = new Map()): Map<string, Map<string, HostTensor>> {
    const found = new Map([...this.slots.keys()].map((slot) => [slot, new Map<string, HostTensor>()]));
    for (const [path, tensor] of tensors) {
      const slot = [...found.keys()].find((known) => path.startsWith(`${known}.`));
      if (slot === undefined) throw new ArgumentError(`${this.name}: ${path} is unknown here`);
      found.get(slot)!.set(path.slice(slot.length + 1), tensor);
    }
    return found;
  }
}

function groupsOf<S extends { learningRate: number }>(
  name: string,
  trained: Trained<S>,
  options: unknown,
  defaults: S,
): (OptimizerGroup & S)[] {
  const form = 'an array: model.parameters(), or groups as in [{ params: model.parameters() }]';
  requireArray(name, 'params', trained, form);
  const common = readSettings(name, options, defaults);
  const params: readonly Tensor[] = [];
  const groups = trained.some((x) => x instanceof Tensor) ? [{ params: trained }] : trained;
  return groups.map((group, i) => {
    if (group === undefined) throw wrongArgument(name, `groups[${i}]`, group, 'an object of params');
    const usual = { name: '', params, scheduled: true, ...common };
    const settings = readSettings(`${name}: groups[${i}]`, group, usual);
    return { ...settings, initialRate: settings.learningRate };
  });
}

function requireBound(op: string, params: readonly Tensor[], name: string, bound: number): void {
  requireTensors(op, 'params', params);
  requireNumber(op, name, bound);
  if (!(bound >= 0)) throw wrongArgument(op, name, bound, 'a number from 0');
}

function replaceGradients(params: readonly Tensor[], change: (grad: Tensor) => Tensor): void {
  for (const x of params) {
    const { grad } = x;
    if (grad) x.grad = keep(noGrad(() => change(grad)));
    grad?.dispose();
  }
}

/**
 * Scales the gradients of `params` so that the norm of all of them as one vector is at most `maxNorm`.
 * @param options `p` of the norm: 1, 2 (default) or Infinity
 * @returns the norm before, on the first gradient's device
 * @throws {ArgumentError} where no parameter has a gradient
 */
export function clipGradNorm(
  params: readonly Tensor[],
  maxNorm: number,
  options: { readonly p?: number } = {},
): Tensor {
  const op = 'clipGradNorm';
  requireBound(op, params, 'maxNorm', maxNorm);
  const { p } = readOptions(op, options, { p: 2 });
  const grads = params.flatMap(({ grad }) => grad ?? []);
  const [first] = grads;
  if (!first) throw new ArgumentError(`${op}: no parameter has a gradient; call backward() before`);
  return scope(() => {
    const total = norm(stack(grads.map((grad) => to(norm(grad, { p }), first.device))), { p });
    const factor = minimum(div(maxNorm, add(total, 1e-6)), 1);
    replaceGradients(params, (grad) => mul(grad, to(factor, grad.device)));
    return total;
  });
}

/** Holds each element of the gradients of `params` within `[-bound, bound]`. */
export function clipGradValue(params: readonly Tensor[], bound: number): void {
  requireBound('clipGradValue', params, 'bound', bound);
  replaceGradients(params, (grad) => clamp(grad, -bound, bound));
}
