/**
 * Products of a long depth: in partial results of up to `longDepth` each, which are summed in double precision.
 *
 * A partial result is a sum of blocks of depth in single precision (gemm.ts); with ever more blocks in one its last
 * digits would be lost. How a depth is cut depends on sizes alone, never on the number of threads.
 */
import type { KernelModule, Planner } from '../../plan.js';
import { sumLines } from '../reduce/plan.js';
import { depthBlock } from './panels.js';
import { type Product, runProduct, tables } from './product.js';

/** Depth of a partial result, in numbers. */
const longDepth = 64 * depthBlock;

/** Numbers of all partial results at most; the fewer there may be, the deeper each is. */
const mostNumbers = 1 << 24;

/** The partial results of one product whose operands come stretch by stretch. */
export class Partials {
  private readonly most: number;
  private readonly memory: number;
  private used = 0;
  private filled = 0;

  /** @param out address of `numbers` results of a product of `depth` */
  constructor(
    private readonly planner: Planner,
    private readonly out: number,
    private readonly numbers: number,
    depth: number,
  ) {
    const count = Math.min(Math.ceil(depth / longDepth), Math.floor(mostNumbers / numbers));
    // Each is left when no block fits in any more.
    this.most = count > 1 ? Math.ceil(depth / count) + depthBlock : Number.POSITIVE_INFINITY;
    this.memory = count > 1 ? planner.temporary(4 * numbers * count) : out;
  }

  /** Whether there may be several. */
  get isSplit(): boolean {
    return this.memory !== this.out;
  }

  /** Where the next of at most `steps` go, whether added to what is there, and how many (blocks of depth, or all). */
  take(steps: number): { readonly steps: number; readonly address: number; readonly accumulate: boolean } {
    const room = this.most - this.filled;
    const taken = steps <= room ? steps : Math.floor(room / depthBlock) * depthBlock;
    const address = this.memory + 4 * this.numbers * this.used;
    const accumulate = this.filled > 0;
    this.filled += taken;
    if (this.filled + depthBlock > this.most) {
      this.used++;
      this.filled = 0;
    }
    return { steps: taken, address, accumulate };
  }

  /** Enqueues their sum. */
  sum(): void {
    if (!this.isSplit) return;
    const lines = this.used + (this.filled > 0 ? 1 : 0);
    sumLines(this.planner, { from: this.memory, to: this.out, numbers: this.numbers, lines });
  }
}

/** Enqueues a stretch of a product; its c is that of the results in the end, `accumulate` says it isn't the first. */
export function runInPartials(
  planner: Planner,
  module: KernelModule,
  product: Product,
  partials: Partials,
): void {
  if (!partials.isSplit) {
    runProduct(planner, module, product);
    return;
  }
  const { a, b, c, rows, depth } = product;
  let k = 0;
  do {
    const { steps, address, accumulate } = partials.take(depth - k);
    const deeper =
      module === tables ? { ...b, depth: b.depth + 4 * k } : { ...b, address: b.address + k * b.depth };
    runProduct(planner, module, {
      ...product,
      a: a + 4 * rows * k,
      b: deeper,
      c: { ...c, address },
      depth: steps,
      accumulate,
    });
    k += steps;
  } while (k < depth);
}
