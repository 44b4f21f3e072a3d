/**
 * Bounds on the memory that files take by being unpacked or decoded. A small file can claim to be a huge one (a gzip of
 * zeros unpacks to a thousand times its size), so memory is asked for here before it is taken.
 *
 * A budget counts units of 1 KiB in one cell of shared memory. Threads that are given the cell share the budget: eight
 * of them together take no more than one would.
 */
import { totalmem } from 'node:os';
import { gunzipSync, inflateSync } from 'node:zlib';
import { DataError } from '../core/errors.js';
import { formatBytes } from '../core/text.js';

const unit = 1024;

/** Bytes that deflate (RFC 1951) makes of one byte at most: 258 of 2 bits. */
const deflateRatio = 1032;

/** Memory that this process may use, in bytes: the machine's, or what a container allows of it. */
function memoryInReach(): number {
  const allowed = process.constrainedMemory() ?? 0;
  return allowed > 0 ? Math.min(allowed, totalmem()) : totalmem();
}

/** Bytes that what is unpacked of one data set may take: 2 GiB, or half the memory there is where that is less. */
const unpackLimit: number = Math.min(2 ** 31, Math.floor(memoryInReach() / 2));

/** Memory that may be taken, and how much of it is. */
export class Budget {
  private readonly taken: Int32Array;
  private readonly units: number;

  /**
   * @param limit bytes, default `unpackLimit`
   * @param cell that of another budget, of this thread or another, to share it; default: one of its own
   */
  constructor(
    readonly limit: number = unpackLimit,
    readonly cell: SharedArrayBuffer = new SharedArrayBuffer(4),
  ) {
    this.taken = new Int32Array(cell);
    this.units = Math.ceil(limit / unit);
  }

  /** Bytes that may still be taken. */
  get left(): number {
    return Math.min(this.limit, (this.units - Atomics.load(this.taken, 0)) * unit);
  }

  /**
   * Takes memory.
   * @param what takes it, for the message: a file, and the part of it.
   * @throws {DataError} when so much isn't left; nothing is taken then.
   */
  take(bytes: number, what: string): void {
    if (!this.tryTake(bytes)) throw refusal(what, bytes, this.left);
  }

  /**
   * Takes memory as soon as other threads have given back enough of theirs. The thread stands still until then: it asks
   * once, for all that its piece of work needs, so that no thread waits while it holds memory that others wait for.
   * @throws {DataError} when it is more than the whole budget.
   */
  takeWhenFree(bytes: number, what: string): void {
    if (!(bytes <= this.limit)) throw refusal(what, bytes, this.limit);
    for (;;) {
      const before = Atomics.load(this.taken, 0);
      if (this.tryTake(bytes)) return;
      Atomics.wait(this.taken, 0, before);
    }
  }

  /** Gives back memory that was taken; all but `kept` bytes of it. */
  give(bytes: number, kept = 0): void {
    Atomics.sub(this.taken, 0, Math.ceil(bytes / unit) - Math.ceil(kept / unit));
    Atomics.notify(this.taken, 0);
  }

  private tryTake(bytes: number): boolean {
    const wanted = Math.ceil(bytes / unit);
    for (;;) {
      const before = Atomics.load(this.taken, 0);
      if (!(before + wanted <= this.units)) return false;
      if (Atomics.compareExchange(this.taken, 0, before, before + wanted) === before) return true;
    }
  }
}

function refusal(what: string, bytes: number, left: number): DataError {
  return new DataError(
    `${what}: takes ${formatBytes(bytes)} of memory when unpacked, ${formatBytes(left)} may be taken`,
  );
}

/** Options of `inflated`. */
interface InflateOptions {
  readonly packing: 'gzip' | 'zlib';
  /** What is unpacked stays taken from it, until the caller gives it back. */
  readonly budget: Budget;
  /** Bytes that may come out, where they are known beforehand; default: what is left of the budget. */
  readonly most?: number;
  /** What is unpacked, for messages: a file, and the part of it. */
  readonly what: string;
}

/**
 * Unpacks bytes that are all in memory.
 * @throws {DataError} when more comes out than `most` or the budget allows, or the bytes are damaged or cut short.
 */
export function inflated(bytes: Uint8Array, options: InflateOptions): Uint8Array {
  const { packing, budget, most = Number.POSITIVE_INFINITY, what } = options;
  const reserved = Math.min(most, budget.left, bytes.length * deflateRatio);
  budget.take(reserved, what);
  let unpacked = 0;
  try {
    const unpack = packing === 'gzip' ? gunzipSync : inflateSync;
    const result = unpack(bytes, { maxOutputLength: Math.max(1, reserved) });
    unpacked = result.length;
    return result;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE') {
      throw new DataError(`${what}: unpacks to more than the ${formatBytes(reserved)} allowed`, {
        cause: error,
      });
    }
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError(`${what}: damaged ${packing} data, or cut short: ${reason}`, { cause: error });
  } finally {
    budget.give(reserved, unpacked);
  }
}
