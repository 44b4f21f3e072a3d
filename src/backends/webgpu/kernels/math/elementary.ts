/**
 * Exponential, logarithms, hyperbolic tangent and extremes in WGSL, by the polynomials of the CPU's (mathTables.ts).
 *
 * WGSL leaves much to the driver. It may take it that there are no infinities and no NaN (and fold `x != x`), flush
 * denormal numbers to 0 wherever they are computed or compared, and regroup sums (x + c - c becomes x). So whatever
 * hangs on the last bits is computed in integers here, on the bits of the numbers:
 *
 *     e^x = 2^n e^r,              n = nearest(x / ln 2), r = x - n ln 2 in units of 2^-24
 *     log x = k ln 2 + log m,     x = 2^k m, m in [sqrt 1/2, sqrt 2), a denormal x taken as a whole number times 2^-149
 *     log(1 + x) = 2 artanh z,    z = x / (2 + x), below x = 1/2
 *     tanh x = 1 - 2 / (e^2x + 1), an odd polynomial near 0, x itself below 2^-12
 *     erf x = 1 - e^q(x),         an odd polynomial near 0
 */
import {
  artanhTail,
  erfFar,
  erfNear,
  erfTail,
  expTail,
  ln2Parts,
  logErfc,
  logTail,
  sqrtHalfBits,
  tanhFar,
  tanhNear,
  tanhTail,
} from '../../../mathTables.js';
import { type FloatType, literal, polynomial, typesOf, word } from './text.js';

/** Whether x is NaN. */
export function isNan(T: FloatType): string {
  const { unsigned: U, bool: B } = typesOf(T);
  return `fn isNan(x: ${T}) -> ${B} { return (bitcast<${U}>(x) & ${U}(0x7fffffffu)) > ${U}(0x7f800000u); }`;
}

/** x toward zero, the smallest or largest int32 where it is out of range, 0 for NaN. */
export function truncated(T: FloatType): string {
  const { unsigned: U, signed: I } = typesOf(T);
  return `fn truncated(x: ${T}) -> ${I} {
  let bits = bitcast<${U}>(x);
  let size = bits & ${U}(0x7fffffffu);
  let edge = bitcast<${I}>(${U}(0x7fffffffu) + (bits >> ${U}(31u)));
  return select(select(${I}(x), edge, size >= ${U}(${word(0x4f000000)})), ${I}(0), size > ${U}(${word(0x7f800000)}));
}`;
}

/** The smaller of two numbers; NaN is handed on. */
export function minimum(T: FloatType): string {
  return `fn minimum(a: ${T}, b: ${T}) -> ${T} { return select(select(a, b, (b < a) | isNan(b)), a, isNan(a)); }`;
}

/** The larger of two numbers; NaN is handed on. */
export function maximum(T: FloatType): string {
  return `fn maximum(a: ${T}, b: ${T}) -> ${T} { return select(select(a, b, (b > a) | isNan(b)), a, isNan(a)); }`;
}

/** ln 2 in units of 2^-24: the whole ones, and the part of one that is left. */
const ln2Units = Math.round(Math.LN2 * 2 ** 24);
const ln2Rest = Math.LN2 * 2 ** 24 - ln2Units;

/** e^x. Its `scaled(x, n)` is x * 2^n for x in [1/2, 2), rounded to a denormal number where there is no other. */
export function exp(T: FloatType): string {
  const { unsigned: U, signed: I } = typesOf(T);
  return `fn scaled(x: ${T}, n: ${I}) -> ${T} {
  let bits = bitcast<${I}>(x);
  let exponent = (bits >> ${U}(23u)) + n;
  let lost = ${U}(clamp(${I}(1) - exponent, ${I}(0), ${I}(25)));
  let mantissa = ${U}((bits & ${I}(0x7fffff)) | ${I}(0x800000));
  let denormal = (mantissa + ((${U}(1u) << lost) >> ${U}(1u))) >> lost;
  let finite = select(bitcast<${U}>(bits + (n << ${U}(23u))), denormal, exponent < ${I}(1));
  return bitcast<${T}>(select(finite, ${U}(0x7f800000u), exponent > ${I}(254)));
}
fn expOf(x: ${T}) -> ${T} {
  let t = clamp(x, ${T}(-105.0), ${T}(89.0));
  let n = ${I}(floor(t * ${literal(Math.LOG2E)} + 0.5));
  let units = ${I}(t * ${literal(2 ** 24)}) - n * ${ln2Units} - ${I}(floor(${T}(n) * ${literal(ln2Rest)} + 0.5));
  let r = select(${T}(units) * ${literal(2 ** -24)}, t, n == ${I}(0));
  let value = (${polynomial('r', expTail)} * (r * r) + r) + 1.0;
  return select(scaled(value, n), x, isNan(x));
}`;
}

