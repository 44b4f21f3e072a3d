/**
 * What must be known of a JPEG before decoding it: size, components, colours, orientation, and its scans, each with
 * the tables in force where it starts. The whole list of segments is read, since EXIF data may follow the frame's
 * header, tables may change between scans, and a second frame must not go unseen.
 *
 * Read from (ITU T.81, annex B):
 * - SOF0-15 (0xC0-0xCF but C4, C8, CC): precision, height, width, components with their ids, sampling and table.
 * - DQT, DHT, DRI, DNL: quantization and Huffman tables, restart interval, height where the frame has 0.
 * - SOS: the components of a scan, their Huffman tables, band of coefficients and bits.
 * - APP0 "JFIF", APP14 "Adobe" (byte 11 is the colour transform: 0 none, 1 YCbCr, 2 YCCK), APP1 "Exif".
 */
import { DataError } from '../../../core/errors.js';
import { exifOrientation, hasExifPrefix } from '../exif.js';
import { checkSize } from '../opened.js';
import {
  checkBytes,
  type JpegColours,
  type JpegComponent,
  type JpegHeader,
  type JpegPart,
  type JpegScan,
  type QuantizationPlace,
} from './facts.js';
import { marker, type Segment, segmentsOf } from './segments.js';

/** Names of the codings that aren't decoded, by the frame's marker; DHP opens a hierarchical file, SOF55 is JPEG-LS. */
const otherCodings: Readonly<Record<number, string>> = {
  195: 'lossless',
  197: 'hierarchical',
  198: 'hierarchical',
  199: 'hierarchical lossless',
  201: 'arithmetic',
  202: 'progressive arithmetic',
  203: 'lossless arithmetic',
  205: 'hierarchical arithmetic',
  206: 'hierarchical arithmetic',
  207: 'hierarchical lossless arithmetic',
  [marker.dhp]: 'hierarchical',
  247: 'JPEG-LS',
};

/** Most scans of a picture: a valid one of three components has at most 3 (14 + 63 * 14), a bit of a coefficient each. */
const maxScans = 3000;

/**
 * Reads the header of a JPEG.
 * @throws {DataError} when the segments are broken off or hold no picture, when the picture is of a kind that isn't
 * decoded, is larger than `maxPixels`, or can't be held by so few bytes.
 */
export function readJpegHeader(bytes: Uint8Array): JpegHeader {
  const reader = new HeaderReader(bytes);
  for (const segment of segmentsOf(bytes)) reader.read(segment);
  return reader.finish();
}

/** The frame while its scans are read. */
interface Frame {
  readonly progressive: boolean;
  readonly width: number;
  height: number;
  readonly lateHeight: boolean;
  readonly components: {
    id: number;
    h: number;
    v: number;
    table: number;
    /** As in force at its first scan. */
    quantization: QuantizationPlace | undefined;
  }[];
}

class HeaderReader {
  private frame: Frame | undefined;
  private readonly scans: JpegScan[] = [];
  private readonly quantization: (QuantizationPlace | undefined)[] = [];
  /** By class (0 DC, 1 AC) * 16 + id. */
  private readonly huffman: (number | undefined)[] = [];
  private restart = 0;
  private jfif = false;
  private adobe: number | undefined;
  private orientation: number | undefined;

  constructor(private readonly bytes: Uint8Array) {}

  read(segment: Segment): void {
    const { from, to } = segment;
    const length = to - from;
    switch (segment.marker) {
      case 0xc0:
      case 0xc1:
      case 0xc2:
        this.readFrame(segment.marker === 0xc2, from, length);
        break;
      case marker.dqt:
        this.readQuantization(from, to);
        break;
      case marker.dht:
        this.readHuffman(from, to);
        break;
      case marker.dri:
        if (length >= 2) this.restart = this.number(from);
        break;
      case marker.dnl:
        if (this.frame?.lateHeight && length >= 2) this.frame.height = this.number(from);
        break;
      case marker.sos:
        this.readScan(segment);
        break;
      case 0xe0:
        this.jfif ||= this.isText(from, 'JFIF\0');
        break;
      case 0xe1:
        this.readExif(from, to);
        break;
      case 0xee:
        if (length >= 12 && this.isText(from, 'Adobe')) this.adobe = this.bytes[from + 11];
        break;
      default: {
        const coding = otherCodings[segment.marker];
        if (coding === undefined) break;
        throw new DataError(
          `JPEG of ${coding} coding, which isn't decoded; save it anew as a baseline or progressive JPEG`,
        );
      }
    }
  }

  private readFrame(progressive: boolean, at: number, length: number): void {
    const { bytes } = this;
    if (this.frame) throw new DataError('JPEG with two frames, one is decoded');
    const count = bytes[at + 5]!;
    if (length < 6 + 3 * count) throw new DataError('damaged JPEG: its frame header is cut short');
    if (bytes[at] !== 8) throw new DataError(`JPEG of ${bytes[at]} bits a sample, only 8 are decoded`);
    if (count !== 1 && count !== 3 && count !== 4) {
      throw new DataError(`JPEG of ${count} components, expected 1 (grey), 3 (colour) or 4 (CMYK)`);
    }
    const components: Frame['components'] = [];
    for (let from = at + 6; from < at + 6 + 3 * count; from += 3) {
      const [h, v] = [bytes[from + 1]! >> 4, bytes[from + 1]! & 15];
      if (h < 1 || h > 4 || v < 1 || v > 4) {
        throw new DataError(`damaged JPEG: sampling factors ${h}x${v}, expected 1 to 4`);
      }
      components.push({ id: bytes[from]!, h, v, table: bytes[from + 2]!, quantization: undefined });
    }
    const [height, width] = [this.number(at + 1), this.number(at + 3)];
    this.frame = { progressive, width, height, lateHeight: height === 0, components };
  }

