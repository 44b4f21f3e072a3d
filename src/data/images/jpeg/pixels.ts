/**
 * From the coefficients of a JPEG to planes of red, green and blue.
 *
 * The inverse cosine transform is separable: f(n) = sum over k of c(k) F(k) cos((2 n + 1) k pi / 16), c(0) = 1 / sqrt 8,
 * else 1/2. Terms of even k are the same at n and 7 - n, those of odd k opposite, so each serves two outputs. A
 * component sampled more coarsely gives each pixel its nearest sample. YCbCr is that of JFIF:
 *   R = Y + 1.402 (Cr - 128)   G = Y - 0.344136 (Cb - 128) - 0.714136 (Cr - 128)   B = Y + 1.772 (Cb - 128)
 * and inks become colours as (1 - ink)(1 - black), 255 standing for no ink, as Adobe has it and all decoders take it.
 * A row of MCUs is done at a time.
 */
import type { Picture } from '../resize.js';
import type { JpegColours, JpegHeader, QuantizationPlace } from './facts.js';
import type { Coefficients } from './scans.js';

/** Natural place (8 row + column) of each coefficient in zigzag order. */
const zigzag = zigzagOrder();

function zigzagOrder(): Uint8Array {
  const places = Array.from({ length: 64 }, (_, i) => ({ row: i >> 3, column: i & 7 }));
  const upwards = ({ row, column }: { row: number; column: number }): boolean => (row + column) % 2 === 0;
  places.sort((a, b) => a.row + a.column - b.row - b.column || (upwards(a) ? b.row - a.row : a.row - b.row));
  return Uint8Array.from(places, ({ row, column }) => 8 * row + column);
}

/** [k, n], n = 0..3: the share of coefficient k in outputs n and, with the sign of (-1)^k, 7 - n. */
const shares = Float64Array.from({ length: 32 }, (_, i) => {
  const [k, n] = [i >> 2, i & 3];
  return (k === 0 ? Math.SQRT1_2 : 1) * 0.5 * Math.cos(((2 * n + 1) * k * Math.PI) / 16);
});

/** Puts the picture in the file `bytes` together. */
export function paint(bytes: Uint8Array, header: JpegHeader, coefficients: readonly Coefficients[]): Picture {
  const { width, height, mcusHigh, components } = header;
  const planes = new Uint8Array(3 * width * height);
  // A view that rounds and keeps to 0-255.
  const rounding = new Uint8ClampedArray(planes.buffer);
  const maxH = Math.max(...components.map(({ h }) => h));
  const maxV = Math.max(...components.map(({ v }) => v));
  const bands = components.map((component, i) => {
    const { columns } = coefficients[i]!;
    const samples = new Uint8ClampedArray(64 * columns * component.v);
    const columnOf = Int32Array.from({ length: width }, (_, x) => Math.floor((x * component.h) / maxH));
    const divisors = divisorsAt(bytes, component.quantization);
    return { component, divisors, samples, stride: 8 * columns, columnOf };
  });
  const row = components.map(() => new Uint8ClampedArray(width));
  const lay = layers[header.colours];
  for (let unit = 0; unit < mcusHigh; unit++) {
    for (const [i, { component, divisors, samples }] of bands.entries()) {
      fillBand(coefficients[i]!, divisors, unit * component.v, samples);
    }
    const top = unit * 8 * maxV;
    for (let y = top; y < Math.min(height, top + 8 * maxV); y++) {
      for (const [i, { component, samples, stride, columnOf }] of bands.entries()) {
        const line = Math.floor(((y - top) * component.v) / maxV) * stride;
        const samplesOfRow = row[i]!;
        for (let x = 0; x < width; x++) samplesOfRow[x] = samples[line + columnOf[x]!]!;
      }
      lay(row, rounding, y * width, width * height);
    }
  }
  return { width, height, planes };
}

/** The divisors of a quantization table, in zigzag order. */
function divisorsAt(bytes: Uint8Array, { at, wide }: QuantizationPlace): Uint16Array {
  return Uint16Array.from({ length: 64 }, (_, k) =>
    wide ? 256 * bytes[at + 2 * k]! + bytes[at + 2 * k + 1]! : bytes[at + k]!,
  );
}

