/**
 * How convolutions lay out their operands: tables of offsets, images with a border of zeros, packed channels.
 */
import { type Shape, sizeOf, type View } from '../../../../core/shape.js';
import { type Recorder, wide } from '../../runtime/recorder.js';
import { tableSpare } from '../matmul/forms.js';

/**
 * The places of pixels o to o + 3 of images `u.rows` x `u.columns` at these steps, those past `last` like it. Only the
 * first is divided for: the others are its neighbours.
 */
export const pixelFunction = `fn pixelsAt(o: i32, last: i32, image: i32, row: i32, column: i32) -> vec4i {
  let first = min(o, last);
  let line = i32(u32(first) / u32(u.columns)); let number = i32(u32(line) / u32(u.rows));
  var x = first - line * u.columns; var y = line - number * u.rows;
  var place = number * image + y * row + x * column;
  var places = vec4i(place);
  for (var i = 1; i < 4; i++) {
    if (o + i <= last) {
      x++; place += column;
      if (x == u.columns) { x = 0; y++; place += row - u.columns * column; }
      if (y == u.rows) { y = 0; place += image - u.rows * row; }
    }
    places[i] = place;
  }
  return places;
}`;

/** Channels in whole vec4s. */
export function roundUp(channels: number): number {
  return Math.ceil(channels / 4) * 4;
}

/**
 * Table of `sum of index[axis] * steps[axis]` for every index of `shape`, row-major, and some more entries: tiles look
 * places up before they know whether they need them.
 */
export function grid(recorder: Recorder, shape: Shape, steps: readonly number[]): View {
  return recorder.table(`grid ${shape} by ${steps}`, () => {
    const table = new Int32Array(sizeOf(shape) + tableSpare);
    let block = 1;
    // From the last axis on, what stands at the beginning is repeated, each time a step further.
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      for (let i = 1; i < shape[axis]!; i++)
        for (let at = 0; at < block; at++) table[i * block + at] = table[at]! + i * steps[axis]!;
      block *= shape[axis]!;
    }
    return table;
  });
}

/**
 * Images of shape `[N, C, height, width]` with `top` rows and `left` columns of zeros before the image, and zeros or
 * nothing of it after; the image itself where that is enough.
 * @param half whether a copy may be of float16 numbers, where the device keeps operands so
 */
export function pad(
  recorder: Recorder,
  x: View,
  top: number,
  left: number,
  [N = 0, C = 0, height = 0, width = 0]: Shape,
  half = false,
): { view: View; free(): void } {
  const [, , H = 0, W = 0] = x.shape;
  if (top === 0 && left === 0 && height <= H && width <= W) return { view: x, free: () => {} };
  const out = half ? recorder.operand([N, C, height, width]) : recorder.temporary([N, C, height, width]);
  recorder.dispatch({
    key: 'pad',
    body: () => `let line = index / u.width; let column = index - line * u.width - u.left;
let plane = line / u.height; let row = line - plane * u.height - u.top;
var value = 0.0;
if (row >= 0 && row < u.H && column >= 0 && column < u.W) {
  value = x[u.xAt + (plane * u.H + row) * u.W + column];
}
out[index] = ${recorder.elementOf(out)}(value);`,
    i32: { H, W, top, left, height, width },
    read: { x },
    write: { out },
    run: { invocations: sizeOf(out.shape) },
  });
  return { view: out, free: () => recorder.free(out) };
}

/**
 * `out[block][part][k][m] = x[block * blockStep + part * partStep + place(k) + m * channelStep]`, zero for m past the
 * channels.
 */
interface Packing {
  readonly blocks: number;
  readonly blockStep: number;
  /** By default one. */
  readonly parts?: number;
  readonly partStep?: number;
  readonly depth: number;
  readonly channels: number;
  readonly channelStep: number;
  /** place(k), by default k. */
  readonly order?: View;
  /** As of `pad`. */
  readonly half?: boolean;
}

/** A packed copy, `[blocks, parts, depth, channels rounded up]`, to be freed by the caller. */
export function pack(recorder: Recorder, x: View, packing: Packing): View {
  const { blocks, blockStep, parts = 1, partStep = 0, depth, channels, channelStep, order } = packing;
  const width = roundUp(channels);
  const shape = [blocks, parts, depth, width];
  const out = packing.half ? recorder.operand(shape) : recorder.temporary(shape);
  const value = (lane: number): string =>
    `select(0.0, x[start + min(m + ${lane}, u.channels - 1) * u.channelStep], m + ${lane} < u.channels)`;
  recorder.dispatch({
    key: 'pack',
    body: () => `let line = index / u.quads; let m = (index - line * u.quads) * 4;
let number = line / u.depth; let k = line - number * u.depth;
let block = number / u.parts; let part = number - block * u.parts;
let start = u.xAt + block * u.blockStep + part * u.partStep + ${order ? 'order[u.orderAt + k]' : 'k'};
out[index] = vec4<${recorder.elementOf(out)}>(vec4f(${[0, 1, 2, 3].map(value).join(', ')}));`,
    i32: { depth, parts, channels, channelStep, blockStep, partStep, quads: width / 4 },
    read: order ? { x, order } : { x },
    write: { out: wide(out) },
    run: { invocations: sizeOf(out.shape) / 4 },
  });
  return out;
}

/**
 * A packed copy by a table, `[blocks, entries]`: `out[block][i] = x[block * blockStep + entries[i]]`, zero where the entry
 * is negative, of float16 numbers where the device keeps operands so. To be freed by the caller.
 */
export function packByTable(
  recorder: Recorder,
  x: View,
  blocks: number,
  blockStep: number,
  entries: View,
): View {
  const count = entries.shape[0]!;
  const out = recorder.operand([blocks, count]);
  recorder.dispatch({
    key: 'pack by table',
    body: () => `let block = index / u.perBlock; let place = entries[u.entriesAt + index - block * u.perBlock];
out[index] = ${recorder.elementOf(out)}(select(0.0, x[u.xAt + block * u.blockStep + max(place, 0)], place >= 0));`,
    i32: { perBlock: count, blockStep },
    read: { x, entries },
    write: { out },
    run: { invocations: blocks * count },
  });
  return out;
}
