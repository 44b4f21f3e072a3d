/**
 * Training that diverged: its numbers are no longer finite, and nobody can go on from them.
 */
import { TandemError } from '../core/errors.js';
import type { StateDict } from '../core/state.js';

/** Numbers of the training stopped being finite: says when, and which tensor holds what. */
export class DivergedError extends TandemError {
  override readonly name = 'DivergedError';

  /** @param checkpoint the file to go on from, saved before; null without one */
  constructor(
    message: string,
    readonly checkpoint: string | null = null,
  ) {
    super(message);
  }
}

/** The first tensor that holds NaN or infinity, by name. */
export function firstNotFinite(state: StateDict): string | undefined {
  for (const [name, { data }] of state) {
    // 0 times what isn't finite is NaN, and stays so in the sum: many times faster than asking each number.
    let sum = 0;
    for (let i = 0; i < data.length; i++) sum += 0 * data[i]!;
    if (sum !== 0) return name;
  }
  return undefined;
}