/** Natural logarithm: -infinity at 0, NaN below. */
export function log(T: FloatType): string {
  const { unsigned: U, signed: I } = typesOf(T);
  return `fn logOf(x: ${T}) -> ${T} {
  let bits = bitcast<${U}>(x);
  let denormal = bits < ${U}(0x00800000u);
  let normal = bitcast<${I}>(select(bits, bitcast<${U}>(${T}(bits)), denormal));
  let exponent = (normal - ${I}(${sqrtHalfBits})) >> ${U}(23u);
  let k = ${T}(exponent - select(${I}(0), ${I}(149), denormal));
  let t = bitcast<${T}>(normal - (exponent << ${U}(23u))) - 1.0;
  let z = t * t;
  let cubic = k * ${literal(ln2Parts[1])} + t * z * ${polynomial('t', logTail)};
  let finite = k * ${literal(ln2Parts[0])} + (t + (cubic - 0.5 * z));
  let value = select(finite, x, bits >= ${U}(0x7f800000u));
  let real = select(value, bitcast<${T}>(bits | ${U}(0x7fc00000u)), bits > ${U}(0x80000000u));
  return select(real, bitcast<${T}>(bits | ${U}(0xff800000u)), (bits & ${U}(0x7fffffffu)) == ${U}(0u));
}`;
}

/** log(1 + x) for x from 0 on. */
export function log1p(T: FloatType): string {
  return `fn log1pOf(x: ${T}) -> ${T} {
  let z = x / (2.0 + x);
  let s = z * z;
  return select(logOf(1.0 + x), 2.0 * z + 2.0 * z * s * ${polynomial('s', artanhTail)}, x < ${T}(0.5));
}`;
}

/** Hyperbolic tangent. */
export function tanh(T: FloatType): string {
  const { unsigned: U } = typesOf(T);
  return `fn tanhOf(x: ${T}) -> ${T} {
  let bits = bitcast<${U}>(x);
  let z = x * x;
  let near = ${polynomial('z', tanhTail)} * z * x + x;
  let size = min(abs(x), ${T}(${literal(tanhFar)}));
  let far = 1.0 - 2.0 / (expOf(2.0 * size) + 1.0);
  let signed = bitcast<${T}>(bitcast<${U}>(far) | (bits & ${U}(0x80000000u)));
  let value = select(signed, near, size < ${T}(${literal(tanhNear)}));
  let sizeBits = bits & ${U}(0x7fffffffu);
  return select(value, x, (sizeBits < ${U}(${word(0x39800000)})) | (sizeBits > ${U}(0x7f800000u)));
}`;
}

/** The error function. Where a driver takes denormal numbers for 0, that of one may be as much as an eighth too small. */
export function erf(T: FloatType): string {
  const { unsigned: U } = typesOf(T);
  return `fn erfOf(x: ${T}) -> ${T} {
  let bits = bitcast<${U}>(x);
  let near = ${polynomial('(x * x)', erfTail)} * x + x;
  let size = min(abs(x), ${T}(${literal(erfFar)}));
  let far = 1.0 - expOf(${polynomial('size', logErfc)});
  let signed = bitcast<${T}>(bitcast<${U}>(far) | (bits & ${U}(0x80000000u)));
  return select(select(signed, near, size < ${T}(${literal(erfNear)})), x, (bits & ${U}(0x7fffffffu)) > ${U}(0x7f800000u));
}`;
}
