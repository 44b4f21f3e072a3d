/**
 * An image file whose header has been read: what it is, the memory that its decoding takes, and the decoding itself.
 */
import { DataError } from '../../core/errors.js';
import type { Picture } from './resize.js';

/** Largest picture that is decoded, in pixels: 64 million (a 64-megapixel photograph). */
export const maxPixels = 64e6;

/** Longest side that is decoded, in pixels: a million, libpng's own limit. */
const maxSide = 1e6;

/** How a picture was stored before it became RGB planes. */
export interface ImageFacts {
  readonly format: 'JPEG' | 'PNG';
  readonly colours: 'grey' | 'RGB' | 'CMYK';
  /** As it's seen, after EXIF orientation. */
  readonly width: number;
  readonly height: number;
  /** EXIF orientation, 1-8 (1: upright). */
  readonly orientation: number;
  /** Bits a sample. */
  readonly depth: number;
  /** Has an alpha channel. */
  readonly transparent: boolean;
  /** Once decoded: a faster decoder was given and didn't take it. */
  readonly fellBack?: boolean;
}

/** An image that can be decoded. */
export interface OpenedImage {
  readonly facts: ImageFacts;
  /** Bytes that `decode` takes at its peak, about, the picture it returns among them. */
  readonly memory: number;
  /** @throws {DataError} when the image is damaged or cut short. */
  decode(): Picture;
}

/** Refuses pictures of no pixels, of more than `maxPixels`, and longer than a million. @param kind "JPEG" or "PNG" */
export function checkSize(kind: string, width: number, height: number): void {
  if (width < 1 || height < 1) throw new DataError(`${kind} claims ${width}x${height} pixels`);
  if (width * height > maxPixels) {
    throw new DataError(
      `${kind} claims ${width}x${height} pixels, more than the ${maxPixels / 1e6} million allowed`,
    );
  }
  if (Math.max(width, height) > maxSide) {
    throw new DataError(
      `${kind} claims ${width}x${height} pixels, longer than the ${maxSide / 1e6} million allowed`,
    );
  }
}

/** The size of a stored picture as it's seen. */
export function seenSize(
  width: number,
  height: number,
  orientation: number,
): { width: number; height: number } {
  return orientation >= 5 ? { width: height, height: width } : { width, height };
}
