/**
 * Elementary functions of four float32 lanes, with errors of a few units in the last place over the whole range,
 * denormal numbers, infinities and NaN included.
 *
 * Each reduces its argument to a short interval, evaluates a polynomial of ../../mathTables.ts there and puts the
 * result back together:
 *
 *     exp x = 2^n exp r,              n = nearest(x / ln 2), r = x - n ln 2 in [-0.35, 0.35]
 *     log x = e ln 2 + log m,         x = 2^e m, m in [sqrt 1/2, sqrt 2)
 *     log(1 + x) = 2 artanh z,        z = x / (2 + x), by its series below x = 1/2
 *     tanh x = 1 - 2 / (exp 2x + 1),  an odd polynomial below 0.625
 *     erf x = 1 - e^q(x),             an odd polynomial below 0.9
 *     sin x, cos x:                   r = x - n pi/2 in [-pi/4, pi/4], by double precision; see `reduceAngle`
 *     a^b = 2^(b log2 a)              with log2 and the product in double precision
 */
import {
  artanhTail,
  cosTail,
  erfFar,
  erfNear,
  erfTail,
  expTail,
  ln2Parts,
  log2Series,
  logErfc,
  logTail,
  sinTail,
  sqrtHalfBits,
  tanhFar,
  tanhNear,
  tanhTail,
  twoOverPi,
} from '../../mathTables.js';
import { if_ } from './flow.js';
import { f32x4, f64x2, i32x4, type V128, v128 } from './instructions.js';
import type { Lanes } from './lanes.js';
import { highDoubles, lowDoubles, narrowed } from './sums.js';

/** Runs double-precision code on both halves of float32 vectors and joins what it returns. */
function inDoubles(l: Lanes, inputs: readonly V128[], fn: (inputs: V128[]) => V128[]): V128[] {
  const a = fn(inputs.map((x) => l.let(lowDoubles(x))));
  const b = fn(inputs.map((x) => l.let(highDoubles(x))));
  return a.map((half, i) => l.let(narrowed(half, b[i]!)));
}

/** 1.5 * 2^23: added to a number below 2^22 it leaves the nearest integer in the low bits. */
const roundingShift = 12582912;

/** Twice what a float32's exponent has more than its power of two. */
const twoBiases = 254;

/** `exp(r)` for r in [-0.347, 0.347] or NaN. */
function expOfRest(l: Lanes, r: V128): V128 {
  const z = l.let(f32x4.mul(r, r));
  return l.let(f32x4.add(l.madd(l.polynomial(r, expTail), z, r), l.f32(1)));
}

/** `exp(r) * 2^n` for r in [-0.347, 0.347] or NaN; `biased`: n + 254 in the low nine bits of int32 lanes, n from -200 to 200. */
function scaledExp(l: Lanes, r: V128, biased: V128): V128 {
  const value = expOfRest(l, r);
  // Two factors, since 2^n itself may be too large or too small for a float32 where the result is not.
  const half = l.let(i32x4.shrS(biased, 1));
  const first = i32x4.shl(half, 23);
  const second = i32x4.shl(i32x4.sub(biased, half), 23);
  return l.let(f32x4.mul(f32x4.mul(value, first), second));
}

/** e^x */
export function exp(l: Lanes, x: V128): V128 {
  // Beyond these the result is infinite or 0 anyway; NaN passes.
  const t = l.let(f32x4.pmax(f32x4.pmin(x, l.f32(89)), l.f32(-105)));
  const { r, biased } = splitPower(l, t, twoBiases);
  return scaledExp(l, r, biased);
}

/** e^x, with the bits that `exp` gives, for x within +-`expReach`; NaN passes. */
export function nearExp(l: Lanes, x: V128): V128 {
  const { r, biased } = splitPower(l, x, twoBiases / 2);
  return l.let(f32x4.mul(expOfRest(l, r), i32x4.shl(biased, 23)));
}
export const expReach = 87;

