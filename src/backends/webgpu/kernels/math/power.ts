/**
 * Powers in WGSL, a^b = 2^(b log2 |a|), in whole numbers throughout: b log2 |a| has up to 8 digits before the point, and
 * what a float32 has left behind it is not enough. A number is a word with its highest bit set and an exponent.
 *
 *     |a| = 2^e m, m in [sqrt 1/2, sqrt 2)
 *     s = (m - 1) / (m + 1), by long division, sixteen digits at a time
 *     log2 |a| = e + s p(s^2), p of mathTables.ts: with 55 bits behind the point, of which the upper 32 are kept
 *     y = b log2 |a| = n + f, f in [0, 1) with 32 bits
 *     2^f by its series, all of whose terms are positive, rounded once
 *
 * The rounded value is the exact one wherever that is a float32: whole powers of whole numbers are whole. At the edges
 * it is C's pow: 1^b and a^0 are 1, even of NaN, and so is (-1)^infinity.
 */
import { log2Series, sqrtHalfBits } from '../../../mathTables.js';
import { type FloatType, word } from './text.js';

/** 2^f = sum of (f ln 2)^k / k!, to 2^-34 at f = 1. */
const exp2Series = Array.from({ length: 13 }, (_, k) => {
  let term = 1;
  for (let i = 1; i <= k; i++) term *= Math.LN2 / i;
  return term;
}).reverse();

/** Statements that set `sum` to a polynomial of x by Horner's rule; coefficients in units of 2^-bits, x of 2^-32. */
function horner(sum: string, x: string, coefficients: readonly number[], bits: number): string {
  // Rounded down: a sum of 2 - 2^-31 mustn't become one of 2, for which there is no word.
  const [first, ...rest] = coefficients.map((c) => word(Math.floor(c * 2 ** bits)));
  return [`var ${sum} = ${first};`, ...rest.map((c) => `${sum} = ${c} + mulHigh(${sum}, ${x});`)].join(
    '\n  ',
  );
}

/** `mulHigh(a, b)`: the upper 32 of the 64 bits of a * b. */
export function mulHigh(): string {
  return `fn mulHigh(a: u32, b: u32) -> u32 {
  let inner = (a >> 16u) * (b & 0xffffu) + (((a & 0xffffu) * (b & 0xffffu)) >> 16u);
  let cross = (a & 0xffffu) * (b >> 16u) + (inner & 0xffffu);
  return (a >> 16u) * (b >> 16u) + (inner >> 16u) + (cross >> 16u);
}`;
}

/** `logarithm(bits)`: log2 of the positive finite number of these bits, as |log2| = size * 2^exponent and a sign. */
function logarithm(): string {
  return `struct Logarithm { size: u32, exponent: i32, negative: bool }
fn logarithm(bits: u32) -> Logarithm {
  let denormal = bits < 0x00800000u;
  let normal = select(bits, bitcast<u32>(f32(bits)), denormal);
  let whole = i32(normal - ${word(sqrtHalfBits)}) >> 23u;
  let mantissa = normal - (u32(whole) << 23u);
  let e = whole - select(0, 149, denormal);
  // m - 1 and m + 1 in units of 2^-24.
  let m = ((mantissa & 0x7fffffu) | 0x800000u) << select(0u, 1u, mantissa >= 0x3f800000u);
  let below = m < 0x1000000u;
  let divisor = m + 0x1000000u;
  var rest = select(m - 0x1000000u, 0x1000000u - m, below);
  // e + s p, in units of 2^-23 and 2^-55.
  var high = 0u; var low = 0u;
  if (rest != 0u) {
    var zeros = countLeadingZeros(rest) - 8u;
    rest <<= zeros;
    for (var i = 0; i < 2; i++) { if (2u * rest < divisor) { rest *= 2u; zeros++; } }
    // s in units of 2^-(32 + zeros). A quotient of floats may be one off.
    let inverse = 65536.0 / f32(divisor);
    var s = 0u;
    for (var i = 0; i < 2; i++) {
      var digits = u32(f32(rest) * inverse);
      rest = (rest << 16u) - digits * divisor;
      if (rest >= 0x80000000u) { digits--; rest += divisor; }
      if (rest >= divisor) { digits++; rest -= divisor; }
      s = (s << 16u) + digits;
    }
    let behind = s >> zeros;
    let square = mulHigh(behind, behind);
  ${horner('series', 'square', log2Series.slice(2), 30)}
    high = mulHigh(s, series);
    low = (((s * series) >> (zeros + 6u)) >> 1u) | (high << (25u - zeros));
    high = (high >> (zeros + 6u)) >> 1u;
    if (below) { high = ~high + select(0u, 1u, low == 0u); low = ~low + 1u; }
  }
  high += u32(e) << 23u;
  let negative = high >= 0x80000000u;
  if (negative) { high = ~high + select(0u, 1u, low == 0u); low = ~low + 1u; }
  var exponent = -23;
  if (high == 0u) { high = low; low = 0u; exponent -= 32; }
  let lead = countLeadingZeros(high) & 31u;
  return Logarithm((high << lead) | ((low >> 1u) >> (31u - lead)), exponent - i32(lead), negative);
}`;
}

