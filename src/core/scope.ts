/**
 * Scopes: who frees what.
 *
 * A tensor made inside `scope(...)` is disposed of when the scope ends, unless it is part of what the function
 * returns (then it passes to the scope around) or was handed to `keep`. A tensor made outside any scope lives until
 * `dispose()`. Scopes nest as calls do. The scope of an async function takes in what that function makes, and nothing
 * that other code makes while it waits.
 */
import { wrongArgument } from './arguments.js';
import { FlowVariable, isAsync, synchronously } from './synchronous.js';

/** What a scope holds: anything with handles to give back, and perhaps a gradient that goes with it. */
interface Scoped {
  grad?: Scoped | null;
  dispose(): void;
}

type Owner = Set<Scoped>;

/** The scopes of the calls under way; behind an `await` there are none, and the flow's scope counts. */
const stack: Owner[] = [];
const flow = new FlowVariable<Owner>();
const owners = new WeakMap<Scoped, Owner>();

/** Puts a new tensor in the innermost scope, if there is one. */
export function adopt(item: Scoped): void {
  const owner = stack.at(-1) ?? flow.get();
  if (!owner) return;
  owner.add(item);
  owners.set(item, owner);
}

/** Takes a tensor out of its scope: it lives until `dispose()`. Returns it. */
export function keep<T extends Scoped>(item: T): T {
  if (typeof item?.dispose !== 'function') throw wrongArgument('keep', 'item', item, 'a Tensor');
  owners.get(item)?.delete(item);
  owners.delete(item);
  return item;
}

/**
 * Runs `fn` and disposes of the tensors it made, all but those in its result: a tensor, or arrays, maps and plain
 * objects of them. The `grad` of a leaf goes with the leaf, unless it is in the result itself.
 *
 *     const loss = await scope(() => {
 *       const loss = crossEntropy(model.forward(images), labels);
 *       loss.backward();
 *       optimizer.step();
 *       return loss.item();
 *     });
 *
 * An async `fn` is a scope until its promise is settled, whatever else runs meanwhile.
 * @throws {TandemError} when a function that isn't async returns a promise, other than that of a tensor's `data()` or
 * `item()`; when an async one is given where flows can't be told apart (browsers)
 */
export function scope<T>(fn: () => Promise<T>): Promise<T>;
export function scope<T>(fn: () => T): T;
export function scope(fn: () => unknown): unknown {
  if (isAsync(fn)) return scopeOfFlow(fn);
  const leave = enter();
  let result: unknown;
  try {
    result = synchronously('scope', fn);
    return result;
  } finally {
    leave(result);
  }
}

/** Calls an async function in a flow of its own: the scopes of the calls under way aren't its own. */
async function scopeOfFlow(fn: () => unknown): Promise<unknown> {
  const owner: Owner = new Set();
  const around = stack.splice(0);
  let result: unknown;
  try {
    try {
      result = flow.run('scope', owner, fn);
    } finally {
      stack.push(...around);
    }
    result = await result;
    return result;
  } finally {
    disposeBut(result, owner);
  }
}

/** Opens a scope, for those who can't use a function; gives what ends it, to be called before any scope around ends. */
export function enter(): (result?: unknown) => void {
  const owner: Owner = new Set();
  stack.push(owner);
  return (result) => {
    stack.splice(stack.indexOf(owner), 1);
    disposeBut(result, owner);
  };
}

/** Disposes of what isn't in `result`, which passes to the scope around. */
function disposeBut(result: unknown, owner: Owner): void {
  const survivors = new Set<unknown>();
  collect(result, survivors);
  for (const item of [...owner]) {
    keep(item);
    if (survivors.has(item)) {
      adopt(item);
      continue;
    }
    if (item.grad && survivors.has(item.grad)) {
      adopt(item.grad);
      item.grad = null;
    }
    item.dispose();
  }
}

function collect(value: unknown, found: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || found.has(value)) return;
  found.add(value);
  if (Array.isArray(value)) for (const item of value) collect(item, found);
  else if (value instanceof Map) for (const item of value.values()) collect(item, found);
  else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) collect(item, found);
  }
}
