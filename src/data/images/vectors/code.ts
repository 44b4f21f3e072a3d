/**
 * Code for pictures in vectors of 128 bits: pixels to planes, the two passes of resizing, sums over pictures.
 *
 *   split(from, to, apart, turns)
 *       pixels [16 turns, 3] to three planes, `apart` bytes from one to the next
 *   rows3, rows4(from, stride, to, firsts, weights, parts, groups, rows)
 *       rows of bytes, `stride` from one to the next, to float32 rows of 4 `groups`: output x is the sum over k of weight k
 *       by byte firsts[x] + k, in float64, the first k first. Weights are float64 [groups, k, 4]; there are three k, or 4 `parts`
 *   columns(from, stride, to, firsts, weights, taps, groups, rows)
 *       float32 rows, `stride` bytes from one to the next, to rows of 16 `groups` bytes: output y is the sum over k of weight
 *       k (float64 [rows, taps]) by row firsts[y] + k, rounded to float32 after each, then to the nearest of 0-255
 *   moments(from, apart, sums, products, turns)
 *       adds three planes of 16 `turns` bytes to three of uint16 at `sums`, 2 `apart` bytes from one to the next, and the
 *       products of their colours to six vectors of int32 at `products`: red red, red green, red blue, green green,
 *       green blue, blue blue
 *
 * Addresses are aligned to 16, and what is read beyond the ends of rows and planes is of no consequence.
 */
import { type FuncBuilder, ModuleBuilder, unshared } from '../../../backends/cpu/asm/assembler.js';
import { doWhile, forRange } from '../../../backends/cpu/asm/flow.js';
import {
  type Code,
  f32x4,
  f64,
  f64x2,
  i8x16,
  i16x8,
  i32,
  i32x4,
  type Local,
  type V128,
  v128,
} from '../../../backends/cpu/asm/instructions.js';

/** The module's bytes; it imports a memory of its own as `env.memory`. */
export function emit(): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  emitSplit(module.func('split'));
  emitRows(module.func('rows3'), 3);
  emitRows(module.func('rows4'), 4);
  emitColumns(module.func('columns'));
  emitMoments(module.func('moments'));
  return unshared(module.finish());
}

/** Bytes of 16 pixels that are of one colour, out of three vectors. */
function gathered(pixels: readonly V128[], colour: number): V128 {
  const [a, b, c] = pixels;
  const places = Array.from({ length: 16 }, (_, i) => 3 * i + colour);
  const early = v128.shuffle8(
    a!,
    b!,
    places.map((place) => (place < 32 ? place : 0)),
  );
  return v128.shuffle8(
    early,
    c!,
    places.map((place, i) => (place < 32 ? i : place - 16)),
  );
}

function emitSplit(f: FuncBuilder<null>): void {
  const { from, to, apart, turns } = f.params('i32', 'from', 'to', 'apart', 'turns');
  const { end, green, blue } = f.locals('i32', 'end', 'green', 'blue');
  const pixels = f.array('v128', 3);
  f.body(
    end.set(i32.add(from, i32.mul(turns, 48))),
    green.set(i32.add(to, apart)),
    blue.set(i32.add(green, apart)),
    forRange(from, from, end, 48, [
      pixels.map((vector, i) => vector.set(v128.load(from, 16 * i))),
      [to, green, blue].map((plane, colour) => [
        v128.store(plane, gathered(pixels, colour)),
        plane.set(i32.add(plane, 16)),
      ]),
    ]),
  );
}

/** The last two of four lanes, in the low half. */
const upper = (vector: V128): V128 => v128.shuffle32(vector, vector, 2, 3, 2, 3);

/** Two pairs of float64 as four float32. */
const joined = (low: V128, high: V128): V128 =>
  v128.shuffle32(f32x4.demoteF64x2Zero(low), f32x4.demoteF64x2Zero(high), 0, 1, 4, 5);

/** @param taps three, each time; or four, in as many parts as are asked for */
function emitRows(f: FuncBuilder<null>, taps: 3 | 4): void {
  const { from, stride, to, firsts, weights } = f.params('i32', 'from', 'stride', 'to', 'firsts', 'weights');
  const { parts, groups, rows } = f.params('i32', 'parts', 'groups', 'rows');
  const { first, weight, left, part, end } = f.locals('i32', 'first', 'weight', 'left', 'part', 'end');
  const { bytes, tap, low, high } = f.locals('v128', 'bytes', 'tap', 'low', 'high');
  const places = f.array('i32', 4);
  const four = places.map((place, lane) =>
    bytes.set(lane === 0 ? v128.load32Zero(place) : v128.load32Lane(place, bytes, lane)),
  );
  const added = Array.from({ length: taps }, (_, k) => [
    tap.set(v128.and(k === 0 ? bytes : i32x4.shrU(bytes, 8 * k), i32x4.const(255))),
    ([low, high] as const).map((sum, half) => {
      const pair = f64x2.convertLowI32x4S(half === 0 ? tap : upper(tap));
      return sum.set(f64x2.add(sum, f64x2.mul(pair, v128.load(weight, 32 * k + 16 * half))));
    }),
    ...(k === taps - 1 ? [weight.set(i32.add(weight, 32 * taps))] : []),
  ]);
  const all: Code =
    taps === 3
      ? [four, added]
      : [
          part.set(parts),
          doWhile(
            [four, added, places.map((place) => place.set(i32.add(place, 4))), part.set(i32.sub(part, 1))],
            part,
          ),
        ];
  f.body(
    end.set(i32.add(from, i32.mul(rows, stride))),
    forRange(from, from, end, stride, [
      first.set(firsts),
      weight.set(weights),
      left.set(groups),
      doWhile(
        [
          places.map((place, lane) => place.set(i32.add(from, i32.load(first, 4 * lane)))),
          [low, high].map((sum) => sum.set(f32x4.const(0))),
          all,
          v128.store(to, joined(low, high)),
          first.set(i32.add(first, 16)),
          to.set(i32.add(to, 16)),
          left.set(i32.sub(left, 1)),
        ],
        left,
      ),
    ]),
  );
}

