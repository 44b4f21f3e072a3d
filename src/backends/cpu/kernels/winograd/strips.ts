/**
 * Matrices at the points of Winograd's convolution (backends/winograd.ts) lie in strips of 16 lanes, one matrix for each point
 * and group:
 *
 *     [point][group][strip][k][lane of the strip]
 *
 * Lanes are tiles or channels; k is what products sum over, or the row of a result. Lanes beyond the last of a matrix
 * repeat it.
 *
 * This file holds the way of patches of numbers in memory into such lanes and back. A patch is a few runs of neighbouring
 * numbers, one for each lane, `rowBytes` from run to run; in scratch memory number e of the patches lies as `[e][lane]`,
 * so that all arithmetic goes along neighbouring lanes (and pairs of vectors are fused, runtime/wide.ts). Patches are
 * transposed four lanes and four numbers at a time.
 */
import { forRange } from '../../asm/flow.js';
import { i32, type Local, type V128, v128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';

/** Lanes of a strip. */
export const stripLanes = 16;

/** Bytes of a strip's lanes. */
export const lineBytes = 4 * stripLanes;

/** Strips that so many lanes take. */
export function stripsOf(lanes: number): number {
  return Math.ceil(lanes / stripLanes);
}

/** Patches of `runs` times `length` numbers, 2 or more. */
export interface Patch {
  readonly runs: number;
  readonly length: number;
  /** Whether its numbers are taken in reverse. */
  readonly turned?: boolean;
}

/** Where the fours of a run begin; the last overlaps the one before it where the length is no multiple of four. */
function foursOf(length: number): number[] {
  const count = Math.ceil(length / 4);
  return Array.from({ length: count }, (_, i) => Math.max(0, Math.min(4 * i, length - 4)));
}

/** The numbers 0 .. count - 1. */
export const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** The first four vectors with rows and columns exchanged. */
function exchanged(l: Lanes, [a, b, c, d]: readonly V128[]): V128[] {
  const low = [l.let(v128.shuffle32(a!, b!, 0, 4, 1, 5)), l.let(v128.shuffle32(c!, d!, 0, 4, 1, 5))] as const;
  const high = [
    l.let(v128.shuffle32(a!, b!, 2, 6, 3, 7)),
    l.let(v128.shuffle32(c!, d!, 2, 6, 3, 7)),
  ] as const;
  return [low, high].flatMap(([left, right]) => [
    v128.shuffle32(left, right, 0, 1, 4, 5),
    v128.shuffle32(left, right, 2, 3, 6, 7),
  ]);
}

/** What the way of patches needs to know. */
interface Way {
  /** The address of the table of the lanes' offsets in bytes. */
  readonly lanes: Local<'i32'>;
  /** What the offsets are added to. */
  readonly base: Local<'i32'>;
  readonly rowBytes: Local<'i32'>;
  /** Scratch memory. */
  readonly scratch: Local<'i32'>;
}

/** Code for each four lanes and run: of the lanes' addresses and the run's place in scratch. */
function forRuns(
  l: Lanes,
  way: Way,
  patch: Patch,
  lanes: Local<'i32'> | number,
  body: (addresses: readonly Local<'i32'>[], place: Local<'i32'>) => void,
): void {
  const [lane, run, place] = [l.variable('i32'), l.variable('i32'), l.variable('i32')];
  const addresses = [0, 1, 2, 3].map(() => l.variable('i32'));
  const perFour = l.block(() => {
    const table = l.let(i32.add(way.lanes, lane));
    l.do(
      addresses.map((address, i) => address.set(i32.add(way.base, i32.load(table, 4 * i)))),
      place.set(i32.add(way.scratch, lane)),
    );
    const perRun = l.block(() => body(addresses, place));
    const step = lineBytes * patch.length;
    l.do(
      forRange(run, 0, patch.runs, 1, [
        perRun,
        addresses.map((address) => address.set(i32.add(address, way.rowBytes))),
        place.set(i32.add(place, step)),
      ]),
    );
  });
  // A lane's number takes as many bytes in the table as in scratch.
  l.do(forRange(lane, 0, lanes, 16, perFour));
}

/** Code that brings the patches of a strip to scratch memory. */
export function gather(l: Lanes, way: Way, patch: Patch): void {
  const { length, turned } = patch;
  forRuns(l, way, patch, lineBytes, (addresses, place) => {
    let done = 0;
    for (const first of foursOf(length)) {
      const rows = addresses.map((address) => {
        if (length > 3) return l.let(v128.load(address, 4 * first));
        const two = v128.load64Zero(address);
        return l.let(length === 2 ? two : v128.load32Lane(address, two, 2, 8));
      });
      exchanged(l, rows).forEach((number, i) => {
        const e = first + i;
        if (e < done || e >= length) return;
        // Of kernels, all taps are one run.
        l.do(v128.store(place, number, lineBytes * (turned ? length - 1 - e : e)));
        done = e + 1;
      });
    }
  });
}

/** Code that brings patches from scratch memory to their places: of so many lanes, in bytes of the table. */
export function scatter(l: Lanes, way: Way, patch: Patch, lanes: Local<'i32'>): void {
  const { length } = patch;
  forRuns(l, way, patch, lanes, (addresses, place) => {
    for (const first of foursOf(length)) {
      const numbers = range(Math.min(4, length)).map((i) => l.let(v128.load(place, lineBytes * (first + i))));
      if (length > 2) {
        const rows = exchanged(l, [...numbers, numbers[2]!]).map((row) => l.let(row));
        rows.forEach((row, lane) => {
          const address = addresses[lane]!;
          if (length > 3) l.do(v128.store(address, row, 4 * first));
          else l.do(v128.store64Lane(address, row, 0), v128.store32Lane(address, row, 2, 8));
        });
        continue;
      }
      const [even, odd] = numbers;
      const pairs = [
        l.let(v128.shuffle32(even!, odd!, 0, 4, 1, 5)),
        l.let(v128.shuffle32(even!, odd!, 2, 6, 3, 7)),
      ];
      addresses.forEach((address, lane) => {
        l.do(v128.store64Lane(address, pairs[lane >> 1]!, lane & 1));
      });
    }
  });
}
