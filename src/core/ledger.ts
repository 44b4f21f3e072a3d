/**
 * The transfer ledger: one row for every crossing from one device to another. Only `to` and `exchange`
 * (ops/transfer.ts) write to it, since they are the only ops that see two devices.
 */
import type { Phase } from './trace.js';

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
   * When the bytes began to cross, as `performance.now()`, and how long that took: between CPU devices the copy alone,
   * elsewhere from asking for the bytes, which waits for what computes them. NaN until the device that receives them
   * was awaited (`sync`, reading a tensor of it).
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
