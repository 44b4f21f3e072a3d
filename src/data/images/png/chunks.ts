/**
 * The chunks of a PNG (ISO 15948): a big-endian length, a type of four letters, a body, and a CRC-32 of type and body.
 * A type that starts with a lower-case letter says that a picture can be shown without the chunk.
 *
 * Taken are IHDR, PLTE where the picture has a palette, IDAT, tRNS and eXIf. All other chunks that may be left out
 * (text, profiles, resolution, animation) are passed over unread, so nothing that's wrong with them matters; nor does
 * a tRNS or eXIf that is damaged or has no place in such a picture, as for libpng. Once the image data are there, a
 * file may end without IEND.
 */
import { DataError } from '../../../core/errors.js';
import { crc32 } from '../../../formats/crc32.js';
import { exifOrientation } from '../exif.js';
import { checkSize } from '../opened.js';

/** Kinds of colour, as IHDR numbers them: the samples of a pixel, and the depths it may have. */
const colourTypes: Readonly<Record<number, { name: string; channels: number; depths: readonly number[] }>> = {
  0: { name: 'grey', channels: 1, depths: [1, 2, 4, 8, 16] },
  2: { name: 'RGB', channels: 3, depths: [8, 16] },
  3: { name: 'palette', channels: 1, depths: [1, 2, 4, 8] },
  4: { name: 'grey with alpha', channels: 2, depths: [8, 16] },
  6: { name: 'RGB with alpha', channels: 4, depths: [8, 16] },
};

/** What a PNG holds, its image data still packed. */
export interface PngChunks {
  readonly width: number;
  readonly height: number;
  /** Bits a sample: 1, 2, 4, 8 or 16. */
  readonly depth: number;
  /** Samples of a pixel: grey, red green blue, or a place in the palette; then alpha, where there are 2 or 4. */
  readonly channels: number;
  readonly interlaced: boolean;
  /** Red, green and blue of each entry, where pixels are places in it. */
  readonly palette?: Uint8Array;
  /** tRNS: alpha of each palette entry, or one grey level or colour, 2 bytes a sample, that is transparent. */
  readonly transparency?: Uint8Array;
  /** EXIF orientation, 1-8. */
  readonly orientation: number;
  /** The image data, zlib's, in pieces. */
  readonly data: readonly Uint8Array[];
}

/** A chunk whose body is bytes `from` to `to`. */
interface Chunk {
  readonly type: string;
  readonly from: number;
  readonly to: number;
}

/** Reads the chunks. @throws {DataError} when those that matter are missing, damaged, or say what can't be. */
export function readChunks(bytes: Uint8Array): PngChunks {
  const chunks = chunksOf(bytes);
  const first = chunks.next();
  if (first.done) throw new DataError(`PNG of ${bytes.length} bytes is broken off before its header's end`);
  const header = readHeader(bytes, first.value);
  const data: Uint8Array[] = [];
  let palette: Uint8Array | undefined;
  let transparency: Uint8Array | undefined;
  let orientation: number | undefined;
  for (const chunk of chunks) {
    const body = bytes.subarray(chunk.from, chunk.to);
    switch (chunk.type) {
      case 'IDAT':
        checkCrc(bytes, chunk);
        data.push(body);
        break;
      case 'IHDR':
        throw new DataError('damaged PNG: a second header (IHDR)');
      case 'PLTE':
        if (!header.indexed || data.length > 0) break;
        checkCrc(bytes, chunk);
        if (palette || body.length === 0 || body.length % 3 !== 0 || body.length > 3 * 2 ** header.depth) {
          throw new DataError(
            `damaged PNG: ${palette ? 'a second palette' : `a palette of ${body.length} bytes`}, expected one of 1 to ${2 ** header.depth} colours of 3`,
          );
        }
        palette = body;
        break;
      case 'tRNS':
        if (data.length === 0 && isIntact(bytes, chunk)) transparency ??= body;
        break;
      case 'eXIf':
        if (isIntact(bytes, chunk)) orientation ??= exifOrientation(body);
        break;
      default:
        if (isCritical(chunk.type)) {
          throw new DataError(
            `PNG with a chunk "${chunk.type}" that it can't be shown without, which isn't known`,
          );
        }
    }
  }
  if (data.length === 0) throw new DataError('damaged PNG: broken off before its image data');
  if (header.indexed && !palette) throw new DataError('damaged PNG: its palette (PLTE) is missing');
  const { width, height, depth, channels, interlaced } = header;
  const fits = fitsTransparency(transparency, channels, palette);
  return {
    width,
    height,
    depth,
    channels,
    interlaced,
    data,
    orientation: orientation ?? 1,
    ...(palette ? { palette } : {}),
    ...(transparency && fits ? { transparency } : {}),
  };
}

