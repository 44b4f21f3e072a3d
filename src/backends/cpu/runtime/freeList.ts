/**
 * Free blocks of memory, found by size: binned by eight sizes for each power of two.
 */

/** Blocks begin at multiples of so many bytes and are as long. */
export const alignment = 64;

/** A piece of memory; pieces lie in address order without gaps. */
export interface Block {
  readonly start: number;
  size: number;
  /** Where it lies when it is free; a block stays with its list, and joins only blocks of the same. */
  readonly list: FreeList;
  free: boolean;
  /** Whether it belongs to a tensor, and so counts as live. */
  counted: boolean;
  /** Position of the queue when it was freed: what was enqueued up to there may still use it. */
  freedAt: number;
  before: Block | null;
  after: Block | null;
  /** Its place in its bin. */
  place: number;
}

/** One set of free blocks. */
export class FreeList {
  private readonly bins: Block[][] = Array.from({ length: binOf(2 ** 53) + 1 }, () => []);

  /** Adds a block, which becomes free. */
  add(block: Block): void {
    const bin = this.bins[binOf(block.size)]!;
    block.free = true;
    block.place = bin.length;
    bin.push(block);
  }

  /** Takes a block out, which is free no more. */
  remove(block: Block): void {
    const bin = this.bins[binOf(block.size)]!;
    const moved = bin.pop()!;
    block.free = false;
    if (moved === block) return;
    moved.place = block.place;
    bin[block.place] = moved;
  }

  /** The smallest block of at least `size` bytes freed by position `completed`, the lowest of equal ones. */
  find(size: number, completed: number): Block | null {
    for (let index = binOf(size); index < this.bins.length; index++) {
      let best: Block | null = null;
      for (const block of this.bins[index]!) {
        if (block.size < size || block.freedAt > completed) continue;
        if (
          best === null ||
          block.size < best.size ||
          (block.size === best.size && block.start < best.start)
        ) {
          best = block;
        }
      }
      if (best !== null) return best;
    }
    return null;
  }
}

/**
 * The bin of a size: eight for each power of two, in rising order of their sizes. Memory ends at 2^32 bytes, the books
 * of devices that don't run go on to 2^53.
 */
function binOf(size: number): number {
  if (size > 2 ** 32) return binOf(size / 2 ** 21) + 21 * 8;
  const units = size / alignment;
  const exponent = 31 - Math.clz32(units);
  return exponent < 3 ? units : (exponent - 2) * 8 + ((units >>> (exponent - 3)) & 7);
}
