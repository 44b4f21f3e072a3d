/**
 * What an image file is, from its header: how it was stored before it became RGB planes of another size.
 *
 * A PNG's header (ISO 15948, IHDR): width at byte 16, height 20, bit depth 24, colour type 25: 0 grey, 2 RGB, 3
 * palette, 4 grey with alpha, 6 RGB with alpha.
 */
import { readJpegHeader } from './jpegHeader.js';

/** The facts of an image file that decodes. */
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
}

/** Reads the facts of an image that has been decoded. */
export function inspectImage(bytes: Uint8Array): ImageFacts {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes[0] !== 0xff) {
    const type = bytes[25]!;
    return {
      format: 'PNG',
      colours: type === 0 || type === 4 ? 'grey' : 'RGB',
      width: view.getUint32(16),
      height: view.getUint32(20),
      orientation: 1,
      depth: bytes[24]!,
      transparent: type >= 4,
    };
  }
  const { width, height, components, orientation, precision } = readJpegHeader(bytes);
  const turned = orientation >= 5;
  return {
    format: 'JPEG',
    colours: components === 4 ? 'CMYK' : components === 1 ? 'grey' : 'RGB',
    width: turned ? height : width,
    height: turned ? width : height,
    orientation,
    depth: precision,
    transparent: false,
  };
}
