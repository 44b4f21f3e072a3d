/**
 * Large arrays on their way to the device: copied into MAP_WRITE buffers, which are kept, and from there by the device in the
 * queue's turn. `writeBuffer` makes such a buffer each time, which is cleared before it is filled; and it has to wait until
 * nothing enqueued uses what it writes to.
 *
 * A buffer is asked for anew when a read tells that its copy has run, and no sooner: while a promise of Dawn's is pending, Dawn
 * in Node keeps a core busy (readback.ts).
 */
import { usage } from './buffers.js';

/** GPUMapMode.WRITE (Node has no global of that name). */
const mapModeWrite = 2;

/** Bytes from which on an array goes this way; what is smaller fits what Dawn keeps for `writeBuffer`. */
const large = 1 << 20;

/** Buffers in all: of the step that runs, the one enqueued meanwhile, and one to spare. Beyond them `writeBuffer` does. */
const most = 3;

/** A buffer serves arrays of its size or down to the `slack`-th part of it. */
const slack = 2;

/** The upload buffers of one device. */
export class Uploads {
  /** Number of buffers made. */
  created = 0;
  /** Those that can be filled. */
  private readonly free: GPUBuffer[] = [];
  /** Those to be copied from, with the numbers of the commands that do. */
  private sent: { readonly buffer: GPUBuffer; readonly command: number }[] = [];
  /** All but those destroyed. */
  private count = 0;

  constructor(private readonly device: Pick<GPUDevice, 'createBuffer'>) {}

  /** A buffer that begins with the array's bytes, or null where they should go another way. */
  fill({ buffer, byteOffset, byteLength }: ArrayBufferView): GPUBuffer | null {
    if (byteLength < large) return null;
    const size = Math.ceil(byteLength / 4) * 4;
    const filled = this.take(size);
    if (!filled) return null;
    new Uint8Array(filled.getMappedRange(0, filled.size)).set(new Uint8Array(buffer, byteOffset, byteLength));
    filled.unmap();
    return filled;
  }

  /** Says which command copies from a filled buffer. */
  send(buffer: GPUBuffer, command: number): void {
    this.sent.push({ buffer, command });
  }

  /** Says that all commands up to a number have run. */
  ran(command: number): void {
    const done = this.sent.filter((one) => one.command <= command);
    this.sent = this.sent.filter((one) => one.command > command);
    for (const { buffer } of done) {
      // Rejected when the device is lost or closed, which its next use tells.
      buffer.mapAsync(mapModeWrite).then(
        () => void this.free.push(buffer),
        () => {},
      );
    }
  }

  /** A free buffer that suits, or a new one. Those that don't are let go: the arrays of a training are of one size. */
  private take(size: number): GPUBuffer | null {
    while (this.free.length > 0) {
      const buffer = this.free.shift()!;
      if (buffer.size >= size && buffer.size <= slack * size) return buffer;
      buffer.destroy();
      this.count--;
    }
    if (this.count >= most) return null;
    this.created++;
    this.count++;
    return this.device.createBuffer({ size, usage: usage.mapWrite | usage.copySrc, mappedAtCreation: true });
  }
}