/** Four float32 to the nearest integers, halves upwards; below -1/2 to whatever is negative or zero. */
function rounded(vector: Local<'v128'>, whole: Local<'v128'>): V128 {
  const half = f32x4.ge(f32x4.sub(vector, f32x4.convertI32x4S(whole)), f32x4.const(0.5));
  // all ones are -1
  return i32x4.sub(whole, half);
}

function emitColumns(f: FuncBuilder<null>): void {
  const { from, stride, to, firsts, weights } = f.params('i32', 'from', 'stride', 'to', 'firsts', 'weights');
  const { taps, groups, rows } = f.params('i32', 'taps', 'groups', 'rows');
  const { end, top, left, at, weight, last } = f.locals('i32', 'end', 'top', 'left', 'at', 'weight', 'last');
  const { by, whole } = f.locals('v128', 'by', 'whole');
  const sums = f.array('v128', 8);
  const fours = f.array('v128', 4);
  const round = fours.map((four, i) => [
    four.set(joined(sums[2 * i]!, sums[2 * i + 1]!)),
    whole.set(i32x4.truncSatF32x4S(four)),
    four.set(rounded(four, whole)),
  ]);
  const [a, b, c, d] = fours;
  f.body(
    end.set(i32.add(firsts, i32.mul(rows, 4))),
    forRange(firsts, firsts, end, 4, [
      top.set(i32.add(from, i32.mul(i32.load(firsts), stride))),
      last.set(i32.add(weights, i32.mul(taps, 8))),
      left.set(groups),
      doWhile(
        [
          sums.map((sum) => sum.set(f32x4.const(0))),
          at.set(top),
          forRange(weight, weights, last, 8, [
            by.set(f64x2.splat(f64.load(weight))),
            sums.map((sum, i) => {
              const two = f64x2.promoteLowF32x4(v128.load64Zero(at, 8 * i));
              const exact = f64x2.add(sum, f64x2.mul(two, by));
              return sum.set(f64x2.promoteLowF32x4(f32x4.demoteF64x2Zero(exact)));
            }),
            at.set(i32.add(at, stride)),
          ]),
          round,
          v128.store(to, i8x16.narrowI16x8U(i16x8.narrowI32x4S(a!, b!), i16x8.narrowI32x4S(c!, d!))),
          to.set(i32.add(to, 16)),
          top.set(i32.add(top, 64)),
          left.set(i32.sub(left, 1)),
        ],
        left,
      ),
      weights.set(last),
    ]),
  );
}

function emitMoments(f: FuncBuilder<null>): void {
  const { from, apart, sums, products, turns } = f.params(
    'i32',
    'from',
    'apart',
    'sums',
    'products',
    'turns',
  );
  const { left } = f.locals('i32', 'left');
  const [planes, totals] = [f.array('i32', 3), f.array('i32', 3)];
  const halves = [f.array('v128', 3), f.array('v128', 3)];
  const { bytes } = f.locals('v128', 'bytes');
  const pairs = [0, 1, 2].flatMap((x) => [0, 1, 2].filter((y) => y >= x).map((y) => [x, y] as const));
  const sixes = f.array('v128', pairs.length);
  f.body(
    sixes.map((six, i) => six.set(v128.load(products, 16 * i))),
    planes.map((plane, c) => plane.set(i32.add(from, i32.mul(apart, c)))),
    totals.map((total, c) => total.set(i32.add(sums, i32.mul(apart, 2 * c)))),
    left.set(turns),
    doWhile(
      [
        planes.map((plane, c) => [
          bytes.set(v128.load(plane)),
          plane.set(i32.add(plane, 16)),
          halves.map((half, h) => [
            half[c]!.set(h === 0 ? i16x8.extendLowI8x16U(bytes) : i16x8.extendHighI8x16U(bytes)),
            v128.store(totals[c]!, i16x8.add(v128.load(totals[c]!, 16 * h), half[c]!), 16 * h),
          ]),
          totals[c]!.set(i32.add(totals[c]!, 32)),
        ]),
        halves.map((half) =>
          pairs.map(([x, y], i) => sixes[i]!.set(i32x4.add(sixes[i]!, i32x4.dotI16x8S(half[x]!, half[y]!)))),
        ),
        left.set(i32.sub(left, 1)),
      ],
      left,
    ),
    sixes.map((six, i) => v128.store(products, six, 16 * i)),
  );
}
