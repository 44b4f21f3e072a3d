/**
 * The coefficients of a JPEG from its scans (ITU T.81, annexes F and G).
 *
 * A block is 64 coefficients in zigzag order, [0] its mean. A sequential scan codes whole blocks: the mean as the
 * difference to the one before, then pairs of a run of zeros and a value. A progressive file builds them up in
 * several scans: a band of coefficients at a time, first down to some bit, then a bit more with each scan. There a
 * code may say that a run of blocks has nothing more in the band ("end of band" runs).
 */
import { BitReader, HuffmanTable } from './bits.js';
import type { JpegHeader, JpegScan } from './facts.js';
import { intervalsOf } from './segments.js';

/** The coefficients of a component: blocks in rows of `columns`, padded to whole MCUs, 64 of each. */
export interface Coefficients {
  readonly columns: number;
  readonly values: Int16Array;
}

/** Bytes that `readCoefficients` takes. */
export function coefficientBytes({ components, mcusWide, mcusHigh }: JpegHeader): number {
  return components.reduce((sum, { h, v }) => sum + 2 * 64 * mcusWide * h * mcusHigh * v, 0);
}

/**
 * Decodes all scans.
 * @param wrong throws an error that says what is wrong with the file.
 */
export function readCoefficients(
  bytes: Uint8Array,
  header: JpegHeader,
  wrong: (reason: string) => never,
): Coefficients[] {
  const { components, mcusWide, mcusHigh } = header;
  const coefficients = components.map(({ h, v }) => {
    const columns = mcusWide * h;
    return { columns, values: new Int16Array(64 * columns * mcusHigh * v) };
  });
  const tables = new Map<number, HuffmanTable>();
  const tableOf = (place: number | undefined): HuffmanTable | undefined => {
    if (place === undefined) return undefined;
    const table = tables.get(place) ?? new HuffmanTable(bytes, place, wrong);
    tables.set(place, table);
    return table;
  };
  for (const [number, scan] of header.scans.entries()) {
    const within = (reason: string): never =>
      wrong(`${reason}, in scan ${number + 1} of ${header.scans.length}`);
    const parts = scan.components.map(({ index, dc, ac }): Part => {
      const decoder = new BlockDecoder(coefficients[index]!.values, scan, tableOf(dc), tableOf(ac), within);
      return { ...components[index]!, ...coefficients[index]!, decoder };
    });
    readScan(bytes, header, scan, parts, within);
  }
  return coefficients;
}

/** A component within a scan. */
interface Part {
  readonly h: number;
  readonly v: number;
  readonly blocksWide: number;
  readonly blocksHigh: number;
  readonly columns: number;
  readonly decoder: BlockDecoder;
}

function readScan(
  bytes: Uint8Array,
  header: JpegHeader,
  scan: JpegScan,
  parts: readonly Part[],
  wrong: (reason: string) => never,
): void {
  // One component alone comes block by block, without the padding of units that several share.
  const alone = parts.length === 1 ? parts[0] : undefined;
  const across = alone ? alone.blocksWide : header.mcusWide;
  const units = across * (alone ? alone.blocksHigh : header.mcusHigh);
  const decode = header.progressive ? progressiveDecode(scan, parts.length, wrong) : 'whole';
  const bits = new BitReader(bytes, wrong);
  const intervals = intervalsOf(bytes, scan.from, scan.to, wrong);
  for (let unit = 0; unit < units; unit++) {
    if (unit === 0 || (scan.restart > 0 && unit % scan.restart === 0)) {
      const next = intervals.next();
      if (next.done) wrong(`its data end at unit ${unit} of ${units}`);
      bits.start(next.value.from, next.value.to);
      for (const { decoder } of parts) decoder.restart();
    }
    const [row, column] = [Math.floor(unit / across), unit % across];
    for (const part of parts) {
      const [h, v] = alone ? [1, 1] : [part.h, part.v];
      for (let y = row * v; y < (row + 1) * v; y++) {
        for (let x = column * h; x < (column + 1) * h; x++) {
          part.decoder[decode](bits, 64 * (y * part.columns + x));
        }
      }
    }
    if (bits.exhausted) wrong(`its data end at unit ${unit} of ${units}`);
  }
}

type Decode = 'whole' | 'mean' | 'meanBit' | 'band' | 'bandBit';

