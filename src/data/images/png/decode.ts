/**
 * PNG files: their image data are unpacked to no more bytes than the header calls for. They come in passes (one, or
 * Adam7's seven, each a picture of every 8th to every 2nd pixel) of rows, each a byte that names its filter and the
 * filtered row; each row has its filter undone in place and is painted.
 */
import { constants, inflateRawSync } from 'node:zlib';
import { DataError } from '../../../core/errors.js';
import { upright } from '../exif.js';
import { type OpenedImage, seenSize } from '../opened.js';
import type { Picture } from '../resize.js';
import { type PngChunks, readChunks } from './chunks.js';
import { rowPainter } from './colours.js';

/** Bytes that deflate (RFC 1951) makes of one byte at most: 258 of 2 bits. */
const deflateRatio = 1032;

/** Pixels (x0 + i stepX, y0 + j stepY) of the picture, `width` of them in each of `height` rows. */
interface Pass {
  readonly x0: number;
  readonly y0: number;
  readonly stepX: number;
  readonly stepY: number;
  readonly width: number;
  readonly height: number;
  /** Bytes of a row, its filter's not counted. */
  readonly rowBytes: number;
}

/** x0, y0, stepX, stepY. */
const adam7 = [
  [0, 0, 8, 8],
  [4, 0, 8, 8],
  [0, 4, 4, 8],
  [2, 0, 4, 4],
  [0, 2, 2, 4],
  [1, 0, 2, 2],
  [0, 1, 1, 2],
] as const;

function passesOf({ width, height, depth, channels, interlaced }: PngChunks): Pass[] {
  return (interlaced ? adam7 : ([[0, 0, 1, 1]] as const))
    .map(([x0, y0, stepX, stepY]) => {
      const [across, down] = [Math.ceil((width - x0) / stepX), Math.ceil((height - y0) / stepY)];
      const rowBytes = Math.ceil((across * channels * depth) / 8);
      return { x0, y0, stepX, stepY, width: across, height: down, rowBytes };
    })
    .filter((pass) => pass.width > 0 && pass.height > 0);
}

/**
 * Reads the chunks of a PNG, its image data staying packed.
 * @throws {DataError} as `readChunks`, and when so few data can't hold a picture of that size
 */
export function openPng(bytes: Uint8Array): OpenedImage {
  const png = readChunks(bytes);
  const { width, height, depth, channels, orientation } = png;
  const passes = passesOf(png);
  const size = passes.reduce((sum, pass) => sum + pass.height * (1 + pass.rowBytes), 0);
  const packed = png.data.reduce((sum, piece) => sum + piece.length, 0);
  if (size > deflateRatio * packed) {
    throw new DataError(
      `damaged PNG: claims ${width}x${height} pixels, which take at least ${Math.ceil(size / deflateRatio)} bytes of image data, and has ${packed}`,
    );
  }
  return {
    facts: {
      format: 'PNG',
      colours: channels <= 2 && !png.palette ? 'grey' : 'RGB',
      ...seenSize(width, height, orientation),
      orientation,
      depth,
      transparent: channels % 2 === 0 || png.transparency !== undefined,
    },
    memory: size + 3 * width * height * (orientation === 1 ? 1 : 2) + packed,
    decode: () => upright(paint(png, passes, unpacked(png.data, size)), orientation),
  };
}

/** The image data, `size` bytes of them. Whatever follows those, and zlib's checksum, are left unread: chunks have their CRC. */
function unpacked(pieces: readonly Uint8Array[], size: number): Uint8Array {
  const [piece = new Uint8Array(0)] = pieces;
  const packed = pieces.length === 1 ? piece : Buffer.concat(pieces);
  const [method = 0, flags = 0] = packed;
  if ((method & 15) !== 8 || (256 * method + flags) % 31 !== 0 || (flags & 32) !== 0) {
    throw new DataError('damaged PNG: its image data are not packed by zlib');
  }
  const room = size + 4096;
  let bytes: Uint8Array;
  try {
    bytes = inflateRawSync(packed.subarray(2), {
      chunkSize: room,
      maxOutputLength: room - 1,
      finishFlush: constants.Z_SYNC_FLUSH,
    });
  } catch (error) {
    const tooMuch = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError(
      tooMuch
        ? `damaged PNG: its image data unpack to far more than the ${size} bytes of its pixels`
        : `damaged PNG: its image data can't be unpacked: ${reason}`,
      { cause: error },
    );
  }
  if (bytes.length < size) {
    throw new DataError(`damaged PNG: its image data end after ${bytes.length} of ${size} bytes`);
  }
  return bytes;
}

function paint(png: PngChunks, passes: readonly Pass[], data: Uint8Array): Picture {
  const { width, height, depth, channels } = png;
  const planes = new Uint8Array(3 * width * height);
  const toColours = rowPainter(png);
  const colours = new Uint8Array(3 * width);
  const step = Math.max(1, (channels * depth) >> 3);
  let from = 0;
  for (const pass of passes) {
    let above: Uint8Array = new Uint8Array(pass.rowBytes);
    for (let row = 0; row < pass.height; row++) {
      const line = data.subarray(from + 1, from + 1 + pass.rowBytes);
      undoFilter(data[from]!, line, above, step);
      toColours(line, colours, pass.width);
      const y = pass.y0 + row * pass.stepY;
      for (let c = 0; c < 3; c++) {
        let to = (c * height + y) * width + pass.x0;
        for (let i = c; i < 3 * pass.width; i += 3, to += pass.stepX) planes[to] = colours[i]!;
      }
      above = line;
      from += 1 + pass.rowBytes;
    }
  }
  return { width, height, planes };
}

/**
 * Adds to each byte of a row what its filter foretells by the bytes to the left (a), above (b), and above that to the
 * left (c): 1: a, 2: b, 3: half of a + b, 4: the one of them that is nearest to a + b - c.
 * @param step bytes from one pixel to the next
 */
function undoFilter(filter: number, line: Uint8Array, above: Uint8Array, step: number): void {
  const { length } = line;
  switch (filter) {
    case 0:
      break;
    case 1:
      for (let i = step; i < length; i++) line[i]! += line[i - step]!;
      break;
    case 2:
      for (let i = 0; i < length; i++) line[i]! += above[i]!;
      break;
    case 3:
      for (let i = 0; i < step; i++) line[i]! += above[i]! >> 1;
      for (let i = step; i < length; i++) line[i]! += (line[i - step]! + above[i]!) >> 1;
      break;
    case 4:
      for (let i = 0; i < step; i++) line[i]! += above[i]!;
      for (let i = step; i < length; i++) {
        const [a, b, c] = [line[i - step]!, above[i]!, above[i - step]!];
        const [toA, toB, toC] = [Math.abs(b - c), Math.abs(a - c), Math.abs(a + b - 2 * c)];
        line[i]! += toA <= toB && toA <= toC ? a : toB <= toC ? b : c;
      }
      break;
    default:
      throw new DataError(`damaged PNG: a row of filter ${filter}, expected 0 to 4`);
  }
}
