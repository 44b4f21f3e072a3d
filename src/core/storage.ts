/**
 * Buffers, counted: the last tensor that looks at one gives it back.
 */
import type { Device } from './device.js';
import type { BufferId } from './shape.js';

/** A device buffer and the number of tensors that look at it. */
export class Storage {
  /** What messages call the tensors that look at it, '' for no name. */
  name = '';
  /** How often its elements were written over, and the op that did it last. */
  version = 0;
  writer = '';
  private references = 0;

  constructor(
    readonly device: Device,
    readonly buffer: BufferId,
  ) {}

  retain(): void {
    this.references++;
  }

  release(): void {
    if (--this.references === 0) this.device.free(this.buffer);
  }

  get exclusive(): boolean {
    return this.references === 1;
  }
}