function progressiveDecode(scan: JpegScan, components: number, wrong: (reason: string) => never): Decode {
  const { first, last, before } = scan;
  if (first === 0 && last === 0) return before === 0 ? 'mean' : 'meanBit';
  if (first < 1 || last < first || last > 63 || components > 1) {
    return wrong(`coefficients ${first} to ${last} of ${components} components`);
  }
  return before === 0 ? 'band' : 'bandBit';
}

/** Decodes the blocks of one component in one scan; each method reads a block whose values start at `at`. */
class BlockDecoder {
  private lastMean = 0;
  /** Blocks, this one among them, that have nothing more in the band. */
  private endRun = 0;

  constructor(
    private readonly values: Int16Array,
    private readonly scan: JpegScan,
    private readonly dc: HuffmanTable | undefined,
    private readonly ac: HuffmanTable | undefined,
    private readonly wrong: (reason: string) => never,
  ) {}

  restart(): void {
    this.lastMean = 0;
    this.endRun = 0;
  }

  /** Sequential coding: the whole block. */
  whole(bits: BitReader, at: number): void {
    const { values } = this;
    const ac = this.ac ?? this.missing();
    values[at] = this.nextMean(bits);
    for (let k = 1; k < 64; k++) {
      const code = ac.read(bits);
      const size = code & 15;
      if (size === 0 && code !== 0xf0) return;
      k += code >> 4;
      if (size > 0) this.put(at, k, bits.readSigned(size));
    }
  }

  /** The mean down to the scan's bit. */
  mean(bits: BitReader, at: number): void {
    this.values[at] = this.nextMean(bits) << this.scan.bit;
  }

  /** One more bit of the mean. */
  meanBit(bits: BitReader, at: number): void {
    this.values[at]! |= bits.read(1) << this.scan.bit;
  }

  /** A band down to the scan's bit. */
  band(bits: BitReader, at: number): void {
    if (this.endRun > 0) {
      this.endRun--;
      return;
    }
    const ac = this.ac ?? this.missing();
    const { first, last, bit } = this.scan;
    for (let k = first; k <= last; k++) {
      const code = ac.read(bits);
      const [run, size] = [code >> 4, code & 15];
      if (size === 0 && run < 15) {
        this.endRun = (1 << run) + bits.read(run) - 1;
        return;
      }
      k += run;
      if (size > 0) this.put(at, k, bits.readSigned(size) << bit);
    }
  }

  /** One more bit of a band: new values of that size, and between them a bit for each value there is. */
  bandBit(bits: BitReader, at: number): void {
    const ac = this.ac ?? this.missing();
    const { first, last, bit } = this.scan;
    const step = 1 << bit;
    let k = first;
    while (k <= last && this.endRun === 0) {
      const code = ac.read(bits);
      const [run, size] = [code >> 4, code & 15];
      if (size === 0 && run < 15) {
        this.endRun = (1 << run) + bits.read(run);
        break;
      }
      if (size > 1) this.wrong('a new value of more than one bit');
      const value = size === 0 ? 0 : bits.read(1) === 1 ? step : -step;
      k = this.refine(bits, at, k, run);
      if (value !== 0) this.put(at, k, value);
      k++;
    }
    if (this.endRun > 0) {
      this.refine(bits, at, k, 64);
      this.endRun--;
    }
  }

  /** Refines the values from k to the band's end or past `zeros` zeros; gives the place of the zero after them. */
  private refine(bits: BitReader, at: number, k: number, zeros: number): number {
    const { values, scan } = this;
    const step = 1 << scan.bit;
    for (let left = zeros; k <= scan.last; k++) {
      const value = values[at + k]!;
      if (value === 0) {
        if (left-- === 0) return k;
      } else if (bits.read(1) === 1) {
        values[at + k] = value + (value > 0 ? step : -step);
      }
    }
    return k;
  }

  private nextMean(bits: BitReader): number {
    const size = (this.dc ?? this.missing()).read(bits);
    if (size > 15) this.wrong(`a mean of ${size} bits`);
    this.lastMean += bits.readSigned(size);
    return this.lastMean;
  }

  private put(at: number, k: number, value: number): void {
    if (k > this.scan.last) this.wrong('a run of zeros beyond the end of its block');
    this.values[at + k] = value;
  }

  private missing(): never {
    return this.wrong('a Huffman table is missing (frames of Motion JPEG have none)');
  }
}
