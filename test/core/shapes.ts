/**
 * Random shapes and views for tests of ops.
 */

import type { HostRandom } from '../../src/backends/threefry.js';
import { flip, permute, reshape, slice } from '../../src/core/ops/views.js';
import { type Shape, sizeOf } from '../../src/core/shape.js';
import type { Tensor } from '../../src/core/tensor.js';

/** A whole number from `low` to `high`, both included. */
export function between(random: HostRandom, low: number, high: number): number {
  return low + random.integer(high - low + 1);
}

/** One of the items. */
export function oneOf<T>(random: HostRandom, items: readonly T[]): T {
  return items[random.integer(items.length)]!;
}

/** A shape of `rank` axes of 1 to `largest` elements. */
export function randomShape(random: HostRandom, rank: number, largest = 3): number[] {
  return Array.from({ length: rank }, () => between(random, 1, largest));
}

/** Some of the axes of a tensor of `rank` axes, in any order, some counted from the end. */
export function randomAxes(random: HostRandom, rank: number): number[] {
  const order = [...random.permutation(rank)].slice(0, between(random, 0, rank));
  return order.map((axis) => (random.uniform() < 0.5 ? axis : axis - rank));
}

/** Shapes that broadcast to one of `rank` axes: each has size 1 along some axes and lacks some leading ones. */
export function broadcastingShapes(random: HostRandom, count: number, rank: number): number[][] {
  const whole = randomShape(random, rank);
  return Array.from({ length: count }, (_, i) => {
    const shape = whole.map((n) => (random.uniform() < 0.4 ? 1 : n));
    return i === 0 && random.uniform() < 0.5 ? whole : shape.slice(between(random, 0, rank));
  });
}

/** A way to get a tensor of a shape as a view of another: from a source of `shape`, `view` makes it. */
export interface Disguise {
  readonly shape: Shape;
  view(source: Tensor): Tensor;
}

/** A random way to get a tensor of `shape`: as it is, or turned, reversed, cut out of a larger one, reshaped. */
export function disguise(random: HostRandom, shape: Shape): Disguise {
  const rank = shape.length;
  const ways: Disguise[] = [{ shape, view: (x) => x }];
  if (rank > 0) {
    const order = [...random.permutation(rank)];
    const turned = order.map((_, axis) => shape[order.indexOf(axis)]!);
    ways.push({ shape: turned, view: (x) => permute(x, order) });
    const axis = random.integer(rank);
    ways.push({ shape, view: (x) => flip(x, axis) });
    const [before, after] = [between(random, 0, 2), between(random, 0, 1)];
    const larger = shape.map((n, i) => (i === axis ? n + before + after : n));
    ways.push({ shape: larger, view: (x) => slice(x, axis, before, before + shape[axis]!) });
    ways.push({ shape: [sizeOf(shape)], view: (x) => reshape(x, shape) });
  }
  return oneOf(random, ways);
}
