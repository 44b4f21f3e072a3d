/**
 * Undoing what holds for the length of a call, whether it fails or not, and whether it is async or not.
 */

/** Calls `fn`, and `after` once it has returned, thrown, or the promise it returned has settled. */
export function around<T>(fn: () => T, after: () => void): T {
  let result: T;
  try {
    result = fn();
  } catch (error) {
    after();
    throw error;
  }
  if (result instanceof Promise) void result.then(after, after);
  else after();
  return result;
}
