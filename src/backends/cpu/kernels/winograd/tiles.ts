/**
 * Images to the points of Winograd's convolution (winograd.ts) and back, four tiles of a row at a time:
 *
 *     points = BT d B             d: the tile's t x t pixels, 2 apart from tile to tile
 *     points = A d AT             d: the tile's 2 x 2 gradients
 *     results = AT points A       2 x 2 of them
 *
 * Points lie as matrices `[channels, tiles]`, one for each point and group, tiles counted through the images. The last
 * four tiles of a row overlap those before them where their number is no multiple of four, so a row has at least four.
 */

import { doWhile, forRange, if_ } from '../../asm/flow.js';
import { type Code, f32x4, i32, type Local, v128 } from '../../asm/instructions.js';
import { type Lanes, smaller } from '../../asm/lanes.js';
import { emitUnits } from '../../asm/units.js';
import { WordLayout } from '../../asm/words.js';
import type { Features } from '../../plan.js';
import { bothSides, loadPoints, matricesOf, tileResults, transposed } from './code.js';

/** Tiles of a row that are done at a time, and a row has at least. */
export const tilesAtOnce = 4;

/**
 * Words of both directions; a unit is a plane of an image. Images are `[images, channels, height, width]` at `image`,
 * `planeBytes` and `rowBytes` apart; the matrices of point p and group g lie at `points + p * pointBytes + g *
 * groupBytes`, with `lineBytes` for each of the group's `perGroup` channels.
 */
export const tileWords = new WordLayout(
  'image',
  'planeBytes',
  'rowBytes',
  'height',
  'width',
  'points',
  'pointBytes',
  'groupBytes',
  'lineBytes',
  'units',
  'channels',
  'perGroup',
  'tileRows',
  'tileColumns',
  'bias',
  'relu',
);

type Words = { readonly [name in (typeof tileWords.names)[number]]: Local<'i32'> };

/** Four tiles of a plane. */
interface Tiles {
  /** Row of the tiles, and column of the first. */
  readonly y: Local<'i32'>;
  readonly x: Local<'i32'>;
  /** Address of the first one's point 0, and of its first pixel. */
  readonly point: Local<'i32'>;
  readonly pixel: Local<'i32'>;
  /** Number of the plane's channel. */
  readonly channel: Local<'i32'>;
}

/** Walks over the tiles of plane number `unit`. */
function forTiles(l: Lanes, w: Words, unit: Local<'i32'>, body: (tiles: Tiles) => void): void {
  const [y, x, more] = [l.variable('i32'), l.variable('i32'), l.variable('i32')];
  const image = l.let(i32.divU(unit, w.channels));
  const channel = l.let(i32.remU(unit, w.channels));
  const group = i32.mul(i32.divU(channel, w.perGroup), w.groupBytes);
  const line = i32.mul(i32.remU(channel, w.perGroup), w.lineBytes);
  const tiles = i32.shl(i32.mul(image, i32.mul(w.tileRows, w.tileColumns)), 2);
  const points = l.let(i32.add(i32.add(w.points, group), i32.add(line, tiles)));
  const plane = l.let(i32.add(w.image, i32.mul(unit, w.planeBytes)));
  const last = l.let(i32.sub(w.tileColumns, tilesAtOnce));
  const four = l.block(() => {
    const tile = i32.add(i32.mul(y, w.tileColumns), x);
    const point = l.let(i32.add(points, i32.shl(tile, 2)));
    const row = i32.mul(i32.mul(y, tileResults), w.rowBytes);
    const pixel = l.let(i32.add(i32.add(plane, row), i32.mul(x, 4 * tileResults)));
    body({ y, x, point, pixel, channel });
    l.do(more.set(i32.ne(x, last)), x.set(i32.add(x, tilesAtOnce)), x.set(smaller(x, last)));
  });
  l.do(forRange(y, 0, w.tileRows, 1, [x.set(0), doWhile(four, more)]));
}

/** What images hold that go to points: pixels that kernels see, or gradients of results. */
export type Side = 'pixels' | 'gradients';

/**
 * Emits `toPoints(address of words, thread, threads)`. Images must have all rows and columns that tiles reach: twice
 * the tiles, and for pixels r - 1 more.
 */
export function emitToPoints(kernel: number, side: Side, features: Features): Uint8Array<ArrayBuffer> {
  const { AT, BT } = matricesOf(kernel);
  const matrix = side === 'pixels' ? BT : transposed(AT);
  const size = matrix[0]!.length;
  return emitUnits('toPoints', tileWords, features, ({ l, w }) => (unit) => {
    forTiles(l, w, unit, ({ point, pixel }) => {
      const tiles = Array.from({ length: size }, () => {
        const row: Local<'v128'>[] = [];
        for (let x = 0; x < size; x += 2) {
          const [near, far] = [l.let(v128.load(pixel, 4 * x)), l.let(v128.load(pixel, 4 * x + 16))];
          row.push(
            l.let(v128.shuffle32(near, far, 0, 2, 4, 6)),
            l.let(v128.shuffle32(near, far, 1, 3, 5, 7)),
          );
        }
        l.do(pixel.set(i32.add(pixel, w.rowBytes)));
        return row;
      });
      for (const value of bothSides(l, matrix, tiles).flat()) {
        l.do(v128.store(point, value), point.set(i32.add(point, w.pointBytes)));
      }
    });
  });
}

/** Emits `toResults(address of words, thread, threads)`: with the channel's `bias`, if not 0, and `relu`. */
export function emitToResults(kernel: number, features: Features): Uint8Array<ArrayBuffer> {
  const { AT, BT } = matricesOf(kernel);
  return emitUnits('toResults', tileWords, features, ({ l, w }) => {
    const bias = l.variable('v128');
    const finish = (result: Local<'v128'>): Code => [
      result.set(f32x4.add(result, bias)),
      if_(w.relu, result.set(f32x4.max(f32x4.const(0), result))),
    ];
    return (unit) => {
      forTiles(l, w, unit, ({ y, x, point, pixel, channel }) => {
        const results = bothSides(
          l,
          AT,
          BT.map(() => loadPoints(l, point, w.pointBytes, BT.length)),
        );
        const biasAt = i32.add(w.bias, i32.shl(channel, 2));
        l.do(bias.set(f32x4.const(0)), if_(w.bias, bias.set(v128.load32Splat(biasAt))));
        // Of an odd width or height the last results lie beyond the plane.
        const odd = l.let(i32.gtU(i32.mul(i32.add(x, tilesAtOnce), tileResults), w.width));
        const [first, second] = results.map(([even, uneven]) =>
          l.block(() => {
            l.do(finish(even!), finish(uneven!));
            const low = l.let(v128.shuffle32(even!, uneven!, 0, 4, 1, 5));
            const high = l.let(v128.shuffle32(even!, uneven!, 2, 6, 3, 7));
            const joined = v128.shuffle32(low, high, 3, 4, 5, 6);
            l.do(v128.store(pixel, low));
            l.do(if_(odd, v128.store(pixel, joined, 12), v128.store(pixel, high, 16)));
          }),
        );
        const below = i32.add(i32.mul(y, tileResults), 1);
        l.do(first!, if_(i32.ltU(below, w.height), [pixel.set(i32.add(pixel, w.rowBytes)), second!]));
      });
    };
  });
}