  private readQuantization(from: number, to: number): void {
    for (let at = from; at < to; ) {
      const spec = this.bytes[at++]!;
      const wide = spec > 15;
      const length = wide ? 128 : 64;
      if (at + length > to) return;
      this.quantization[spec & 15] = { at, wide };
      at += length;
    }
  }

  private readHuffman(from: number, to: number): void {
    for (let at = from; at + 17 <= to; ) {
      const start = at + 1;
      let next = start + 16;
      for (let i = 0; i < 16; i++) next += this.bytes[start + i]!;
      if (next > to) return;
      this.huffman[this.bytes[at]! & 31] = start;
      at = next;
    }
  }

  private readScan({ from, to, dataEnd }: Segment): void {
    const { frame, bytes } = this;
    if (!frame) throw headless(bytes);
    const count = bytes[from] ?? 0;
    if (count < 1 || count > 4 || to - from < 4 + 2 * count) {
      throw new DataError(`damaged JPEG: scan of ${count} components`);
    }
    const components: JpegPart[] = [];
    for (let at = from + 1; at < from + 1 + 2 * count; at += 2) {
      const [id, tables] = [bytes[at]!, bytes[at + 1]!];
      // Some files give all components one id: they are meant in order.
      const isNext = (component: { id: number }, i: number): boolean =>
        component.id === id && !components.some(({ index }) => index === i);
      const index = frame.components.findIndex(isNext);
      const component = frame.components[index];
      if (!component) throw new DataError(`damaged JPEG: scan of a component ${id} that isn't in its frame`);
      component.quantization ??= this.quantization[component.table];
      components.push({ index, dc: this.huffman[tables >> 4], ac: this.huffman[16 + (tables & 15)] });
    }
    const [first, last, bits] = [bytes[to - 3]!, bytes[to - 2]!, bytes[to - 1]!];
    const [before, bit] = [bits >> 4, bits & 15];
    this.scans.push({ components, first, last, before, bit, restart: this.restart, from: to, to: dataEnd });
    if (this.scans.length > maxScans) throw new DataError(`JPEG of more than ${maxScans} scans`);
  }

  private readExif(from: number, to: number): void {
    if (this.orientation !== undefined || this.bytes[from] !== 0x45) return;
    const body = this.bytes.subarray(from, to);
    if (hasExifPrefix(body)) this.orientation = exifOrientation(body);
  }

  /** The number of 2 bytes at byte `at`. */
  private number(at: number): number {
    return 256 * this.bytes[at]! + this.bytes[at + 1]!;
  }

  private isText(at: number, text: string): boolean {
    for (let i = 0; i < text.length; i++) if (this.bytes[at + i] !== text.charCodeAt(i)) return false;
    return true;
  }

  finish(): JpegHeader {
    const { frame, scans } = this;
    if (!frame) throw headless(this.bytes);
    const { width, height, progressive } = frame;
    checkSize('JPEG', width, height);
    const maxH = Math.max(...frame.components.map(({ h }) => h));
    const maxV = Math.max(...frame.components.map(({ v }) => v));
    const components = frame.components.map(({ id, h, v, table, quantization }, i): JpegComponent => {
      if (!scans.some((scan) => scan.components.some(({ index }) => index === i))) {
        throw new DataError(
          `damaged JPEG: the data of component ${i + 1} of ${frame.components.length} are missing`,
        );
      }
      if (!quantization) throw new DataError(`damaged JPEG: its quantization table ${table} is missing`);
      const blocksWide = Math.ceil(Math.ceil((width * h) / maxH) / 8);
      const blocksHigh = Math.ceil(Math.ceil((height * v) / maxV) / 8);
      return { id, h, v, blocksWide, blocksHigh, quantization };
    });
    const header: JpegHeader = {
      width,
      height,
      progressive,
      components,
      scans,
      lateHeight: frame.lateHeight,
      mcusWide: Math.ceil(width / (8 * maxH)),
      mcusHigh: Math.ceil(height / (8 * maxV)),
      colours: this.colours(frame),
      adobe: this.adobe !== undefined,
      requantized: frame.components.some((one) => one.quantization !== this.quantization[one.table]),
      orientation: this.orientation ?? 1,
    };
    checkBytes(header);
    return header;
  }

  /** As libjpeg decides: JFIF means YCbCr, whatever Adobe's marker says. */
  private colours({ components }: Frame): JpegColours {
    const { adobe, jfif } = this;
    if (components.length === 1) return 'grey';
    if (components.length === 4) return (adobe ?? 0) === 0 ? 'CMYK' : 'YCCK';
    if (jfif) return 'YCbCr';
    if (adobe !== undefined) return adobe === 0 ? 'RGB' : 'YCbCr';
    return String.fromCharCode(...components.map(({ id }) => id)) === 'RGB' ? 'RGB' : 'YCbCr';
  }
}

function headless(bytes: Uint8Array): DataError {
  return new DataError(`JPEG of ${bytes.length} bytes is broken off or damaged before its frame header`);
}
