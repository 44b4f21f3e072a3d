/**
 * Sine and cosine in WGSL, as exact for angles of 1e38 as for small ones.
 *
 * With x = m 2^s (m a whole number of 24 bits), x / (pi/2) modulo 4 is m times a stretch of 96 bits of 2/pi, those of
 * weight 2^(1-s) and below: all above it count whole turns (Payne and Hanek). In integers of 32 bits nothing of that
 * is lost, and no driver regroups it. Its upper 64 bits are n + f, f in [-1/2, 1/2); the angle left is f pi/2.
 */
import { cosTail, sinTail, twoOverPi } from '../../../mathTables.js';
import { type FloatType, lanesOf, polynomial, typesOf, word } from './text.js';

/** The pieces of 24 bits as words of 32, after a word of zeros for what stands before the binary point. */
function wordsOfTwoOverPi(): number[] {
  const bits = twoOverPi.map((piece) => piece.toString(2).padStart(24, '0')).join('');
  const words = bits.match(/.{32}/g) ?? [];
  return [0, ...words.map((digits) => Number.parseInt(digits, 2)), 0];
}

/** `angleOf(x)`: the angle left of x, and the quarter turns taken away, modulo 4; a NaN for what has no angle. */
export function angle(): string {
  const words = wordsOfTwoOverPi();
  const halfPi = Math.round((Math.PI / 2) * 2 ** 31);
  const later = (k: number): string =>
    `w${k} = ${[1, 2, 3].reduceRight(
      (rest, i) => `select(${rest}, ${word(words[i + k]!)}, first == ${i}u)`,
      word(words[4 + k]!),
    )};`;
  const stretch = (k: number): string => `(w${k} << shift) | ((w${k + 1} >> 1u) >> (31u - shift))`;
  return `struct Angle { rest: f32, turns: i32 }
fn angleOf(x: f32) -> Angle {
  let sign = bitcast<u32>(x) & 0x80000000u;
  let bits = bitcast<u32>(x) & 0x7fffffffu;
  if (bits < 0x3f490fdbu) { return Angle(x, 0); }
  if (bits >= 0x7f800000u) { return Angle(bitcast<f32>(bits | 0x7fc00000u), 0); }
  let m = (bits & 0x7fffffu) | 0x800000u;
  let place = (bits >> 23u) - 120u;
  let first = place / 32u; let shift = place % 32u;
  var w0 = ${word(words[0]!)}; var w1 = ${word(words[1]!)}; var w2 = ${word(words[2]!)}; var w3 = ${word(words[3]!)};
  // From 2^25 on. (A choice among few words is faster than an array, of which some drivers make a copy each time.)
  if (first > 0u) {
    ${[0, 1, 2, 3].map(later).join('\n    ')}
  }
  let s1 = ${stretch(1)};
  let carried = mulHigh(m, ${stretch(2)});
  let middle = m * s1 + carried;
  let top = m * (${stretch(0)}) + mulHigh(m, s1) + select(0u, 1u, middle < carried);
  let turns = i32((top + 0x20000000u) >> 30u);
  let below = top - (u32(turns) << 30u);
  let negative = below >= 0x80000000u;
  // The size of f, in units of 2^-62, with its first 1 at the top.
  var high = select(below, ~below + select(0u, 1u, middle == 0u), negative);
  var low = select(middle, ~middle + 1u, negative);
  var exponent = 99;
  if (high == 0u) { high = low; low = 0u; exponent -= 32; }
  let zeros = countLeadingZeros(high);
  high = (high << zeros) | ((low >> 1u) >> (31u - zeros));
  let angle = f32(i32(mulHigh(high, ${word(halfPi)}) >> 1u));
  let scale = bitcast<f32>(u32(exponent - i32(zeros)) << 23u);
  let flip = sign ^ select(0u, 0x80000000u, negative);
  return Angle(bitcast<f32>(bitcast<u32>(angle * scale) ^ flip), select(turns, -turns, sign != 0u));
}`;
}

/** `sinQuarter(x, n)` is sin(x + n pi/2). */
export function sinQuarter(T: FloatType): string {
  const { signed: I, unsigned: U } = typesOf(T);
  const each = lanesOf(T);
  const angles = each.map((lane, i) => `let angle${i} = angleOf(x${lane});`).join(' ');
  const gather = (field: string): string => each.map((_, i) => `angle${i}.${field}`).join(', ');
  return `fn sinQuarter(x: ${T}, turn: ${I}) -> ${T} {
  ${angles}
  let r = ${T}(${gather('rest')});
  let n = ${I}(${gather('turns')}) + turn;
  let s = r * r;
  let sine = ${polynomial('s', sinTail)} * s * r + r;
  let cosine = ${polynomial('s', cosTail)} * (s * s) - 0.5 * s + 1.0;
  let tiny = (bitcast<${U}>(r) & ${U}(0x7fffffffu)) < ${U}(${word(0x39800000)});
  let value = select(select(sine, r, tiny), cosine, (n & ${I}(1)) != ${I}(0));
  return bitcast<${T}>(bitcast<${U}>(value) ^ select(${U}(0u), ${U}(0x80000000u), (n & ${I}(2)) != ${I}(0)));
}`;
}

/** Sine of an angle in radians. */
export function sin(T: FloatType): string {
  return `fn sinOf(x: ${T}) -> ${T} { return sinQuarter(x, ${typesOf(T).signed}(0)); }`;
}

/** Cosine of an angle in radians. */
export function cos(T: FloatType): string {
  return `fn cosOf(x: ${T}) -> ${T} { return sinQuarter(x, ${typesOf(T).signed}(1)); }`;
}
