/**
 * Scopes around tests, which await amid what they do.
 */
import { enter } from '../../src/core/scope.js';

/** As `scope`, around an async function; nothing else may make tensors at the same time. */
export async function inScope<T>(fn: () => Promise<T>): Promise<T> {
  const leave = enter();
  let result: T | undefined;
  try {
    result = await fn();
    return result;
  } finally {
    leave(result);
  }
}
