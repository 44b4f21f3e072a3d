/**
 * What must be known of a JPEG before decoding it: size, components, colour model, orientation.
 *
 * A JPEG is a list of segments, each 0xFF, a marker byte, a big-endian length (itself included) and a body (ITU
 * T.81, annex B). Read up to the first scan:
 * - SOF0-15 (0xC0-0xCF but C4, C8, CC): precision, height, width, components with their ids.
 * - APP14 "Adobe": byte 11 is the colour transform: 0 none, 1 YCbCr, 2 YCCK.
 * - APP1 "Exif": a TIFF directory whose tag 0x0112 is the orientation 1-8. A damaged one counts as upright.
 */
import { DataError } from '../../core/errors.js';

/** The facts of a JPEG's header. */
export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  /** Bits a sample. */
  readonly precision: number;
  readonly components: number;
  /** Three components that are red, green and blue themselves instead of Y, Cb, Cr. */
  readonly rgb: boolean;
  /** EXIF orientation, 1-8 (1: upright). */
  readonly orientation: number;
}

const frameMarkers = new Set([0xc0, 0xc1, 0xc2, 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcd, 0xce, 0xcf]);

/**
 * Reads the header of a JPEG.
 * @throws {DataError} when the segments are broken off or hold no frame.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let orientation = 1;
  let adobe: number | undefined;
  let jfif = false;
  for (let at = 2; at + 4 <= bytes.length; ) {
    // Fill bytes, and rubbish that some cameras leave between segments.
    if (bytes[at] !== 0xff || bytes[at + 1] === 0xff || bytes[at + 1] === 0) {
      at++;
      continue;
    }
    const marker = bytes[at + 1]!;
    const body = at + 4;
    const end = at + 2 + view.getUint16(at + 2);
    if (end < body || end > bytes.length || marker === 0xda || marker === 0xd9) break;
    const length = end - body;
    if (marker === 0xe0 && hasText(bytes, body, 'JFIF')) jfif = true;
    if (marker === 0xe1 && hasText(bytes, body, 'Exif')) {
      orientation = exifOrientation(bytes.subarray(body + 6, end));
    }
    if (marker === 0xee && hasText(bytes, body, 'Adobe') && length >= 12) adobe = bytes[body + 11];
    if (frameMarkers.has(marker) && length >= 6) {
      const components = bytes[body + 5]!;
      if (length < 6 + 3 * components) break;
      const ids = Array.from({ length: components }, (_, i) => bytes[body + 6 + 3 * i]);
      const namedRgb = !jfif && adobe === undefined && String.fromCharCode(...ids.map(Number)) === 'RGB';
      return {
        precision: bytes[body]!,
        height: view.getUint16(body + 1),
        width: view.getUint16(body + 3),
        components,
        rgb: components === 3 && (adobe === 0 || namedRgb),
        orientation,
      };
    }
    at = end;
  }
  throw new DataError(`JPEG of ${bytes.length} bytes is broken off or damaged before its frame header`);
}

function hasText(bytes: Uint8Array, at: number, text: string): boolean {
  return [...text].every((character, i) => bytes[at + i] === character.charCodeAt(0));
}

/** The orientation in a TIFF block: "II" or "MM", 42, offset of the first directory, entries of 12 bytes. */
function exifOrientation(tiff: Uint8Array): number {
  if (tiff.length < 8) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const little = hasText(tiff, 0, 'II');
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.length) return 1;
    if (view.getUint16(entry, little) !== 0x0112) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}
