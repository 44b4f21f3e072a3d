/**
 * PNGs of any colour type, depth, interlacing and filters, for tests, chunk by chunk.
 */
import { crc32, deflateSync } from 'node:zlib';

/** A chunk. @param damaged its CRC is wrong */
export function chunk(type: string, body: ArrayLike<number> = [], damaged = false): Uint8Array {
  const out = new Uint8Array(12 + body.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, body.length);
  for (let i = 0; i < 4; i++) out[4 + i] = type.charCodeAt(i);
  out.set(body, 8);
  view.setUint32(8 + body.length, crc32(out.subarray(4, 8 + body.length)) ^ (damaged ? 1 : 0));
  return out;
}

export interface PngPlan {
  readonly width: number;
  readonly height: number;
  /** 0 grey, 2 RGB, 3 palette, 4 grey with alpha, 6 RGB with alpha; default 2. */
  readonly colourType?: number;
  /** Bits a sample, default 8. */
  readonly depth?: number;
  readonly interlaced?: boolean;
  /** The samples of a pixel. */
  readonly pixelAt: (x: number, y: number) => readonly number[];
  /** The filter of a row, 0-4; default 0. */
  readonly filterOf?: (row: number) => number;
}

/** The body of IHDR. */
export function headerOf({
  width,
  height,
  colourType = 2,
  depth = 8,
  interlaced = false,
}: PngPlan): Uint8Array {
  const body = new Uint8Array(13);
  new DataView(body.buffer).setUint32(0, width);
  new DataView(body.buffer).setUint32(4, height);
  body.set([depth, colourType, 0, 0, interlaced ? 1 : 0], 8);
  return body;
}

/** The filtered rows, pass by pass, before they're packed. */
export function rowsOf(plan: PngPlan): number[] {
  const { width, height, depth = 8, filterOf = () => 0 } = plan;
  const out: number[] = [];
  const passes = plan.interlaced
    ? ['0088', '4088', '0448', '2044', '0224', '1022', '0112'].map((pass) => Array.from(pass, Number))
    : [[0, 0, 1, 1]];
  for (const [x0 = 0, y0 = 0, stepX = 1, stepY = 1] of passes) {
    let above: number[] | undefined;
    for (let y = y0; y < height && x0 < width; y += stepY) {
      const samples: number[] = [];
      for (let x = x0; x < width; x += stepX) samples.push(...plan.pixelAt(x, y));
      const row = packed(samples, depth);
      const pixelBytes = Math.max(1, (depth * plan.pixelAt(0, 0).length) / 8);
      const filter = filterOf(y);
      out.push(filter, ...filtered(row, above ?? row.map(() => 0), pixelBytes, filter));
      above = row;
    }
  }
  return out;
}

/** Samples as bytes: of 16 bits two, of fewer than 8 several to a byte. */
function packed(samples: readonly number[], depth: number): number[] {
  const bits = samples.map((sample) => sample.toString(2).padStart(depth, '0')).join('');
  return Array.from({ length: Math.ceil(bits.length / 8) }, (_, i) =>
    Number.parseInt(bits.slice(8 * i, 8 * i + 8).padEnd(8, '0'), 2),
  );
}

function filtered(row: readonly number[], above: readonly number[], back: number, filter: number): number[] {
  return row.map((value, i) => {
    const [a, b, c] = [row[i - back] ?? 0, above[i]!, above[i - back] ?? 0];
    const distances = [b - c, a - c, a + b - 2 * c].map(Math.abs);
    const nearest = [a, b, c][distances.indexOf(Math.min(...distances))]!;
    return (value - [0, a, b, (a + b) >> 1, nearest][filter]!) & 255;
  });
}

export const pngSignature = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10);

/** What stands in a PNG beside its header and image data. */
export interface PngParts {
  /** Chunks between header and image data. */
  readonly front?: readonly Uint8Array[];
  /** Chunks of image data; default: one. */
  readonly data?: readonly Uint8Array[];
  /** What follows; default: IEND. */
  readonly end?: readonly Uint8Array[];
}

/** Writes a PNG. */
export function writePng(plan: PngPlan, parts: PngParts = {}): Uint8Array {
  const { front = [], data, end = [chunk('IEND')] } = parts;
  const image = data ?? [chunk('IDAT', deflateSync(Uint8Array.from(rowsOf(plan))))];
  return new Uint8Array(
    Buffer.concat([pngSignature, chunk('IHDR', headerOf(plan)), ...front, ...image, ...end]),
  );
}
