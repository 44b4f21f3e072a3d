/**
 * JPEGs made block by block, for tests: every block is of one value, so what a file shows is known exactly, whatever
 * its sampling factors, scans, restart markers and segments. Blocks hold 8 (value - 128), divided, as their mean and
 * nothing else; Huffman codes are 0-11 in 4 bits for the mean's length and one bit "0" for the block's end.
 */

/** A JPEG segment: marker, length, body. */
export function segment(marker: number, body: readonly number[]): number[] {
  const length = body.length + 2;
  return [0xff, marker, length >> 8, length & 255, ...body];
}

/** The codes of a text's characters. */
export const codesOf = (text: string): number[] => Array.from(text, (c) => c.charCodeAt(0));

export const jfif = segment(0xe0, [...codesOf('JFIF'), 0, 1, 1, 0, 0, 1, 0, 1, 0, 0]);
/** Adobe's marker. @param transform 0: none, 1: YCbCr, 2: YCCK */
export const adobe = (transform: number): number[] =>
  segment(0xee, [...codesOf('Adobe'), 0, 100, 0, 0, 0, 0, transform]);
/** A quantization table that divides by `divisor` throughout. */
export const quantization = (id: number, divisor: number): number[] =>
  segment(0xdb, [id, ...Array.from({ length: 64 }, () => divisor)]);

export interface Component {
  readonly id?: number;
  readonly h?: number;
  readonly v?: number;
  readonly table?: number;
  /** What its quantization table divides by; default 1. */
  readonly divisor?: number;
  /** Value of a block, 0-255. */
  readonly valueAt: (column: number, row: number) => number;
}

export interface JpegPlan {
  readonly width: number;
  readonly height: number;
  readonly components: readonly Component[];
  /** The components of each scan; default: all in one. */
  readonly scans?: readonly (readonly number[])[];
  /** The means in two passes: all but their last bit, then that. */
  readonly progressive?: boolean;
  /** MCUs between restart markers; default: none. */
  readonly restart?: number;
  /** Segments before the frame's header; default: a table of ones. */
  readonly front?: readonly number[];
  /** Segments before each scan. */
  readonly beforeScan?: (scan: number) => readonly number[];
  /** Bytes before each restart marker. */
  readonly beforeRestart?: readonly number[];
  /** What stands for the height in the frame's header; default: the height. */
  readonly statedHeight?: number;
  /** What follows the scans; default: the end marker. */
  readonly end?: readonly number[];
}

/** Bits, packed to bytes when they're done: 1 to the last byte's end, a zero after each 0xFF. */
class Bits {
  private text = '';

  put(value: number, length: number): void {
    if (length > 0) this.text += value.toString(2).padStart(length, '0');
  }

  take(): number[] {
    const bytes: number[] = [];
    for (let at = 0; at < this.text.length; at += 8) {
      const byte = Number.parseInt(this.text.slice(at, at + 8).padEnd(8, '1'), 2);
      bytes.push(byte, ...(byte === 0xff ? [0] : []));
    }
    this.text = '';
    return bytes;
  }
}

/** Writes a JPEG. */
export function writeJpeg(plan: JpegPlan): Uint8Array {
  const { width, height, restart = 0, progressive = false } = plan;
  const components = plan.components.map((one, i) => ({
    id: i + 1,
    h: 1,
    v: 1,
    table: 0,
    divisor: 1,
    ...one,
  }));
  const maxH = Math.max(...components.map(({ h }) => h));
  const maxV = Math.max(...components.map(({ v }) => v));
  const scanOf = (indices: readonly number[], refine: boolean): number[] => {
    const parts = indices.map((i) => ({ ...components[i]!, last: 0 }));
    const one = parts.length === 1 ? parts[0] : undefined;
    const across = one ? Math.ceil((width * one.h) / maxH / 8) : Math.ceil(width / 8 / maxH);
    const down = one ? Math.ceil((height * one.v) / maxV / 8) : Math.ceil(height / 8 / maxV);
    const bits = new Bits();
    const out: number[] = [];
    for (let unit = 0; unit < across * down; unit++) {
      if (restart > 0 && unit > 0 && unit % restart === 0) {
        out.push(...bits.take(), ...(plan.beforeRestart ?? []), 0xff, 0xd0 + ((unit / restart - 1) % 8));
        for (const part of parts) part.last = 0;
      }
      for (const part of parts) {
        const [h, v] = one ? [1, 1] : [part.h, part.v];
        for (let i = 0; i < h * v; i++) {
          const column = (unit % across) * h + (i % h);
          const row = Math.floor(unit / across) * v + Math.floor(i / h);
          const mean = (8 * (part.valueAt(column, row) - 128)) / part.divisor;
          if (refine) {
            bits.put(mean & 1, 1);
            continue;
          }
          const value = progressive ? mean >> 1 : mean;
          const difference = value - part.last;
          part.last = value;
          const length = difference === 0 ? 0 : Math.floor(Math.log2(Math.abs(difference))) + 1;
          bits.put(length, 4);
          bits.put(difference < 0 ? difference + 2 ** length - 1 : difference, length);
          if (!progressive) bits.put(0, 1);
        }
      }
    }
    const [last, approximation] = progressive ? [0, refine ? 0x10 : 0x01] : [63, 0];
    const header = [parts.length, ...parts.flatMap(({ id }) => [id, 0]), 0, last, approximation];
    return [...segment(0xda, header), ...out, ...bits.take()];
  };
  const scans = plan.scans ?? [components.map((_, i) => i)];
  const stated = plan.statedHeight ?? height;
  const size = [stated >> 8, stated & 255, width >> 8, width & 255];
  const specs = components.flatMap(({ id, h, v, table }) => [id, 16 * h + v, table]);
  const lengths = Array.from({ length: 12 }, (_, length) => length);
  return Uint8Array.from([
    ...[0xff, 0xd8],
    ...(plan.front ?? quantization(0, 1)),
    ...segment(progressive ? 0xc2 : 0xc0, [8, ...size, components.length, ...specs]),
    ...segment(0xc4, [0x00, 0, 0, 0, 12, ...Array.from({ length: 12 }, () => 0), ...lengths]),
    ...segment(0xc4, [0x10, 1, ...Array.from({ length: 15 }, () => 0), 0]),
    ...(restart > 0 ? segment(0xdd, [restart >> 8, restart & 255]) : []),
    ...scans.flatMap((indices, i) => [...(plan.beforeScan?.(i) ?? []), ...scanOf(indices, false)]),
    ...(progressive ? scans.flatMap((indices) => scanOf(indices, true)) : []),
    ...(plan.end ?? [0xff, 0xd9]),
  ]);
}

/** The value of component `index` at a pixel, as the plan has it: that of the nearest block. */
export function valueAt({ components }: JpegPlan, index: number, x: number, y: number): number {
  const maxH = Math.max(...components.map(({ h = 1 }) => h));
  const maxV = Math.max(...components.map(({ v = 1 }) => v));
  const { h = 1, v = 1, valueAt: at } = components[index]!;
  return at(Math.floor((x * h) / maxH / 8), Math.floor((y * v) / maxV / 8));
}
