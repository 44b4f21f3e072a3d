/**
 * How a device is, and what went wrong on it. WebGPU reports most mistakes later and elsewhere; the first one is
 * kept here and thrown at the next call that waits.
 */
import { DeviceError, DeviceLostError, OutOfMemoryError, TandemError } from '../../../core/errors.js';

/** The state of one device. */
export class Health {
  private state: 'open' | 'closed' | 'lost' = 'open';
  private first: Error | null = null;
  private lostMessage = '';

  /** @param name the device's, for messages */
  constructor(
    private readonly name: string,
    gpu: GPUDevice,
  ) {
    gpu.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      this.note(this.translate(event.error));
    });
    void gpu.lost.then((info) => {
      if (this.state === 'closed') return;
      this.state = 'lost';
      this.lostMessage = `${this.name}: the device was lost (${info.reason}: ${firstLine(info.message)}); everything it held is gone: open it again and resume from a checkpoint`;
    });
  }

  /** Keeps an error, if it is the first. */
  note(error: Error): void {
    this.first ??= error;
  }

  /** From now on every call throws. */
  close(): void {
    this.state = 'closed';
  }

  get isOpen(): boolean {
    return this.state === 'open';
  }

  /** @throws {DeviceError} after close @throws {DeviceLostError} after a loss */
  requireOpen(op: string): void {
    if (this.state === 'closed') {
      throw new DeviceError(`${op}: device ${this.name} was closed; open it again and make its tensors anew`);
    }
    if (this.state === 'lost') throw new DeviceLostError(this.lostMessage);
  }

  /** Throws the first error kept, once; a loss goes before it. */
  throwKept(op: string): void {
    this.requireOpen(op);
    const error = this.first;
    this.first = null;
    if (error) throw error;
  }

  private translate(error: GPUError): Error {
    const text = `${this.name}: ${error.message.trim()}`;
    // Compared by name: Node has no global classes for these.
    return error.constructor.name === 'GPUOutOfMemoryError'
      ? new OutOfMemoryError(text)
      : new TandemError(text);
  }
}

function firstLine(text: string): string {
  return text.split('\n', 1)[0]!.trim();
}
