/**
 * What holds for the length of a call holds for the length of a synchronous one: behind an `await` any other code may
 * have run in between, and would have found itself in the same scope, or off the tape.
 *
 * One kind of promise is as good as a result: that of a tensor's elements, which were asked for when it was made.
 */
import { requireFunction } from './arguments.js';
import { TandemError } from './errors.js';

const readings = new WeakSet<Promise<unknown>>();

/** Marks a promise as one for which all there was to enqueue has been enqueued. Returns it. */
export function reading<T>(promise: Promise<T>): Promise<T> {
  readings.add(promise);
  return promise;
}

/**
 * Calls a function that must not be async.
 * @param op for messages
 * @throws {TandemError} when it returns a promise, other than that of a tensor's `data()` or `item()`
 */
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
