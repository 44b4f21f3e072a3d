/**
 * Resizing pictures: planar uint8 [C, H, W] in, the same out.
 *
 * Separable: rows first, then columns, each axis with a filter of its own, by what it has to do. With s the number
 * of input pixels for each output pixel and i the output position:
 * - s = 1: copied.
 * - s > 1, area: the mean of the input over [i s, (i+1) s), partly covered pixels by their share.
 * - s < 1, cubic: Catmull-Rom (Keys, "Cubic convolution interpolation", 1981, a = -1/2) about (i + 1/2) s - 1/2,
 *   pixels beyond an edge read as the edge.
 * Only the output window asked for is computed, so a centre crop costs no more than what it shows.
 */
import { ArgumentError } from '../../core/errors.js';

/** A picture: `planes` is [3, height, width], red, green and blue, 0-255. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly planes: Uint8Array;
  /** A faster decoder was given and didn't take it. */
  readonly fellBack?: boolean;
}

/** For each output position of a window the first input pixel it reads, and `taps` weights that sum to 1. */
interface Taps {
  readonly taps: number;
  readonly first: Int32Array;
  readonly weights: Float32Array;
}

/** Keys' cubic kernel with a = -1/2. */
function cubic(x: number): number {
  const t = Math.abs(x);
  if (t < 1) return (1.5 * t - 2.5) * t * t + 1;
  if (t < 2) return ((-0.5 * t + 2.5) * t - 4) * t + 2;
  return 0;
}

/** The taps of output positions start..start+count-1 when `from` pixels become `to`. */
function tapsOf(from: number, to: number, start: number, count: number): Taps {
  const scale = from / to;
  const taps = scale === 1 ? 1 : Math.min(from, scale > 1 ? Math.ceil(scale) + 1 : 4);
  const first = new Int32Array(count);
  const weights = new Float32Array(count * taps);
  for (let i = 0; i < count; i++) {
    const left = (start + i) * scale;
    const centre = left + scale / 2 - 0.5;
    const origin = scale >= 1 ? Math.floor(left) : Math.floor(centre) - 1;
    // The window of taps stays inside the picture; what falls outside is added to the edge.
    first[i] = Math.max(0, Math.min(from - taps, origin));
    const reach = scale >= 1 ? Math.ceil(scale) + 1 : 4;
    let sum = 0;
    for (let k = 0; k < reach; k++) {
      const x = origin + k;
      const weight =
        scale >= 1 ? Math.max(0, Math.min(left + scale, x + 1) - Math.max(left, x)) : cubic(x - centre);
      const slot = Math.max(0, Math.min(from - 1, x)) - first[i]!;
      if (weight === 0) continue;
      weights[i * taps + slot]! += weight;
      sum += weight;
    }
    for (let k = 0; k < taps; k++) weights[i * taps + k]! /= sum;
  }
  return { taps, first, weights };
}

/** A rectangle of output pixels. */
interface Window {
  readonly top: number;
  readonly left: number;
  readonly height: number;
  readonly width: number;
}

/**
 * Resizes a picture to [3, height, width] and returns the part of it in `window` (default: all).
 * @throws {ArgumentError} when a size isn't a positive integer or the window isn't inside the resized picture.
 */
