/**
 * Scopes: who frees what.
 *
 * A tensor made inside `scope(...)` is disposed of when the scope ends, unless it is part of what the function
 * returns (then it passes to the scope around) or was handed to `keep`. A tensor made outside any scope lives until
 * `dispose()`. Scopes nest like calls; they may be async, but two that overlap without nesting are an error rather
 * than a leak.
 */
import { requireFunction, wrongArgument } from './arguments.js';
import { TandemError } from './errors.js';

/** What a scope holds: anything with handles to give back, and perhaps a gradient that goes with it. */
export interface Scoped {
  grad?: Scoped | null;
  dispose(): void;
}

type Owner = Set<Scoped>;

const stack: Owner[] = [];
const owners = new WeakMap<Scoped, Owner>();

/** Puts a new tensor in the innermost scope, if there is one. */
export function adopt(item: Scoped): void {
  const owner = stack.at(-1);
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
 * objects of them. The `grad` of a leaf goes with the leaf, unless it is in the result itself. `fn` may be async.
 * @throws {TandemError} when scopes overlap without nesting (two async scopes at once).
 */
export function scope<T>(fn: () => Promise<T>): Promise<T>;
export function scope<T>(fn: () => T): T;
export function scope(fn: () => unknown): unknown {
  requireFunction('scope', 'fn', fn);
  const owner: Owner = new Set();
  stack.push(owner);
  let result: unknown;
  try {
    result = fn();
  } catch (error) {
    leave(owner, undefined);
    throw error;
  }
  if (!(result instanceof Promise)) return end(owner, result);
  return result.then(
    (value: unknown) => end(owner, value),
    (error: unknown) => {
      leave(owner, undefined);
      throw error;
    },
  );
}

/** Leaves a scope whose function returned `result`. */
function end(owner: Owner, result: unknown): unknown {
  if (leave(owner, result)) return result;
  throw new TandemError(
    'scope: ended before a scope opened inside it; await each async scope before the next',
  );
}

/** Disposes of what isn't in `result`; returns whether this was the innermost scope. */
function leave(owner: Owner, result: unknown): boolean {
  const innermost = stack.at(-1) === owner;
  stack.splice(stack.indexOf(owner), 1);
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
  return innermost;
}

/** Gathers a result and, where it is an array, map or plain object, what is in it. */
function collect(value: unknown, found: Set<unknown>): void {
  if (typeof value !== 'object' || value === null || found.has(value)) return;
  found.add(value);
  if (Array.isArray(value)) for (const item of value) collect(item, found);
  else if (value instanceof Map) for (const item of value.values()) collect(item, found);
  else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) collect(item, found);
  }
}
