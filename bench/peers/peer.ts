/**
 * What a library must offer to take part.
 */
import type { Work } from './work.js';

/** Thrown by a peer for work it has no way to do; the message says why. */
export class CannotError extends Error {}

/** Work made ready: operands are where the library wants them. */
export interface Ready {
  /** Computes once; resolves when the result is there (on a GPU: computed). */
  run(): Promise<void>;
  /** The last result, row-major, images as `[N, C, H, W]`. For gradients of a network: that of conv1's weights. */
  result(): Promise<Float32Array>;
  /** Milliseconds of processor time that the runs so far took in another process than this. */
  elsewhere?(): number;
  dispose(): Promise<void>;
}

/** A library, opened. */
export interface Peer {
  readonly name: string;
  /** @throws whatever the library throws for work it can't do; `CannotError` where it has no such function at all. */
  prepare(work: Work): Promise<Ready>;
  close(): Promise<void>;
}
