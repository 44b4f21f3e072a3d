/**
 * Where the program is: step, phase and layer. Set by training loops, layers and the tape; read by the transfer
 * ledger and by profiles. Purely descriptive: no result depends on it.
 */

import { requireText } from './arguments.js';
import { synchronously } from './synchronous.js';

/** The phases of a training step. */
export type Phase = 'forward' | 'backward' | 'update';

/** The current place; plain fields, set by whoever knows. */
export const trace: { step: number; phase: Phase; layer: string } = { step: 0, phase: 'forward', layer: '' };

/** Runs `fn` with `trace.layer` set to `layer`, and sets it back. @throws {TandemError} when `fn` returns a promise */
export function inLayer<T>(layer: string, fn: () => T): T {
  requireText('inLayer', 'layer', layer);
  const outer = trace.layer;
  trace.layer = layer;
  try {
    return synchronously('inLayer', fn);
  } finally {
    trace.layer = outer;
  }
}