/** r of x = n ln 2 + r, and n + bias in the low nine bits of int32 lanes. */
function splitPower(l: Lanes, x: V128, bias: number): { r: V128; biased: V128 } {
  const shift = l.f32(roundingShift + bias);
  const biased = l.let(l.madd(x, l.f32(Math.LOG2E), shift));
  const n = l.let(f32x4.sub(biased, shift));
  const r = l.let(l.nmadd(n, l.f32(ln2Parts[1]), l.nmadd(n, l.f32(ln2Parts[0]), x)));
  return { r, biased };
}

/** e and m of x = 2^e m with m in [sqrt 1/2, sqrt 2), for positive finite x; e as float32. */
function splitExponent(l: Lanes, x: V128): { e: V128; m: V128 } {
  const tiny = l.let(f32x4.lt(x, l.f32(2 ** -126)));
  const normal = l.let(l.either(f32x4.mul(x, l.f32(2 ** 23)), x, tiny));
  const e = l.let(i32x4.shrS(i32x4.sub(normal, l.i32(sqrtHalfBits)), 23));
  const m = l.let(i32x4.sub(normal, i32x4.shl(e, 23)));
  const exponent = i32x4.sub(e, v128.and(tiny, l.i32(23)));
  return { e: l.let(f32x4.convertI32x4S(exponent)), m };
}

/** Natural logarithm: -infinity at 0, NaN below. */
export function log(l: Lanes, x: V128): V128 {
  const { e, m } = splitExponent(l, x);
  const t = l.let(f32x4.sub(m, l.f32(1)));
  const z = l.let(f32x4.mul(t, t));
  const p = l.polynomial(t, logTail);
  const cubic = l.madd(e, l.f32(ln2Parts[1]), f32x4.mul(f32x4.mul(t, z), p));
  const small = l.nmadd(z, l.f32(0.5), cubic);
  const value = l.let(l.madd(e, l.f32(ln2Parts[0]), f32x4.add(t, small)));

  const positive = l.let(f32x4.gt(x, l.f32(0)));
  const finite = v128.and(positive, f32x4.lt(x, l.f32(Infinity)));
  const belowZero = l.either(l.f32(-Infinity), l.f32(NaN), f32x4.eq(x, l.f32(0)));
  return l.let(l.either(value, l.either(x, belowZero, positive), finite));
}

/** log(1 + x) for x from 0 on, as exact near 0 as elsewhere. */
export function log1p(l: Lanes, x: V128): V128 {
  const z = l.let(f32x4.div(x, f32x4.add(x, l.f32(2))));
  const square = l.let(f32x4.mul(z, z));
  const twice = l.let(f32x4.add(z, z));
  const near = l.madd(f32x4.mul(twice, square), l.polynomial(square, artanhTail), twice);
  const far = log(l, l.let(f32x4.add(x, l.f32(1))));
  return l.let(l.either(near, far, f32x4.lt(x, l.f32(0.5))));
}

/** Hyperbolic tangent. */
export function tanh(l: Lanes, x: V128): V128 {
  const z = l.let(f32x4.mul(x, x));
  const p = l.polynomial(z, tanhTail);
  const near = l.madd(f32x4.mul(p, z), x, x);
  const size = l.let(f32x4.abs(x));
  const bounded = l.let(f32x4.pmin(size, l.f32(tanhFar)));
  const e = nearExp(l, l.let(f32x4.add(bounded, bounded)));
  const far = f32x4.sub(l.f32(1), f32x4.div(l.f32(2), f32x4.add(e, l.f32(1))));
  return joined(l, x, near, far, f32x4.lt(size, l.f32(tanhNear)));
}

/** The error function, to two units of the last place. */
export function erf(l: Lanes, x: V128): V128 {
  const near = l.madd(x, l.polynomial(l.let(f32x4.mul(x, x)), erfTail), x);
  const size = l.let(f32x4.abs(x));
  const exponent = l.polynomial(l.let(f32x4.pmin(size, l.f32(erfFar))), logErfc);
  const far = f32x4.sub(l.f32(1), nearExp(l, l.let(exponent)));
  return joined(l, x, near, far, f32x4.lt(size, l.f32(erfNear)));
}

