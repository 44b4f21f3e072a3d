/**
 * PNG files: their image data are unpacked here, to no more bytes than the header calls for, and given to fast-png,
 * which undoes the filters, in small PNGs of our own.
 *
 * Each pass (one, or Adam7's seven, each a picture of every 8th to every 2nd pixel) goes in bands of rows. A filter
 * looks back one row, so a band starts with the last row of the one before, as it is after its filter, under filter 0
 * ("none"). So beside the unpacked data and the planes no more than a band is in memory, and passes of less than 8
 * bits, which fast-png takes for whole bytes, are decoded like any other picture.
 */
import { constants, inflateRawSync } from 'node:zlib';
import { decode, type PngDataArray } from 'fast-png';
import { DataError } from '../../../core/errors.js';
import { upright } from '../exif.js';
import { type OpenedImage, seenSize } from '../opened.js';
import type { Picture } from '../resize.js';
import { type PngChunks, readChunks } from './chunks.js';
import { rowPainter } from './colours.js';

/** Bytes that deflate (RFC 1951) makes of one byte at most: 258 of 2 bits. */
const deflateRatio = 1032;

/** Bytes of rows that fast-png is given at a time. */
const bandBytes = 2 ** 22;

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
    memory: size + 3 * width * height * (orientation === 1 ? 1 : 2) + packed + 6 * Math.min(size, bandBytes),
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
  const { width, height } = png;
  const planes = new Uint8Array(3 * width * height);
  const toColours = rowPainter(png);
  const colours = new Uint8Array(3 * width);
  let from = 0;
  for (const pass of passes) {
    for (const { first, count, samples, perRow } of bandsOf(png, pass, data.subarray(from))) {
      for (let row = 0; row < count; row++) {
        toColours(samples, row * perRow, colours, pass.width);
        const y = pass.y0 + (first + row) * pass.stepY;
        for (let c = 0; c < 3; c++) {
          let to = (c * height + y) * width + pass.x0;
          for (let i = c; i < 3 * pass.width; i += 3, to += pass.stepX) planes[to] = colours[i]!;
        }
      }
    }
    from += pass.height * (1 + pass.rowBytes);
  }
  return { width, height, planes };
}

/** Rows `first` to `first + count - 1` of a pass, their filters undone. */
interface Band {
  readonly first: number;
  readonly count: number;
  /** Of all rows, `perRow` places each; packed to bytes below 8 bits. */
  readonly samples: PngDataArray;
  readonly perRow: number;
}

/** The bands of a pass, whose filtered rows `data` starts with. */
function* bandsOf(png: PngChunks, pass: Pass, data: Uint8Array): Generator<Band, void, void> {
  const lineBytes = 1 + pass.rowBytes;
  const rowsInBand = Math.max(1, Math.floor(bandBytes / lineBytes));
  let before: Uint8Array | undefined;
  for (let first = 0; first < pass.height; first += rowsInBand) {
    const count = Math.min(rowsInBand, pass.height - first);
    const lines = data.subarray(first * lineBytes, (first + count) * lineBytes);
    const rows = count + (before ? 1 : 0);
    const all = unfiltered(smallPng(pass.width, rows, png, before ? [before, lines] : [lines]));
    const perRow = all.length / rows;
    yield { first, count, samples: all.subarray(all.length - count * perRow), perRow };
    before = new Uint8Array(lineBytes);
    before.set(bigEndianBytes(all.subarray(all.length - perRow)), 1);
  }
}

function unfiltered(png: Uint8Array): PngDataArray {
  try {
    return decode(png).data;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError(`damaged PNG: ${reason}`, { cause: error });
  }
}

function bigEndianBytes(samples: PngDataArray): ArrayLike<number> {
  if (!(samples instanceof Uint16Array)) return samples;
  const bytes = new Uint8Array(2 * samples.length);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < samples.length; i++) view.setUint16(2 * i, samples[i]!);
  return bytes;
}

/** Most bytes of a block that deflate stores as they are. */
const storedBytes = 65535;

/** A PNG that is not interlaced and whose `lines`, each row with its filter, are stored as they are; its CRCs are zero. */
function smallPng(
  width: number,
  height: number,
  { depth, channels, palette }: PngChunks,
  lines: readonly Uint8Array[],
): Uint8Array {
  const stored = Buffer.concat(lines);
  const blocks = Math.ceil(stored.length / storedBytes);
  const packed = 2 + 5 * blocks + stored.length + 4;
  const out = new Uint8Array(33 + 12 + packed + 12);
  const view = new DataView(out.buffer);
  let at = 0;
  const put = (bytes: ArrayLike<number>): void => {
    out.set(bytes, at);
    at += bytes.length;
  };
  const chunk = (type: string, length: number): void => {
    view.setUint32(at, length);
    at += 4;
    put(Array.from(type, (letter) => letter.charCodeAt(0)));
  };
  put([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  chunk('IHDR', 13);
  view.setUint32(at, width);
  view.setUint32(at + 4, height);
  out[at + 8] = depth;
  // Without its palette, a place in it is as good as a grey level.
  out[at + 9] = palette ? 0 : ([0, 0, 4, 2, 6][channels] ?? 0);
  at += 13 + 4;
  chunk('IDAT', packed);
  put([0x78, 0x01]);
  for (let from = 0; from < stored.length; from += storedBytes) {
    const length = Math.min(storedBytes, stored.length - from);
    const last = from + length === stored.length ? 1 : 0;
    put([last, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255]);
    put(stored.subarray(from, from + length));
  }
  at += 4 + 4;
  chunk('IEND', 0);
  return out;
}
