/**
 * Where the program is: step, phase and layer. Set by training loops, layers and the tape; read by the transfer
 * ledger, which has a row for every crossing from one device to another (only `to` and `exchange` write to it), and by
 * profiles. Purely descriptive: no result depends on it.
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

/** One crossing. */
export interface Crossing {
  /** Training step, as `trace.step` said. */
  readonly step: number;
  readonly phase: Phase;
  /** The layer whose input crossed, '' outside layers. */
  readonly layer: string;
  /** Device names. */
  readonly from: string;
  readonly to: string;
  readonly bytes: number;
  /**
   * When the bytes began to cross, as `performance.now()`, and how long that took, but between CPU devices with the wait
   * for what computes them. NaN until the device that receives them was awaited (`sync`, reading a tensor of it).
   */
  readonly start: number;
  readonly milliseconds: number;
}

/** Crossings since the last `clear`, oldest first. */
class Ledger {
  private readonly crossings: Crossing[] = [];
  /** The oldest rows go beyond this many, so that long training does not fill the memory. */
  capacity = 100_000;

  get rows(): readonly Crossing[] {
    return this.crossings;
  }

  record(crossing: Crossing): void {
    if (this.crossings.length >= this.capacity) this.crossings.splice(0, Math.ceil(this.capacity / 2));
    this.crossings.push(crossing);
  }

  /** Bytes that crossed, of the rows that `filter` accepts. */
  bytes(filter: (row: Crossing) => boolean = () => true): number {
    return this.crossings.reduce((sum, row) => (filter(row) ? sum + row.bytes : sum), 0);
  }

  clear(): void {
    this.crossings.length = 0;
  }
}

/** The program's ledger. */
export const ledger = new Ledger();