/** Fills `samples` [rows, columns] with those of the rows of blocks from `first` on. */
function fillBand(
  { columns, values }: Coefficients,
  divisors: Uint16Array,
  first: number,
  samples: Uint8ClampedArray,
): void {
  const block = new Float64Array(64);
  for (let row = 0; row < samples.length / (64 * columns); row++) {
    for (let column = 0; column < columns; column++) {
      const from = 64 * ((first + row) * columns + column);
      const to = 64 * row * columns + 8 * column;
      let last = 63;
      while (last > 0 && values[from + last] === 0) last--;
      if (last === 0) {
        const value = 128 + (values[from]! * divisors[0]!) / 8;
        for (let y = 0; y < 8; y++) samples.fill(value, to + 8 * columns * y, to + 8 * columns * y + 8);
        continue;
      }
      block.fill(0);
      for (let k = 0; k <= last; k++) block[zigzag[k]!] = values[from + k]! * divisors[k]!;
      for (let i = 0; i < 8; i++) inverse(block, 8 * i, 1);
      for (let i = 0; i < 8; i++) inverse(block, i, 8);
      for (let y = 0; y < 8; y++) {
        for (let x = 0; x < 8; x++) samples[to + 8 * columns * y + x] = 128 + block[8 * y + x]!;
      }
    }
  }
}

/** The inverse cosine transform of 8 values, `step` apart from `at`, in place. */
function inverse(block: Float64Array, at: number, step: number): void {
  const [f0, f1, f2, f3] = [block[at]!, block[at + step]!, block[at + 2 * step]!, block[at + 3 * step]!];
  const f4 = block[at + 4 * step]!;
  const [f5, f6, f7] = [block[at + 5 * step]!, block[at + 6 * step]!, block[at + 7 * step]!];
  if (f1 === 0 && f2 === 0 && f3 === 0 && f4 === 0 && f5 === 0 && f6 === 0 && f7 === 0) {
    for (let n = 0; n < 8; n++) block[at + n * step] = f0 * shares[0]!;
    return;
  }
  for (let n = 0; n < 4; n++) {
    const even = f0 * shares[n]! + f2 * shares[8 + n]! + f4 * shares[16 + n]! + f6 * shares[24 + n]!;
    const odd = f1 * shares[4 + n]! + f3 * shares[12 + n]! + f5 * shares[20 + n]! + f7 * shares[28 + n]!;
    block[at + n * step] = even + odd;
    block[at + (7 - n) * step] = even - odd;
  }
}

/** Lays a row of samples, by component, on the planes; red's starts at `at`, green's and blue's `size` further each. */
type Layer = (row: readonly Uint8ClampedArray[], planes: Uint8ClampedArray, at: number, size: number) => void;

const none = new Uint8ClampedArray(0);

const green = { cb: -0.344136, cr: -0.714136 };

const layers: Readonly<Record<JpegColours, Layer>> = {
  grey: ([grey = none], planes, at, size) => {
    for (let c = 0; c < 3; c++) planes.set(grey, at + c * size);
  },
  RGB: (row, planes, at, size) => {
    for (const [c, samples] of row.entries()) planes.set(samples, at + c * size);
  },
  YCbCr: ([ys = none, cbs = none, crs = none], planes, at, size) => {
    for (let x = 0; x < ys.length; x++) {
      const [y, cb, cr] = [ys[x]!, cbs[x]! - 128, crs[x]! - 128];
      planes[at + x] = y + 1.402 * cr;
      planes[at + size + x] = y + green.cb * cb + green.cr * cr;
      planes[at + 2 * size + x] = y + 1.772 * cb;
    }
  },
  CMYK: (row, planes, at, size) => {
    const [black = none] = row.slice(3);
    for (let c = 0; c < 3; c++) {
      const paper = row[c]!;
      for (let x = 0; x < paper.length; x++) planes[at + c * size + x] = (paper[x]! * black[x]!) / 255;
    }
  },
  // Y, Cb, Cr are of the colour the inks absorb.
  YCCK: (row, planes, at, size) => {
    layers.YCbCr(row, planes, at, size);
    const [black = none] = row.slice(3);
    for (let c = 0; c < 3; c++) {
      for (let x = 0; x < black.length; x++) {
        const i = at + c * size + x;
        planes[i] = ((255 - planes[i]!) * black[x]!) / 255;
      }
    }
  },
};
