/**
 * What holds for the length of a call, as a scope does or being off the tape: behind an `await` any other code may have
 * run, so it holds for a synchronous function, and a promise is refused, but that of a tensor's elements, which were asked
 * for when it was made. Of an async function it holds for all that it awaits and for no other code, where Node, Deno or Bun
 * say what that is (AsyncLocalStorage, which makes every `await` a little slower, and is asked for when it is needed).
 */
import type { AsyncLocalStorage } from 'node:async_hooks';
import { requireFunction } from './arguments.js';
import { TandemError } from './errors.js';

const readings = new WeakSet<Promise<unknown>>();

/** Marks a promise as one for which all there was to enqueue has been enqueued. Returns it. */
export function reading<T>(promise: Promise<T>): Promise<T> {
  readings.add(promise);
  return promise;
}

/** Calls a function. @throws {TandemError} when it returns a promise, other than that of a tensor's `data()` or `item()` */
export function synchronously<T>(op: string, fn: () => T): T {
  requireFunction(op, 'fn', fn);
  const result = fn();
  if (!(result instanceof Promise) || readings.has(result)) return result;
  result.catch(() => {}); // how it ends follows from this error, and nobody could await it
  throw new TandemError(
    `${op}: its function returned a promise, but ${op} ends when the function returns. Nothing from forward to step() ` +
      'has to be awaited: leave out async, and return tensors, or data() or item() of one, to await them outside',
  );
}

const AsyncFunction = (async () => {}).constructor;

/** Whether a function is written as an async one. */
export function isAsync(fn: unknown): boolean {
  return fn instanceof AsyncFunction;
}

/** A value that belongs to a flow of async calls. */
export class FlowVariable<T> {
  private storage: AsyncLocalStorage<T> | null = null;

  /** The value of the flow that asks; undefined outside `run`. */
  get(): T | undefined {
    return this.storage?.getStore();
  }

  /** Calls an async function, for all of which `get` gives the value. @throws {TandemError} where flows can't be told apart */
  run<R>(op: string, value: T, fn: () => R): R {
    if (this.storage === null) {
      const hooks = typeof process === 'object' ? process.getBuiltinModule?.('node:async_hooks') : undefined;
      if (!hooks)
        throw new TandemError(
          `${op}: its function is async, which only works where AsyncLocalStorage is (Node from 20.16, Deno, Bun). ` +
            'Nothing from forward to step() has to be awaited: leave out async, and return tensors, or data() or ' +
            'item() of one, to await them outside',
        );
      this.storage = new hooks.AsyncLocalStorage<T>();
    }
    return this.storage.run(value, fn);
  }
}