/** tRNS has a place beside a palette no shorter than it, or beside colours without alpha, one sample of 2 bytes each. */
function fitsTransparency(
  transparency: Uint8Array | undefined,
  channels: number,
  palette: Uint8Array | undefined,
): boolean {
  if (!transparency) return false;
  if (palette) return transparency.length <= palette.length / 3;
  return channels % 2 === 1 && transparency.length === 2 * channels;
}

/** The chunks up to IEND, or to where the file is broken off once it has given image data. */
function* chunksOf(bytes: Uint8Array): Generator<Chunk, void, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let hasData = false;
  for (let at = 8; at + 12 <= bytes.length; ) {
    const from = at + 8;
    const to = from + view.getUint32(at);
    const type = String.fromCharCode(bytes[at + 4]!, bytes[at + 5]!, bytes[at + 6]!, bytes[at + 7]!);
    if (type === 'IEND') return;
    if (!isType(type) || to + 4 > bytes.length) {
      if (hasData && type !== 'IDAT') return;
      throw new DataError(
        isType(type)
          ? `damaged PNG: broken off in its chunk "${type}"`
          : `damaged PNG: no chunk at byte ${at}, where one is expected`,
      );
    }
    yield { type, from, to };
    hasData ||= type === 'IDAT';
    at = to + 4;
  }
}

const isType = (type: string): boolean => /^[A-Za-z]{4}$/.test(type);
const isCritical = (type: string): boolean => type.charCodeAt(0) < 0x60;

function isIntact(bytes: Uint8Array, { from, to }: Chunk): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return crc32(bytes.subarray(from - 4, to)) === view.getUint32(to);
}

function checkCrc(bytes: Uint8Array, chunk: Chunk): void {
  if (!isIntact(bytes, chunk)) throw new DataError(`damaged PNG: CRC of its chunk "${chunk.type}" is wrong`);
}

/** What IHDR says. */
interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly channels: number;
  readonly indexed: boolean;
  readonly interlaced: boolean;
}

function readHeader(bytes: Uint8Array, chunk: Chunk): Header {
  const { type, from, to } = chunk;
  if (type === 'CgBI') {
    throw new DataError(
      'PNG in the form for iPhone programs (CgBI), which is no standard PNG; pngcrush -revert-iphone-optimizations makes it one',
    );
  }
  if (type !== 'IHDR' || to - from !== 13) {
    throw new DataError(
      `damaged PNG: starts with a chunk "${type}" of ${to - from} bytes, expected its header (IHDR, 13)`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + from, 13);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth = 0, colourType = 0, compression, filter, interlace = 0] = bytes.subarray(from + 8, to);
  checkSize('PNG', width, height);
  checkCrc(bytes, chunk);
  const kind = colourTypes[colourType];
  if (!kind) throw new DataError(`damaged PNG: colour type ${colourType}, expected 0, 2, 3, 4 or 6`);
  const { name, channels, depths } = kind;
  if (!depths.includes(depth)) {
    throw new DataError(`damaged PNG: ${name} of ${depth} bits a sample, expected ${depths.join(', ')}`);
  }
  if (compression !== 0 || filter !== 0 || interlace > 1) {
    throw new DataError(
      `PNG of compression ${compression}, filter ${filter}, interlacing ${interlace}; known are 0, 0, and 0 or 1`,
    );
  }
  return { width, height, depth, channels, indexed: colourType === 3, interlaced: interlace === 1 };
}