export function resize(picture: Picture, height: number, width: number, window?: Window): Picture {
  const part = window ?? { top: 0, left: 0, height, width };
  const sizes = [picture.height, picture.width, height, width, part.height, part.width];
  if (!sizes.every((n) => Number.isInteger(n) && n > 0)) {
    throw new ArgumentError(
      `resize: ${picture.width}x${picture.height} to ${width}x${height}: every side must be a positive integer`,
    );
  }
  if (part.top < 0 || part.left < 0 || part.top + part.height > height || part.left + part.width > width) {
    throw new ArgumentError(
      `resize: window ${part.width}x${part.height} at (${part.left}, ${part.top}) isn't inside ${width}x${height}`,
    );
  }
  const across = tapsOf(picture.width, width, part.left, part.width);
  const down = tapsOf(picture.height, height, part.top, part.height);
  // Input rows that any output row of the window reads.
  const top = down.first.reduce((a, b) => Math.min(a, b), picture.height);
  const rows = down.first.reduce((a, b) => Math.max(a, b), 0) + down.taps - top;
  const planes = new Uint8Array(3 * part.height * part.width);
  const narrowed = new Float32Array(rows * part.width);
  const sums = new Float32Array(part.width);
  for (let c = 0; c < 3; c++) {
    const plane = picture.planes.subarray(c * picture.height * picture.width);
    resizeRows(plane.subarray(top * picture.width), picture.width, across, narrowed, rows, part.width);
    for (let y = 0; y < part.height; y++) {
      const from = (down.first[y]! - top) * part.width;
      addRows(narrowed, from, part.width, down.weights.subarray(y * down.taps, (y + 1) * down.taps), sums);
      const to = (c * part.height + y) * part.width;
      for (let x = 0; x < part.width; x++) {
        const rounded = Math.floor(sums[x]! + 0.5);
        planes[to + x] = rounded < 0 ? 0 : Math.min(rounded, 255);
      }
    }
  }
  return { width: part.width, height: part.height, planes };
}

/**
 * Applies `across` to `rows` rows of `plane` [rows, stride] into `out` [rows, width]. Two to four taps, which most
 * pictures have, are written out: the same sums in half the time.
 */
function resizeRows(
  plane: Uint8Array,
  stride: number,
  across: Taps,
  out: Float32Array,
  rows: number,
  width: number,
): void {
  const { taps, first, weights } = across;
  for (let y = 0, to = 0; y < rows; y++) {
    const row = y * stride;
    for (let x = 0, w = 0; x < width; x++, w += taps, to++) {
      const from = row + first[x]!;
      let sum = weights[w]! * plane[from]!;
      if (taps === 3) {
        sum += weights[w + 1]! * plane[from + 1]!;
        sum += weights[w + 2]! * plane[from + 2]!;
      } else if (taps === 4) {
        sum += weights[w + 1]! * plane[from + 1]!;
        sum += weights[w + 2]! * plane[from + 2]!;
        sum += weights[w + 3]! * plane[from + 3]!;
      } else {
        for (let k = 1; k < taps; k++) sum += weights[w + k]! * plane[from + k]!;
      }
      out[to] = sum;
    }
  }
}

/** sums[x] = the rows of `width` from `from` on, each by its weight; every partial sum is rounded to 32 bits. */
function addRows(
  rows: Float32Array,
  from: number,
  width: number,
  weights: Float32Array,
  sums: Float32Array,
): void {
  const { fround } = Math;
  const [a = 0, b = 0, c = 0, d = 0] = weights;
  const [second, third, fourth] = [from + width, from + 2 * width, from + 3 * width];
  if (weights.length === 3) {
    for (let x = 0; x < width; x++) {
      const two = fround(fround(a * rows[from + x]!) + b * rows[second + x]!);
      sums[x] = two + c * rows[third + x]!;
    }
  } else if (weights.length === 4) {
    for (let x = 0; x < width; x++) {
      const two = fround(fround(a * rows[from + x]!) + b * rows[second + x]!);
      sums[x] = fround(two + c * rows[third + x]!) + d * rows[fourth + x]!;
    }
  } else {
    sums.fill(0);
    for (let k = 0, row = from; k < weights.length; k++, row += width) {
      const weight = weights[k]!;
      if (weight === 0) continue;
      for (let x = 0; x < width; x++) sums[x]! += weight * rows[row + x]!;
    }
  }
}

/**
 * The paper's preparation (section 2): the picture is scaled until it just covers height x width (for a square:
 * its shorter side becomes that length), keeping its proportions, and the centre is cropped out.
 * @returns a picture of exactly [3, height, width].
 */
export function coverCentre(picture: Picture, height: number, width: number): Picture {
  const scale = Math.max(height / picture.height, width / picture.width);
  const scaledHeight = Math.max(height, Math.round(picture.height * scale));
  const scaledWidth = Math.max(width, Math.round(picture.width * scale));
  return resize(picture, scaledHeight, scaledWidth, {
    top: Math.floor((scaledHeight - height) / 2),
    left: Math.floor((scaledWidth - width) / 2),
    height,
    width,
  });
}
