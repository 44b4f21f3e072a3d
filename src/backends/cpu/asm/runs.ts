/**
 * Walking along neighbouring float32 elements: sixteen at a time, then four, then one, by the same vector code, so
 * that an element's result doesn't depend on how it was reached.
 */
import { while_ } from './flow.js';
import { type Code, i32, type Local, type V128, v128 } from './instructions.js';
import type { Lanes } from './lanes.js';

/** A few vectors of neighbouring elements (or a single element, in all lanes) at an address. */
export interface Run {
  readonly vectors: number;
  /** Whether it is a single element. */
  readonly single: boolean;
  load(address: Local<'i32'>, vector: number): V128;
  store(address: Local<'i32'>, vector: number, value: V128): Code;
}

const vectorRun = (vectors: number): Run => ({
  vectors,
  single: false,
  load: (address, vector) => v128.load(address, 16 * vector),
  store: (address, vector, value) => v128.store(address, value, 16 * vector),
});

const single: Run = {
  vectors: 1,
  single: true,
  load: (address) => v128.load32Splat(address),
  store: (address, _, value) => v128.store32Lane(address, value, 0),
};

const runs = [
  { elements: 16, run: vectorRun(4) },
  { elements: 4, run: vectorRun(1) },
  { elements: 1, run: single },
];

/**
 * Code that computes all vectors of a run and then writes them at an address. Neighbouring vectors become one of 256 bits
 * (runtime/wide.ts) where nothing is read between their stores.
 */
export function storeRun(l: Lanes, run: Run, address: Local<'i32'>, value: (vector: number) => V128): void {
  const values = Array.from({ length: run.vectors }, (_, i) => l.let(value(i)));
  l.do(values.map((lanes, i) => run.store(address, i, lanes)));
}

/** How many elements a run has. */
export const elementsOf = (run: Run): number => (run.single ? 1 : 4 * run.vectors);

/** Code for `count` elements; the pointers, which `body` uses for its loads and stores, walk along. */
export function forRuns(
  l: Lanes,
  count: Local<'i32'>,
  pointers: readonly Local<'i32'>[],
  body: (run: Run) => void,
): void {
  const left = l.let<'i32'>(count);
  for (const { elements, run } of runs) {
    const group = l.turn(() => body(run));
    const advance = pointers.map((pointer) => pointer.set(i32.add(pointer, 4 * elements)));
    l.do(while_(i32.geU(left, elements), [group, advance, left.set(i32.sub(left, elements))]));
  }
}
