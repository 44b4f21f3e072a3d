/**
 * Numbers behind the elementary functions, shared by the backends that print them (cpu/asm/math.ts for WebAssembly,
 * webgpu/kernels/math for WGSL), so that devices of different kinds agree to a few units of the last place.
 *
 * Polynomials are minimax ones for float32, some of the Cephes library by S. Moshier, or series; coefficients stand from
 * the highest power down, as Horner's rule takes them. What each of them is multiplied with is said beside it.
 */

/** e^r = 1 + r + r^2 p(r) for |r| <= 0.347, to 3e-9 of itself (a minimax fit). */
export const expTail = [
  1.38143207239e-3, 8.36885106806e-3, 4.16684010808e-2, 1.66665195241e-1, 4.99999933731e-1,
] as const;

/** ln 2 as a sum: the first part has so few bits that its products with exponents are exact. */
export const ln2Parts = [0.693359375, -2.1219444e-4] as const;

/** log(1 + t) = t - t^2 / 2 + t^3 p(t) for 1 + t in [sqrt 1/2, sqrt 2). */
export const logTail = [
  7.0376836292e-2, -1.151461031e-1, 1.167699874e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
  2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
] as const;

/** The bits of the float32 nearest sqrt 1/2: above it mantissas begin. */
export const sqrtHalfBits = 0x3f3504f3;

/** artanh z = z + z^3 p(z^2) for z <= 1/5. */
export const artanhTail = [3, 5, 7, 9, 11].map((n) => 1 / n).reverse();

/** log2((1 + s) / (1 - s)) = s p(s^2), to double precision for |s| <= 0.172: the series 2 / ln 2 (1 + 1/3 s^2 + ..). */
export const log2Series = Array.from({ length: 9 }, (_, k) => 2 / Math.LN2 / (2 * k + 1)).reverse();

/** tanh x = x + x^3 p(x^2) below `tanhNear`. */
export const tanhTail = [
  -5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1,
] as const;
export const tanhNear = 0.625;
/** From here on tanh is 1 in float32. */
export const tanhFar = 10;

/** erf x = x + x p(x^2) below `erfNear`, 1 - e^q(x) from there on, q(x) = log(1 - erf x); 1 from `erfFar` on. */
export const erfTail = [
  8.51310467e-5, -8.17563944e-4, 5.20385917e-3, -2.68605085e-2, 1.1283715e-1, -3.7612635e-1, 1.28379167e-1,
] as const;
export const logErfc = [
  -2.08285477e-5, 4.31392814e-4, -4.15625158e-3, 2.50806085e-2, -1.08220373e-1, -6.3340086e-1, -1.1294884,
  1.69204336e-4,
] as const;
export const erfNear = 0.9;
export const erfFar = 4;

/** sin r = r + r^3 p(r^2) for |r| <= pi/4. */
export const sinTail = [-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1] as const;

/** cos r = 1 - r^2 / 2 + r^4 p(r^2) for |r| <= pi/4. */
export const cosTail = [2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2] as const;

/** 2 / pi in pieces of 24 bits: the sum of piece[k] * 2^(-24 (k + 1)). */
export const twoOverPi = [
  0xa2f983, 0x6e4e44, 0x1529fc, 0x2757d1, 0xf534dd, 0xc0db62, 0x95993c, 0x439041,
] as const;
