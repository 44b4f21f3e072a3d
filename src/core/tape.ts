/**
 * The tape: what `backward` walks.
 *
 * Every op whose inputs need gradients leaves a `Node` that holds the edges to where its inputs came from, the
 * tensors its gradient needs, and the gradient itself. Nodes are numbered as they are made, so the highest number
 * first is a topological order. A node's saved tensors are dropped as soon as its gradient has run, or as soon as
 * nothing can reach it any more: references are counted. The walk is generic in the tensor type `T`.
 */
import { TandemError } from './errors.js';
import { scope } from './scope.js';
import { FlowVariable, isAsync, synchronously } from './synchronous.js';
import { trace } from './trace.js';

/** What the tape needs of a tensor. */
interface Disposable {
  dispose(): void;
}

/** Where a tensor came from: output `index` of `node`. */
export interface Edge<T extends Disposable> {
  readonly node: Node<T>;
  readonly index: number;
}

/** What a gradient function is given. */
interface GradContext<T> {
  /** Gradient of each output, null where nothing depends on it. Borrowed: the tape disposes of them. */
  readonly grads: readonly (T | null)[];
  /** The tensors the op saved, in its order; null where it had no use for one. Borrowed. */
  readonly saved: readonly (T | null)[];
  /** Which inputs need a gradient. */
  readonly needs: readonly boolean[];
}

/** Gives the gradient of each input, new tensors, null where none is needed. Runs in a scope of its own. */
export type GradFunction<T> = (context: GradContext<T>) => (T | null)[];

let nextId = 0;

/** One op on the tape. */
export class Node<T extends Disposable> {
  readonly id = nextId++;
  private readonly layer = trace.layer;
  private references = 0;
  private freed = false;
  private hooks: { readonly index: number; readonly tell: (gradient: T) => void }[] = [];

  /** @param inputs null for one that needs no gradient @param saved is the node's @param finished tells that its gradient has run */
  constructor(
    readonly op: string,
    readonly inputs: readonly (Edge<T> | null)[],
    private readonly saved: readonly (T | null)[],
    private readonly gradient: GradFunction<T>,
    private readonly finished: () => void = () => {},
  ) {
    for (const edge of inputs) edge?.node.retain();
  }

  /** Counts one more output tensor or consumer. */
  retain(): void {
    this.references++;
  }

  /** Counts one less; the last one frees the node and, in turn, what only it could reach. */
  release(): void {
    const unreachable: Node<T>[] = [];
    if (--this.references === 0) unreachable.push(this);
    for (let node = unreachable.pop(); node; node = unreachable.pop()) {
      for (const input of node.free()) if (--input.references === 0) unreachable.push(input);
    }
  }

  /** Has a function told of an output's gradient, once it is complete. Returns what ends that. */
  observe(index: number, tell: (gradient: T) => void): () => void {
    const hook = { index, tell };
    this.hooks.push(hook);
    return () => {
      this.hooks = this.hooks.filter((other) => other !== hook);
    };
  }

  /** Runs the gradient, off the tape, labelled with the layer that made the node. */
  backward(grads: readonly (T | null)[]): ReturnType<GradFunction<T>> {
    if (this.freed)
      throw new TandemError(
        `backward: the graph through ${this.op} was already walked and freed; run the forward pass again`,
      );
    trace.layer = this.layer;
    for (const { index, tell } of this.hooks) {
      const gradient = grads[index];
      if (gradient) noGrad(() => scope(() => void tell(gradient)));
    }
    const needs = this.inputs.map((edge) => edge !== null);
    return scope(() => noGrad(() => this.gradient({ grads, saved: this.saved, needs })));
  }

  /** Drops the saved tensors and the edges; returns the nodes the edges led to. A leaf's node has none, and serves again. */
  private free(): Node<T>[] {
    if (this.freed || this.inputs.length === 0) return [];
    this.freed = true;
    for (const tensor of this.saved) tensor?.dispose();
    return this.inputs.flatMap((edge) => (edge ? [edge.node] : []));
  }

  /** Frees a node whose gradient has run. */
  finish(): void {
    for (const input of this.free()) input.release();
    this.finished();
  }
}

/** Who is told of a leaf's gradient, and how many uses of the leaf have yet to send their share of it. */
const watched = new WeakMap<object, { uses: number; readonly whole: () => void }>();

/** Has `whole` alone called when all that use a leaf from now on have sent their share of its gradient, for those who send it on. */
export function watchLeaf(leaf: object, whole: () => void): void {
  watched.set(leaf, { uses: 0, whole });
}

/** Where the gradient of a use of a leaf goes. Not counted: such a node has nothing to free. */
export function leafEdge<T extends Disposable>(leaf: object, accumulate: (grad: T) => void): Edge<T> {
  const watch = watched.get(leaf);
  if (watch) watch.uses++;
  const gather: GradFunction<T> = ({ grads }) => {
    for (const grad of grads) if (grad) accumulate(grad);
    return [];
  };
  const sent = (): void => {
    if (watch && --watch.uses === 0) watch.whole();
  };
  return { node: new Node<T>('leaf', [], [], gather, sent), index: 0 };
}

/**
 * Walks the graph from `root` and calls each node's gradient once, when all gradients of its outputs are known; `seed` is
 * the root's, handed over, and `add` gives the sum of two, disposing of both.
 */
export function walk<T extends Disposable>(root: Edge<T>, seed: T, add: (a: T, b: T) => T): void {
  const pending = new Map<Node<T>, (T | null)[]>();
  const contribute = (edge: Edge<T>, grad: T): void => {
    const grads = pending.get(edge.node) ?? [];
    if (!pending.has(edge.node)) edge.node.retain();
    pending.set(edge.node, grads);
    const before = grads[edge.index];
    grads[edge.index] = before ? add(before, grad) : grad;
  };
  contribute(root, seed);
  const outer = { layer: trace.layer, phase: trace.phase };
  trace.phase = 'backward';
  try {
    for (let node = newest(pending); node; node = newest(pending)) {
      const grads = Array.from(pending.get(node) ?? [], (grad) => grad ?? null);
      const results = node.backward(grads);
      pending.delete(node);
      for (const grad of grads) grad?.dispose();
      results.forEach((grad, i) => {
        const edge = node.inputs[i];
        if (grad && edge) contribute(edge, grad);
        else grad?.dispose();
      });
      node.finish();
      node.release();
    }
  } finally {
    for (const [node, grads] of pending) {
      for (const grad of grads) grad?.dispose();
      node.release();
    }
    Object.assign(trace, outer);
  }
}

function newest<T extends Disposable>(pending: ReadonlyMap<Node<T>, unknown>): Node<T> | undefined {
  let best: Node<T> | undefined;
  for (const node of pending.keys()) if (!best || node.id > best.id) best = node;
  return best;
}

/** Calls to `noGrad` under way, and whether the flow of async calls is in one. */
let disabled = 0;
const disabledFlow = new FlowVariable<true>();

/** Whether ops leave nodes on the tape. */
export function gradEnabled(): boolean {
  return disabled === 0 && !disabledFlow.get();
}

/**
 * Runs `fn` without recording: nothing inside needs gradients or saves tensors for them. An async `fn` is off the tape
 * until its promise is settled; other code that runs meanwhile is not. @throws {TandemError} as `scope` does
 */
export function noGrad<T>(fn: () => T): T {
  if (isAsync(fn)) return disabledFlow.run('noGrad', true, fn);
  disabled++;
  try {
    return synchronously('noGrad', fn);
  } finally {
    disabled--;
  }
}