/** An odd function of x: `near` where `isNear`, else `far`, which is that of |x|. */
function joined(l: Lanes, x: V128, near: V128, far: V128, isNear: V128): V128 {
  const signed = v128.or(far, v128.and(x, l.f32(-0)));
  return l.let(l.either(near, signed, isNear));
}

/**
 * r in [-pi/4, pi/4] and n of x = n pi/2 + r, as float32 vectors; n counts modulo 4.
 *
 * Below 2^20, n times the upper 33 bits of pi/2 is exact in double precision (Cody and Waite). Above, x times each
 * 24-bit piece of 2/pi is exact, and so is its remainder modulo 4, so that nothing is lost however large x is
 * (Payne and Hanek). Each lane takes its own way: results don't depend on neighbours.
 */
function reduceAngle(l: Lanes, x: V128): { r: V128; n: V128 } {
  const [r0, n0] = inDoubles(l, [x], ([t]) => {
    const n = l.let(f64x2.nearest(f64x2.mul(t!, l.f64(2 / Math.PI))));
    const coarse = f64x2.sub(t!, f64x2.mul(n, l.f64(1.5707963267341256)));
    return [l.let(f64x2.sub(coarse, f64x2.mul(n, l.f64(6.077100506506192e-11)))), n];
  });
  const r = l.let(r0!);
  const n = l.let(n0!);
  const small = l.let(f32x4.lt(f32x4.abs(x), l.f32(2 ** 20)));
  const large = l.block(() => {
    const [r1, n1] = inDoubles(l, [x], ([t]) => {
      let whole = l.f64(0);
      let rest = l.f64(0);
      twoOverPi.forEach((piece, k) => {
        const term = l.let(f64x2.mul(t!, l.f64(piece * 2 ** (-24 * (k + 1)))));
        const turns = f64x2.nearest(f64x2.mul(term, l.f64(0.25)));
        const sum = l.let(f64x2.add(rest, f64x2.sub(term, f64x2.mul(l.f64(4), turns))));
        const integer = l.let(f64x2.nearest(sum));
        whole = l.let(f64x2.add(whole, integer));
        rest = l.let(f64x2.sub(sum, integer));
      });
      return [l.let(f64x2.mul(rest, l.f64(Math.PI / 2))), whole];
    });
    l.do(r.set(l.either(r, r1!, small)), n.set(l.either(n, n1!, small)));
  });
  l.do(if_(v128.anyTrue(v128.not(small)), large));
  return { r, n };
}

/** sin(n pi/2 + r), r in [-pi/4, pi/4], n in int32 lanes. */
function quadrantSine(l: Lanes, r: V128, n: V128): V128 {
  const z = l.let(f32x4.mul(r, r));
  const sinRest = l.polynomial(z, sinTail);
  const sine = l.madd(f32x4.mul(sinRest, z), r, r);
  const cosRest = l.polynomial(z, cosTail);
  const cosine = f32x4.add(l.nmadd(z, l.f32(0.5), f32x4.mul(cosRest, f32x4.mul(z, z))), l.f32(1));
  const odd = i32x4.shrS(i32x4.shl(n, 31), 31);
  const sign = v128.and(i32x4.shl(n, 30), l.f32(-0));
  return l.let(v128.xor(l.either(cosine, sine, odd), sign));
}

/** Sine of an angle in radians. */
export function sin(l: Lanes, x: V128): V128 {
  const { r, n } = reduceAngle(l, x);
  // The reduced angle loses the sign of a zero.
  const sine = quadrantSine(l, r, l.let(i32x4.truncSatF32x4S(n)));
  return l.let(l.either(x, sine, f32x4.eq(x, l.f32(0))));
}

/** Cosine of an angle in radians. */
export function cos(l: Lanes, x: V128): V128 {
  const { r, n } = reduceAngle(l, x);
  return quadrantSine(l, r, l.let(i32x4.add(i32x4.truncSatF32x4S(n), l.i32(1))));
}

