/**
 * The facts of a JPEG: its components, colours and scans, and what so few bytes can't hold.
 *
 * With maxH, maxV the largest sampling factors, a component of h, v has ceil(ceil(width h / maxH) / 8) blocks across
 * and as many down by v; scans of several components pad that to whole units (MCUs) of 8 maxH x 8 maxV pixels.
 */
import { DataError } from '../../../core/errors.js';

/** A component of a picture: Y, Cb or Cr, a colour, or an ink. */
export interface JpegComponent {
  readonly id: number;
  /** Sampling factors, 1-4. */
  readonly h: number;
  readonly v: number;
  /** Blocks across and down. */
  readonly blocksWide: number;
  readonly blocksHigh: number;
  /** Its quantization table, as in force at its first scan. */
  readonly quantization: QuantizationPlace;
}

/** Where a quantization table lies in the file: 64 divisors from byte `at`, in zigzag order, of 2 bytes if `wide`. */
export interface QuantizationPlace {
  readonly at: number;
  readonly wide: boolean;
}

/**
 * A component in a scan: its index in the header, and the bytes of the file where its Huffman tables start (16 counts
 * of codes by length, then the values in order); undefined where the file defines none.
 */
export interface JpegPart {
  readonly index: number;
  readonly dc: number | undefined;
  readonly ac: number | undefined;
}

/** A scan: a pass over the blocks of some components. */
export interface JpegScan {
  readonly components: readonly JpegPart[];
  /** Coefficients from `first` to `last`, in zigzag order. */
  readonly first: number;
  readonly last: number;
  /** The bit the scan reaches down to, and the one before it reached (0: this is the first scan of the band). */
  readonly bit: number;
  readonly before: number;
  /** MCUs between restart markers; 0: none. */
  readonly restart: number;
  /** Coded data: bytes `from` to `to` of the file. */
  readonly from: number;
  readonly to: number;
}

/** How components become red, green and blue. */
export type JpegColours = 'grey' | 'YCbCr' | 'RGB' | 'CMYK' | 'YCCK';

/** The facts of a JPEG. */
export interface JpegHeader {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  readonly colours: JpegColours;
  readonly components: readonly JpegComponent[];
  /** MCUs across and down. */
  readonly mcusWide: number;
  readonly mcusHigh: number;
  readonly scans: readonly JpegScan[];
  /** Tables of quantization that a component uses were redefined after its first scan. */
  readonly requantized: boolean;
  /** The frame's header gives no height: a DNL segment after the first scan does. */
  readonly lateHeight: boolean;
  /** Adobe's marker is there. */
  readonly adobe: boolean;
  /** EXIF orientation, 1-8 (1: upright). */
  readonly orientation: number;
}

/** Most blocks that all scans together pass over; those of a progressive photograph of 64 megapixels are 15 million. */
const maxBlocks = 50e6;

/**
 * Refuses a picture that its bytes can't hold: a block takes a code of at least 1 bit for its mean and, but in
 * progressive files, 1 more for the rest. And one whose scans pass over its blocks too often.
 * @throws {DataError}
 */
export function checkBytes(header: JpegHeader): void {
  const { width, height, components, scans, mcusWide, mcusHigh } = header;
  const blocksOf = (index: number): number => {
    const { blocksWide, blocksHigh } = components[index]!;
    return blocksWide * blocksHigh;
  };
  const blocks = components.reduce((sum, _, i) => sum + blocksOf(i), 0);
  const least = Math.ceil((blocks * (header.progressive ? 1 : 2)) / 8);
  const coded = scans.reduce((sum, { from, to }) => sum + to - from, 0);
  if (coded < least) {
    throw new DataError(
      `damaged JPEG: claims ${width}x${height} pixels, which take at least ${least} bytes of coded data, and has ${coded}`,
    );
  }
  const visited = scans.reduce((sum, scan) => {
    if (scan.components.length === 1) return sum + blocksOf(scan.components[0]!.index);
    const unit = scan.components.reduce((all, { index }) => {
      const { h, v } = components[index]!;
      return all + h * v;
    }, 0);
    return sum + unit * mcusWide * mcusHigh;
  }, 0);
  if (visited > maxBlocks) {
    throw new DataError(
      `JPEG of ${width}x${height} pixels in ${scans.length} scans, which pass over ${visited} blocks, more than the ${maxBlocks / 1e6} million allowed`,
    );
  }
}
