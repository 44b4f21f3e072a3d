/**
 * JPEG files: jpeg-js decodes them, and what it can't decode, or would get wrong, is decoded here by the same standard
 * (`scans.ts`, `pixels.ts`). By name, jpeg-js
 * - reads on past the end of scans of one component with restart markers (grey, progressive, not interleaved);
 * - applies the quantization tables at the file's end to components whose scans came before a change;
 * - refuses four components (CMYK) without Adobe's marker, and a height that follows the first scan;
 * - counts the blocks of a component wrongly where its sampling factor doesn't divide the largest, and keeps only one
 *   of components that share an id;
 * - takes 470 bytes for a block, so that photographs of many megapixels take gigabytes.
 * Where it fails for another reason (bytes between segments or before a restart marker, no end marker), the decoder
 * here has the last word, and its error says what is wrong.
 *
 * A faster decoder (`turbo.ts`) may be given: it decodes what is grey or YCbCr and of ordinary size first, and what it
 * doesn't take goes on as without it, marked as fallen back.
 */
import jpeg from 'jpeg-js';
import { DataError } from '../../../core/errors.js';
import { upright } from '../exif.js';
import { maxPixels, type OpenedImage, seenSize } from '../opened.js';
import { planesOf } from '../planes.js';
import type { Picture } from '../resize.js';
import type { JpegHeader } from './facts.js';
import { readJpegHeader } from './header.js';
import { paint } from './pixels.js';
import { coefficientBytes, readCoefficients } from './scans.js';
import type { DecodeJpeg } from './turbo.js';

/** Pixels above which jpeg-js takes more than about half a GiB. */
const largePixels = 16e6;

/**
 * Reads the header of a JPEG.
 * @param faster decodes what it can instead
 * @throws {DataError} as `readJpegHeader`
 */
export function openJpeg(bytes: Uint8Array, faster?: DecodeJpeg): OpenedImage {
  const header = readJpegHeader(bytes);
  const { width, height, orientation, colours } = header;
  const ordinary = suitsJpegJs(header);
  const samples = width * height;
  const blocks = coefficientBytes(header) / 128;
  const turned = (orientation === 1 ? 0 : 3 * samples) + (faster ? 3 * samples + bytes.length : 0);
  const byDefault = (): Picture => (ordinary && byJpegJs(bytes, header)) || byScans(bytes, header);
  return {
    facts: {
      format: 'JPEG',
      colours: colours === 'grey' ? 'grey' : header.components.length === 4 ? 'CMYK' : 'RGB',
      ...seenSize(width, height, orientation),
      orientation,
      depth: 8,
      transparent: false,
    },
    memory: turned + (ordinary ? 470 * blocks + 12 * samples + bytes.length : 128 * blocks + 3 * samples),
    decode: () => {
      const picture = faster && suitsLibjpeg(header) ? faster(bytes, width, height) : undefined;
      const shown = upright(picture ?? byDefault(), orientation);
      return faster && !picture ? { ...shown, fellBack: true } : shown;
    },
  };
}

/** Whether jpeg-js gets a file right, or at least fails where it doesn't. */
function suitsJpegJs(header: JpegHeader): boolean {
  const { width, height, components, scans } = header;
  const maxH = Math.max(...components.map(({ h }) => h));
  const maxV = Math.max(...components.map(({ v }) => v));
  return (
    width * height <= largePixels &&
    !header.requantized &&
    !header.lateHeight &&
    (components.length !== 4 || header.adobe) &&
    components.every(({ h, v }) => maxH % h === 0 && maxV % v === 0) &&
    new Set(components.map(({ id }) => id)).size === components.length &&
    !scans.some((scan) => scan.restart > 0 && scan.components.length === 1)
  );
}

/** Whether libjpeg decodes a file without keeping too much memory. */
function suitsLibjpeg({ width, height, colours, lateHeight }: JpegHeader): boolean {
  return width * height <= largePixels && !lateHeight && (colours === 'grey' || colours === 'YCbCr');
}

/** The picture as jpeg-js decodes it; undefined where it fails. */
function byJpegJs(bytes: Uint8Array, { colours }: JpegHeader): Picture | undefined {
  try {
    const { width, height, data } = jpeg.decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxResolutionInMP: maxPixels / 1e6,
      maxMemoryUsageInMB: 1024,
      ...(colours === 'RGB' ? { colorTransform: false } : {}),
    });
    return { width, height, planes: planesOf(data) };
  } catch {
    return undefined;
  }
}

function byScans(bytes: Uint8Array, header: JpegHeader): Picture {
  const coefficients = readCoefficients(bytes, header, (reason) => {
    throw new DataError(`damaged JPEG: ${reason}`);
  });
  return paint(bytes, header, coefficients);
}