/** a^b; for finite a < 0 only whole b give a number. C's rules at the edges: 1^b and a^0 are 1, even of NaN. */
export function pow(l: Lanes, a: V128, b: V128): V128 {
  const size = l.let(f32x4.abs(a));
  const { e, m } = splitExponent(l, size);
  // log2 of 0, infinity and NaN is written into the exponent.
  const nonzero = l.either(e, l.f32(-Infinity), f32x4.gt(size, l.f32(0)));
  const exponent = l.let(l.either(nonzero, size, f32x4.lt(size, l.f32(Infinity))));
  const ordered = l.let(l.either(exponent, size, f32x4.eq(size, size)));
  const [r, n] = inDoubles(l, [m, ordered, b], ([mantissa, whole, power]) => {
    const s = l.let(f64x2.div(f64x2.sub(mantissa!, l.f64(1)), f64x2.add(mantissa!, l.f64(1))));
    const z = l.let(f64x2.mul(s, s));
    const series = log2Series.map((c) => l.f64(c)).reduce((sum, c) => f64x2.add(f64x2.mul(sum, z), c));
    const product = l.let(f64x2.mul(power!, f64x2.add(whole!, f64x2.mul(s, series))));
    const y = l.let(f64x2.pmax(f64x2.pmin(product, l.f64(200)), l.f64(-200)));
    const nearest = l.let(f64x2.nearest(y));
    return [l.let(f64x2.mul(f64x2.sub(y, nearest), l.f64(Math.LN2))), nearest];
  });
  const value = scaledExp(l, r!, l.let(i32x4.add(i32x4.truncSatF32x4S(n!), l.i32(twoBiases))));

  const half = l.let(f32x4.mul(b, l.f32(0.5)));
  const fraction = l.let(f32x4.ne(b, f32x4.floor(b)));
  const odd = v128.andnot(f32x4.ne(half, f32x4.floor(half)), fraction);
  const signed = v128.xor(value, v128.and(v128.and(a, l.f32(-0)), odd));
  const invalid = v128.and(v128.and(f32x4.lt(a, l.f32(0)), f32x4.lt(size, l.f32(Infinity))), fraction);
  const number = l.either(l.f32(NaN), signed, invalid);
  const unit = v128.and(f32x4.eq(size, l.f32(1)), f32x4.eq(f32x4.abs(b), l.f32(Infinity)));
  const one = v128.or(v128.or(f32x4.eq(b, l.f32(0)), f32x4.eq(a, l.f32(1))), unit);
  return l.let(l.either(l.f32(1), number, one));
}

/**
 * a^b for a number b known beforehand: multiples of 1/4 up to 4 become multiplications, square roots and a
 * division (a^-0.75 = 1 / (sqrt a * sqrt sqrt a)). Unless b is whole, a isn't -0 or -infinity: see `rootable`.
 */
export function powConstant(l: Lanes, a: V128, b: number): V128 {
  const quarters = Math.abs(b) * 4;
  if (!Number.isInteger(quarters) || quarters > 16) return pow(l, a, l.f32(b));
  const factors: V128[] = [];
  let power = l.let(a);
  for (let whole = Math.floor(quarters / 4); whole > 0; whole >>= 1) {
    if (whole & 1) factors.push(power);
    if (whole > 1) power = l.let(f32x4.mul(power, power));
  }
  if (quarters % 4 !== 0) {
    const root = l.let(f32x4.sqrt(a));
    if (quarters & 2) factors.push(root);
    if (quarters & 1) factors.push(l.let(f32x4.sqrt(root)));
  }
  if (factors.length === 0) return l.f32(1);
  const product = factors.reduce((x, y) => f32x4.mul(x, y));
  return l.let(b < 0 ? f32x4.div(l.f32(1), product) : product);
}

/** What has the square roots that powers by fractions ask for: a, but 0 for -0 and infinity for -infinity. */
export function rootable(l: Lanes, a: V128): V128 {
  const low = f32x4.eq(a, l.f32(-Infinity));
  return l.let(l.either(l.f32(Infinity), f32x4.add(a, l.f32(0)), low));
}
