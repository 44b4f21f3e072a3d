/**
 * What holds for an async function and for all that it awaits, and for no other code that runs meanwhile: the scope
 * it is in, or that it is off the tape.
 *
 * Behind an `await` any other code may have run, so a variable of the module can't say what holds. Node, Deno and Bun
 * can (AsyncLocalStorage); it is asked for when the first async function needs it, since it makes every `await` of the
 * process a little slower. Browsers can't yet: there such functions are an error.
 */
import type { AsyncLocalStorage } from 'node:async_hooks';
import { TandemError } from './errors.js';

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

  /**
   * Calls an async function, for which and for whatever it awaits `get` gives the value.
   * @param op for messages
   * @throws {TandemError} where flows can't be told apart
   */
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