/** `powerOfTwo(n, f)`: the bits of 2^(n + f 2^-32). */
function powerOfTwo(): string {
  return `fn powerOfTwo(n: i32, f: u32) -> u32 {
  ${horner('value', 'f', exp2Series, 31)}
  let exponent = n + 127;
  if (exponent > 254) { return 0x7f800000u; }
  if (exponent >= 1) { return (u32(exponent - 1) << 23u) + (value >> 8u) + ((value >> 7u) & 1u); }
  // A denormal number loses digits; of too many nothing is left.
  let half = value >> u32(min(8 - exponent, 31));
  return select((half >> 1u) + (half & 1u), 0u, exponent < -23);
}`;
}

/** `powBits(a, b)`: the bits of a^b, from the bits of scalars. */
export function powBits(): string {
  return `${logarithm()}
${powerOfTwo()}
fn powBits(a: u32, b: u32) -> u32 {
  let size = a & 0x7fffffffu; let power = b & 0x7fffffffu;
  if (power == 0u || a == 0x3f800000u) { return 0x3f800000u; }
  let below = a >= 0x80000000u; let inverse = b >= 0x80000000u;
  // Digits of b behind the point; from 2^24 on, and at infinity, it is even.
  let digits = 150 - i32(power >> 23u);
  let mantissa = (power & 0x7fffffu) | 0x800000u;
  let whole = digits <= 0 || (digits < 24 && (mantissa & ((1u << u32(digits)) - 1u)) == 0u);
  let odd = whole && digits >= 0 && ((mantissa >> u32(digits)) & 1u) == 1u;
  let finite = size != 0u && size < 0x7f800000u && power < 0x7f800000u;
  if (size > 0x7f800000u || power > 0x7f800000u || (below && finite && !whole)) { return 0x7fc00000u; }
  let sign = select(0u, 0x80000000u, below && odd);
  if (size == 0x3f800000u) { return sign | size; }
  if (!finite) { return sign | select(0u, 0x7f800000u, (size > 0x3f800000u) != inverse); }
  let log = logarithm(size);
  // y in units of 2^-32: one of 512 or more is infinite all the same.
  let factor = mantissa << 8u;
  let high = mulHigh(log.size, factor);
  let shift = u32(clamp(digits - 24 - log.exponent, 22, 63));
  var n = 0; var f = high >> (shift & 31u);
  if (shift < 32u) { n = i32(f); f = (high << (32u - shift)) | ((log.size * factor) >> shift); }
  if (log.negative != inverse) { n = -n - select(0, 1, f != 0u); f = ~f + 1u; }
  return sign | powerOfTwo(n, f);
}`;
}

/** a^b; for a < 0 only whole b give a number. */
export function pow(T: FloatType): string {
  // A loop: four copies of the function take drivers seconds to compile.
  return T === 'f32'
    ? `fn powOf(a: f32, b: f32) -> f32 { return bitcast<f32>(powBits(bitcast<u32>(a), bitcast<u32>(b))); }`
    : `fn powOf(a: vec4f, b: vec4f) -> vec4f {
  let x = bitcast<vec4u>(a); let y = bitcast<vec4u>(b);
  var power: vec4u;
  for (var i = 0; i < 4; i++) { power[i] = powBits(x[i], y[i]); }
  return bitcast<vec4f>(power);
}`;
}

/** a^b for one b of all elements: a few small whole powers are multiplied. */
export function powByOne(T: FloatType): string {
  const one = T === 'f32' ? 'b' : 'b.x';
  return `fn powByOne(a: ${T}, b: ${T}) -> ${T} {
  if (${one} == 1.0) { return a; }
  if (${one} == 2.0) { return a * a; }
  if (${one} == 3.0) { return a * a * a; }
  if (${one} == 4.0) { return (a * a) * (a * a); }
  return powOf(a, b);
}`;
}
