/**
 * Local response normalization across channels, and its gradient, as SIMD code.
 *
 * A unit of work is a block of 64 neighbouring pixels of one image, all channels: small enough for the window's
 * rows to stay in the first cache, long enough to read memory in runs. Per channel, four vectors of pixels at a
 * time, the squares of the window's channels are summed anew (a running sum would keep the rounding errors of large
 * numbers that have left it): `d = k + alpha * sum`, then `d^-beta` as `(1 / d)^beta`, for beta = 3/4 two roots.
 *
 * The gradient goes over a block twice: first `t = d^-beta` and `u = grad x t / d` of every channel, kept in the
 * thread's scratch memory; then `out = grad t - 2 alpha beta x * (sum of u over the channels whose window holds
 * channel c)`.
 */

import { forRange, select, while_ } from '../../asm/flow.js';
import { f32x4, type I32, i32, type Local, type V128 } from '../../asm/instructions.js';
import type { Lanes } from '../../asm/lanes.js';
import { powConstant } from '../../asm/math.js';
import { forRuns, type Run, storeRun } from '../../asm/runs.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout, type WordsOf } from '../../asm/words.js';
import type { Features } from '../../plan.js';

/** Pixels of a block. */
export const lrnBlock = 64;

/** Words of both kernels. `blocks` counts those of one image, `units` those of all; `pixels` is H * W. */
export const lrnWords = new WordLayout(
  'x',
  'grad',
  'out',
  'scratch',
  'channels',
  'pixels',
  'blocks',
  'units',
  'size',
  'alpha',
  'k',
  'coefficient',
);

/** Bytes of scratch memory that one thread needs for the gradient. */
export function lrnScratch(channels: number): number {
  return 2 * channels * lrnBlock * 4;
}

type Words = WordsOf<typeof lrnWords>;

/** Emits `lrn(address of words, thread, threads)`. */
export function emitLrn(beta: number, features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('lrn', lrnWords, features, ({ l, w, words }) => (unit) => {
    const { base, count } = blockOf(l, w, unit);
    const channel = l.variable('i32');
    const body = l.block(() => {
      const window = windowOf(l, w, channel, 'below');
      const from = rowOf(l, w.x, w, base, window.first);
      const center = rowOf(l, w.x, w, base, channel);
      const to = rowOf(l, w.out, w, base, channel);
      forRuns(l, count, [from, center, to], (run) => {
        const inverse = inverseDenominator(l, w, words, run, from, window.count);
        storeRun(l, run, to, (i) => f32x4.mul(run.load(center, i), powConstant(l, inverse[i]!, beta)));
      });
    });
    l.do(forRange(channel, 0, w.channels, 1, body));
  });
}

/** Emits `lrnGrad(address of words, thread, threads)`. */
export function emitLrnGrad(beta: number, features: Features): Uint8Array<ArrayBuffer> {
  return emitUnits('lrnGrad', lrnWords, features, ({ l, w, words, thread }) => {
    const planes = l.let(i32.mul(w.channels, lrnBlock * 4));
    const powers = l.let(i32.add(w.scratch, i32.mul(thread, i32.shl(planes, 1))));
    const terms = l.let(i32.add(powers, planes));
    const coefficient = l.once('coefficient', () => lrnWords.splat(words, 'coefficient'));
    /** Where a channel's run of the block lies in scratch memory. */
    const kept = (plane: Local<'i32'>, channel: Local<'i32'>) =>
      l.let(i32.add(plane, i32.mul(channel, lrnBlock * 4)));

    return (unit) => {
      const { base, count } = blockOf(l, w, unit);
      const channel = l.variable('i32');
      const first = l.block(() => {
        const window = windowOf(l, w, channel, 'below');
        const from = rowOf(l, w.x, w, base, window.first);
        const [x, grad] = [rowOf(l, w.x, w, base, channel), rowOf(l, w.grad, w, base, channel)];
        const [power, term] = [kept(powers, channel), kept(terms, channel)];
        forRuns(l, count, [from, x, grad, power, term], (run) => {
          const inverse = inverseDenominator(l, w, words, run, from, window.count);
          const t = inverse.map((r) => l.let(powConstant(l, r, beta)));
          const terms = t.map((one, i) => {
            const product = f32x4.mul(run.load(grad, i), run.load(x, i));
            return l.let(f32x4.mul(product, f32x4.mul(one, inverse[i]!)));
          });
          storeRun(l, run, power, (i) => t[i]!);
          storeRun(l, run, term, (i) => terms[i]!);
        });
      });
      const second = l.block(() => {
        const window = windowOf(l, w, channel, 'above');
        const from = kept(terms, window.first);
        const [x, grad] = [rowOf(l, w.x, w, base, channel), rowOf(l, w.grad, w, base, channel)];
        const [power, to] = [kept(powers, channel), rowOf(l, w.out, w, base, channel)];
        forRuns(l, count, [from, x, grad, power, to], (run) => {
          const sums = sumRows(l, run, from, window.count, lrnBlock * 4, (sum, u) => f32x4.add(sum, u));
          storeRun(l, run, to, (i) => {
            const direct = f32x4.mul(run.load(grad, i), run.load(power, i));
            const shared = l.let(f32x4.mul(coefficient, run.load(x, i)));
            return l.nmadd(shared, sums[i]!, direct);
          });
        });
      });
      l.do(forRange(channel, 0, w.channels, 1, first), forRange(channel, 0, w.channels, 1, second));
    };
  });
}

