/**
 * Resizing pictures: planar uint8 [C, H, W] in, the same out.
 *
 * Separable: rows first, then columns, each axis with a filter of its own, by what it has to do. With s the number
 * of input pixels for each output pixel and i the output position:
 * - s = 1: copied.
 * - s > 1, area: the mean of the input over [i s, (i+1) s), partly covered pixels by their share.
 * - s < 1, cubic: Catmull-Rom (Keys, "Cubic convolution interpolation", 1981, a = -1/2) about (i + 1/2) s - 1/2,
 *   pixels beyond an edge read as the edge.
 * Only the output window asked for is computed, so a centre crop costs no more than what it shows. Both passes run in
 * vectors (vectors/code.ts): rows in float64, rounded to float32 once; columns to float32 after each product added.
 */
import { ArgumentError } from '../../core/errors.js';
import { layOut, sharedKernels } from './vectors/kernels.js';

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
  // Rows of the window in vectors of 16, what is beyond its end being left out in the end.
  const groups = Math.ceil(part.width / 16);
  const stride = 64 * groups;
  const table = rowTable(across, 4 * groups);
  const rowsAtOnce = Math.max(1, Math.min(rows, Math.floor(inputBytes / picture.width)));
  const [firsts = 0, weights = 0, tops = 0, shares = 0, narrowed = 0, out = 0, input = 0, end = 0] = layOut(
    ...[table.firsts.byteLength, table.weights.byteLength, down.first.byteLength, 8 * down.weights.length],
    ...[stride * rows, 16 * groups * part.height, rowsAtOnce * picture.width + table.taps],
  );
  const kernels = sharedKernels();
  const memory = kernels.room(end);
  new Int32Array(memory.buffer, firsts).set(table.firsts);
  new Float64Array(memory.buffer, weights, table.weights.length).set(table.weights);
  new Int32Array(memory.buffer, tops).set(down.first.map((first) => first - top));
  new Float64Array(memory.buffer, shares, down.weights.length).set(down.weights);
  const area = part.height * part.width;
  // Rows of whole vectors lie one after the other.
  const piece = part.width % 16 === 0 ? area : part.width;
  const narrow = table.taps === 3 ? kernels.rows3 : kernels.rows4;
  for (let c = 0; c < 3; c++) {
    for (let row = 0; row < rows; row += rowsAtOnce) {
      const count = Math.min(rowsAtOnce, rows - row);
      const from = (c * picture.height + top + row) * picture.width;
      memory.set(picture.planes.subarray(from, from + count * picture.width), input);
      const to = narrowed + row * stride;
      narrow(input, picture.width, to, firsts, weights, table.taps / 4, 4 * groups, count);
    }
    kernels.columns(narrowed, stride, out, tops, shares, down.taps, groups, part.height);
    for (let at = 0; at < area; at += piece) {
      const from = out + (at / part.width) * 16 * groups;
      planes.set(memory.subarray(from, from + piece), c * area + at);
    }
  }
  return { width: part.width, height: part.height, planes };
}

/** Bytes of a picture that are scaled at a time, so that they stay near. */
const inputBytes = 2 ** 18;

/**
 * Taps as the code for rows reads them, of `groups` times four output positions; what is missing has no weight. There are
 * three taps, which most pictures have, or a multiple of four.
 */
function rowTable({ taps: real, first, weights: given }: Taps, groups: number) {
  const taps = real === 3 ? 3 : 4 * Math.ceil(real / 4);
  const firsts = new Int32Array(4 * groups);
  firsts.set(first);
  const weights = new Float64Array(4 * groups * taps);
  for (let x = 0; x < first.length; x++) {
    for (let k = 0; k < real; k++) weights[4 * ((x >> 2) * taps + k) + (x & 3)] = given[x * real + k]!;
  }
  return { taps, firsts, weights };
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
