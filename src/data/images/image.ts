/**
 * Encoded image bytes to a picture of planar RGB [3, H, W].
 *
 * What a file is goes by its first bytes, never by its name: FF D8 is a JPEG, 89 "PNG" a PNG.
 * - JPEG: baseline and progressive; grey becomes three equal channels; CMYK and YCCK become RGB as
 *   (1 - ink)(1 - black); EXIF orientation is applied.
 * - PNG: all bit depths, palettes and interlacing; 16 bits keep their upper byte; transparency is laid on white,
 *   where pictures with cut-outs are meant to be seen; EXIF orientation is applied.
 * The header is read first: pictures of more than `maxPixels`, or of more than their bytes can hold, are refused
 * before anything is allocated for them.
 */
import { hasPngSignature } from 'fast-png';
import { DataError } from '../../core/errors.js';
import { openJpeg } from './jpeg/decode.js';
import type { DecodeJpeg } from './jpeg/turbo.js';
import type { OpenedImage } from './opened.js';
import { openPng } from './png/decode.js';
import type { Picture } from './resize.js';

/**
 * Reads the header of a JPEG or PNG.
 * @param faster decodes those JPEGs that it can
 * @throws {DataError} when the bytes are neither, their header is damaged or cut short, or claims more than
 * `maxPixels` or than so few bytes can hold.
 */
export function openImage(bytes: Uint8Array, faster?: DecodeJpeg): OpenedImage {
  if (bytes.length === 0) throw new DataError('empty file (0 bytes)');
  if (bytes[0] === 0xff && bytes[1] === 0xd8) return openJpeg(bytes, faster);
  if (hasPngSignature(bytes)) return openPng(bytes);
  throw new DataError(`neither a JPEG nor a PNG (starts with ${describeStart(bytes)})`);
}

/** Decodes a JPEG or PNG. @throws {DataError} as `openImage`, and when what follows the header is damaged. */
export function decodeImage(bytes: Uint8Array): Picture {
  return openImage(bytes).decode();
}

function describeStart(bytes: Uint8Array): string {
  const start = bytes.subarray(0, 8);
  const printable = start.every((b) => b >= 0x20 && b < 0x7f);
  if (printable) return `"${String.fromCharCode(...start)}"`;
  return Array.from(start, (b) => b.toString(16).padStart(2, '0')).join(' ');
}