/** The block number `unit`: the byte distance of its first pixel's channel 0, and its number of pixels. */
function blockOf(l: Lanes, w: Words, unit: Local<'i32'>): { base: Local<'i32'>; count: Local<'i32'> } {
  const image = l.let(i32.divU(unit, w.blocks));
  const first = l.let(i32.mul(i32.sub(unit, i32.mul(image, w.blocks)), lrnBlock));
  const left = l.let(i32.sub(w.pixels, first));
  const count = l.let(select(i32.ltU(left, lrnBlock), left, i32.const(lrnBlock)));
  const base = l.let(i32.shl(i32.add(i32.mul(image, i32.mul(w.channels, w.pixels)), first), 2));
  return { base, count };
}

/**
 * The window of `channel`, clipped to the channels there are: the channels its normalization sums over ('below':
 * it begins size / 2 below), or those whose normalization it takes part in ('above': it ends size / 2 above).
 */
function windowOf(l: Lanes, w: Words, channel: Local<'i32'>, side: 'below' | 'above') {
  const half = i32.shrU(w.size, 1);
  const reach = side === 'below' ? half : i32.sub(i32.sub(w.size, 1), half);
  const start = l.let(i32.sub(channel, reach));
  const stop = l.let(i32.add(start, w.size));
  const first = l.let(select(i32.gtS(start, 0), start, 0));
  const count = l.let(i32.sub(select(i32.ltS(stop, w.channels), stop, w.channels), first));
  return { first, count };
}

/** Address of a channel's run of pixels in the tensor at `tensor`. */
function rowOf(
  l: Lanes,
  tensor: Local<'i32'>,
  w: Words,
  base: Local<'i32'>,
  channel: Local<'i32'>,
): Local<'i32'> {
  return l.let(i32.add(i32.add(tensor, base), i32.shl(i32.mul(channel, w.pixels), 2)));
}

/** Adds up `count` rows, `stride` bytes apart, by `add`. */
function sumRows(
  l: Lanes,
  run: Run,
  from: Local<'i32'>,
  count: Local<'i32'>,
  stride: I32,
  add: (sum: V128, value: V128) => V128,
): Local<'v128'>[] {
  const sums = Array.from({ length: run.vectors }, () => l.let(l.f32(0)));
  const at = l.let<'i32'>(from);
  const left = l.let<'i32'>(count);
  const row = sums.map((sum, i) => sum.set(add(sum, run.load(at, i))));
  l.do(while_(left, [row, at.set(i32.add(at, stride)), left.set(i32.sub(left, 1))]));
  return sums;
}

/** 1 / d of a run of pixels; `from` is the run in the window's first channel. */
function inverseDenominator(
  l: Lanes,
  w: Words,
  words: Local<'i32'>,
  run: Run,
  from: Local<'i32'>,
  count: Local<'i32'>,
): V128[] {
  const [alpha, k] = (['alpha', 'k'] as const).map((name) => l.once(name, () => lrnWords.splat(words, name)));
  const value = l.variable('v128');
  const square = (sum: V128, x: V128): V128 => l.madd(value.tee(x), value, sum);
  const sums = sumRows(l, run, from, count, i32.shl(w.pixels, 2), square);
  return sums.map((sum) => l.let(f32x4.div(l.f32(1), l.madd(sum, alpha!, k!))));
}
