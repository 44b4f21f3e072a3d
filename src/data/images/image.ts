/**
 * Encoded image bytes to a picture of planar RGB [3, H, W].
 *
 * What a file is goes by its first bytes, never by its name: FF D8 is a JPEG, 89 "PNG" a PNG.
 * - JPEG: baseline and progressive; grey becomes three equal channels; Adobe CMYK and YCCK become RGB as
 *   (1 - ink)(1 - black); EXIF orientation is applied.
 * - PNG: all bit depths, palettes and interlacing; 16 bits keep their upper byte; transparency is laid on white,
 *   where pictures with cut-outs are meant to be seen.
 * The header is read first: pictures of more than `maxPixels` are refused before anything is allocated for them.
 */
import * as png from 'fast-png';
import jpeg from 'jpeg-js';
import { DataError } from '../../core/errors.js';
import { readJpegHeader } from './jpegHeader.js';
import type { Picture } from './resize.js';

/** Largest picture that is decoded, in pixels: 64 million (a 64-megapixel photograph). */
export const maxPixels = 64e6;

/**
 * Decodes a JPEG or PNG.
 * @throws {DataError} when the bytes are neither, are damaged or cut short, or claim more than `maxPixels`.
 */
export function decodeImage(bytes: Uint8Array): Picture {
  if (bytes.length === 0) throw new DataError('empty file (0 bytes)');
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return decodeJpeg(bytes);
  if (png.hasPngSignature(bytes)) return decodePng(bytes);
  throw new DataError(`neither a JPEG nor a PNG (starts with ${describeStart(bytes)})`);
}

function describeStart(bytes: Uint8Array): string {
  const start = bytes.subarray(0, 8);
  const printable = start.every((b) => b >= 0x20 && b < 0x7f);
  if (printable) return `"${String.fromCharCode(...start)}"`;
  return Array.from(start, (b) => b.toString(16).padStart(2, '0')).join(' ');
}

function checkSize(kind: string, width: number, height: number): void {
  if (width < 1 || height < 1) throw new DataError(`${kind} claims ${width}x${height} pixels`);
  if (width * height > maxPixels) {
    throw new DataError(
      `${kind} claims ${width}x${height} pixels, more than the ${maxPixels / 1e6} million allowed`,
    );
  }
}

/** Runs a decoder whose own errors become a DataError that says which kind of file failed. */
function decoding<T>(kind: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new DataError(`damaged ${kind}: ${reason}`, { cause: error });
  }
}

function decodeJpeg(bytes: Uint8Array): Picture {
  const header = readJpegHeader(bytes);
  checkSize('JPEG', header.width, header.height);
  if (header.precision !== 8)
    throw new DataError(`JPEG of ${header.precision} bits a sample, only 8 are decoded`);
  const decoded = decoding('JPEG', () =>
    jpeg.decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxResolutionInMP: maxPixels / 1e6,
      maxMemoryUsageInMB: 1536,
      ...(header.rgb ? { colorTransform: false } : {}),
    }),
  );
  const { width, height, data } = decoded;
  const planes = new Uint8Array(3 * width * height);
  for (let c = 0, to = 0; c < 3; c++) {
    for (let from = c; from < data.length; from += 3) planes[to++] = data[from]!;
  }
  return upright({ width, height, planes }, header.orientation);
}

/** Turns a picture as EXIF orientation says: 2-4 mirrored or half turned, 5-8 with rows and columns swapped. */
function upright(picture: Picture, orientation: number): Picture {
  if (orientation === 1) return picture;
  const { width: w, height: h } = picture;
  const swapped = orientation >= 5;
  const mirrorX = [2, 3, 7, 8].includes(orientation);
  const mirrorY = [3, 4, 6, 7].includes(orientation);
  const width = swapped ? h : w;
  const height = swapped ? w : h;
  const planes = new Uint8Array(picture.planes.length);
  for (let c = 0, to = 0; c < 3; c++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const column = swapped ? y : x;
        const row = swapped ? x : y;
        const fromX = mirrorX ? w - 1 - column : column;
        const fromY = mirrorY ? h - 1 - row : row;
        planes[to++] = picture.planes[(c * h + fromY) * w + fromX]!;
      }
    }
  }
  return { width, height, planes };
}

function decodePng(bytes: Uint8Array): Picture {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 33)
    throw new DataError(`PNG of ${bytes.length} bytes is broken off before its header's end`);
  checkSize('PNG', view.getUint32(16), view.getUint32(20));
  const [depth, colourType, interlaced] = [bytes[24]!, bytes[25], bytes[28] === 1];
  if (interlaced && depth < 8)
    throw new DataError(`interlaced PNG of ${depth} bits a sample, 8 or 16 are decoded`);
  const image = decoding('PNG', () => unpackPng(png.decode(bytes, { checkCrc: true }), colourType === 3));
  const { width, height, channels, samples } = image;
  const planes = new Uint8Array(3 * width * height);
  const alphaAt = channels % 2 === 0 ? channels - 1 : undefined;
  for (let c = 0, to = 0; c < 3; c++) {
    let from = channels >= 3 ? c : 0;
    for (let i = 0; i < width * height; i++, from += channels) {
      const value = samples[from]!;
      if (alphaAt === undefined) {
        planes[to++] = value;
      } else {
        const alpha = samples[i * channels + alphaAt]!;
        planes[to++] = Math.floor((value * alpha + 255 * (255 - alpha)) / 255 + 0.5);
      }
    }
  }
  return { width, height, planes };
}

/** 8-bit samples [H, W, channels]: grey, grey + alpha, RGB or RGB + alpha. */
interface Unpacked {
  readonly width: number;
  readonly height: number;
  readonly channels: number;
  readonly samples: Uint8Array | Uint8ClampedArray;
}

function unpackPng(image: png.DecodedPng, indexed: boolean): Unpacked {
  const { width, height, depth } = image;
  if (indexed) {
    const samples = png.convertIndexedToRgb(image);
    return { width, height, channels: samples.length / (width * height), samples };
  }
  const wide = depth < 8 ? unpackBits(image) : image.data;
  const samples = new Uint8Array(wide.length);
  const scale = depth < 8 ? 255 / (2 ** depth - 1) : 1;
  const shift = depth === 16 ? 8 : 0;
  for (let i = 0; i < wide.length; i++) samples[i] = (wide[i]! >> shift) * scale;
  if (!image.transparency) return { width, height, channels: image.channels, samples };
  // One colour (a grey level or an RGB triple, at the file's own depth) stands for "transparent".
  const { transparency } = image;
  const channels = image.channels + 1;
  const withAlpha = new Uint8Array(width * height * channels);
  for (let i = 0; i < width * height; i++) {
    let transparent = true;
    for (let c = 0; c < image.channels; c++) {
      const at = i * image.channels + c;
      withAlpha[i * channels + c] = samples[at]!;
      transparent &&= wide[at] === transparency[c];
    }
    withAlpha[i * channels + image.channels] = transparent ? 0 : 255;
  }
  return { width, height, channels, samples: withAlpha };
}

/** Grey samples of 1, 2 or 4 bits, rows padded to whole bytes, one to a byte. */
function unpackBits(image: png.DecodedPng): Uint8Array {
  const { width, height, depth, data } = image;
  const stride = Math.ceil((width * depth) / 8);
  const out = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const bit = x * depth;
      const byte = data[y * stride + (bit >> 3)]!;
      out[y * width + x] = (byte >> (8 - depth - (bit & 7))) & (2 ** depth - 1);
    }
  }
  return out;
}
