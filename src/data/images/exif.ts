/**
 * The orientation of a picture, as its EXIF data tell it, and turning the picture upright.
 *
 * EXIF is a TIFF block: "II" (little endian) or "MM" (big endian), 42, the offset of the first directory; that holds a
 * count and entries of 12 bytes: tag, type, number of values, and the value itself, at the entry's start, where it
 * fits 4 bytes. The orientation is tag 0x0112, by rule one SHORT, by habit of some writers one LONG. JPEG holds the
 * block in an APP1 segment after "Exif" and two zeros; PNG in an eXIf chunk, where some writers put the same prefix.
 */
import type { Picture } from './resize.js';

const orientationTag = 0x0112;
const prefix = [0x45, 0x78, 0x69, 0x66, 0, 0];

/** The bytes a value takes, by the types an orientation is written in: SHORT, LONG, and both with a sign. */
const integerTypes: Readonly<Record<number, 2 | 4>> = { 3: 2, 4: 4, 8: 2, 9: 4 };

/** Whether bytes start with the prefix that EXIF has in a JPEG. */
export function hasExifPrefix(bytes: Uint8Array): boolean {
  return prefix.every((byte, i) => bytes[i] === byte);
}

/** The orientation in EXIF data, 1-8; 1 (upright) where there is none or the data are damaged. */
export function exifOrientation(exif: Uint8Array): number {
  const tiff = hasExifPrefix(exif) ? exif.subarray(prefix.length) : exif;
  if (tiff.length < 8) return 1;
  const view = new DataView(tiff.buffer, tiff.byteOffset, tiff.byteLength);
  const little = view.getUint16(0) === 0x4949;
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return 1;
  const entries = view.getUint16(directory, little);
  for (let i = 0; i < entries; i++) {
    const entry = directory + 2 + 12 * i;
    if (entry + 12 > tiff.length) return 1;
    if (view.getUint16(entry, little) !== orientationTag) continue;
    const size = integerTypes[view.getUint16(entry + 2, little)];
    const value = size === 4 ? view.getUint32(entry + 8, little) : view.getUint16(entry + 8, little);
    return size !== undefined && value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

/** Turns a picture as its orientation says: 2-4 mirrored or half turned, 5-8 with rows and columns swapped. */
export function upright(picture: Picture, orientation: number): Picture {
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
