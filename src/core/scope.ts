/**
 * Scopes: who frees what.
 *
 * A tensor made inside `scope(...)` is disposed of when the scope ends, unless it is part of what the function
 * returns (then it passes to the scope around) or was handed to `keep`. A tensor made outside any scope lives until
 * `dispose()`. Scopes nest like calls; they may be async, but two that overlap without nesting are an error rather
 * than a leak.
 */
import { TandemError } from './errors.js';

/** What a scope holds: anything with handles to give back. */
export interface Scoped {
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
  owners.get(item)?.delete(item);
  owners.delete(item);
  return item;
}

/**
 * Runs `fn` and disposes of the tensors it made, all but those in its result: a tensor, or arrays, maps and plain
 * objects of them. `fn` may be async.
 * @throws {TandemError} when scopes overlap without nesting (two async scopes at once).
 */
export function scope<T>(fn: () => Promise<T>): Promise<T>;
export function scope<T>(fn: () => T): T;
export function scope(fn: () => unknown): unknown {
  const owner: Owner = new Set();
  stack.push(owner);
  let result: unknown;
  try {
    result = fn();
  } catch (error) {
    leave(owner, undefined);
    throw error;
  }
  if (!(result instanceof Promise)) {
    leave(owner, result);
    return result;
  }
  return result.then(
    (value: unknown) => {
      leave(owner, value);
      return value;
    },
    (error: unknown) => {
      leave(owner, undefined);
      throw error;
    },
  );
}

function leave(owner: Owner, result: unknown): void {
  const nested = stack.at(-1) === owner;
  stack.splice(stack.indexOf(owner), 1);
  const survivors = new Set<unknown>();
  collect(result, survivors, owner);
  for (const item of [...owner]) {
    keep(item);
    if (survivors.has(item)) adopt(item);
    else item.dispose();
  }
  if (!nested) {
    throw new TandemError(
      'scope: ended before a scope opened inside it; await each async scope before the next',
    );
  }
}

/** Finds the owner's items in a result: itself, or within arrays, maps and plain objects. */
function collect(value: unknown, found: Set<unknown>, owner: Owner): void {
  if (typeof value !== 'object' || value === null || found.has(value)) return;
  found.add(value);
  if (Array.isArray(value)) for (const item of value) collect(item, found, owner);
  else if (value instanceof Map) for (const item of value.values()) collect(item, found, owner);
  else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) collect(item, found, owner);
  }
}
