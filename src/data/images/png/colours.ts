/**
 * The samples of a PNG as red, green and blue of 8 bits.
 *
 * Fewer bits are spread over 0-255 (v 255 / (2^depth - 1)), 16 bits keep their upper byte. Transparency is laid on
 * white: value * alpha + 255 * (1 - alpha). A tRNS chunk gives alpha to the entries of a palette, or makes one grey
 * level or colour, compared at the file's own depth, transparent.
 */
import type { PngChunks } from './chunks.js';

/** Writes the `count` pixels of a row, whose filter is undone, as [count, 3] to `colours`. */
type RowPainter = (row: Uint8Array, colours: Uint8Array, count: number) => void;

/** What turns a row of a PNG into colours. */
export function rowPainter(png: PngChunks): RowPainter {
  if (png.channels === 1 && png.depth <= 8) return byTable(png);
  return png.channels % 2 === 0 ? withAlpha(png) : withoutAlpha(png);
}

function onWhite(value: number, alpha: number): number {
  return Math.floor((value * alpha + 255 * (255 - alpha)) / 255 + 0.5);
}

/** Palettes, and grey of up to 8 bits: a table of the colours there are. Places beyond a palette's end are black. */
function byTable({ depth, palette, transparency }: PngChunks): RowPainter {
  const levels = 2 ** depth;
  const table = new Uint8Array(3 * levels);
  const transparentLevel = palette || !transparency ? undefined : transparency[1]! & (levels - 1);
  for (let i = 0; i < 3 * levels; i++) {
    const place = Math.floor(i / 3);
    const value = palette ? (palette[i] ?? 0) : (place * 255) / (levels - 1);
    const alpha = palette ? (transparency?.[place] ?? 255) : place === transparentLevel ? 0 : 255;
    table[i] = onWhite(value, alpha);
  }
  return (row, colours, count) => {
    for (let x = 0, to = 0; x < count; x++) {
      const bit = x * depth;
      const place = (row[bit >> 3]! >> (8 - depth - (bit & 7))) & (levels - 1);
      for (let c = 0; c < 3; c++) colours[to++] = table[3 * place + c]!;
    }
  };
}

/** RGB, and grey of 16 bits. */
function withoutAlpha({ channels, depth, transparency }: PngChunks): RowPainter {
  const bytes = depth >> 3;
  const [g, b] = channels === 3 ? [bytes, 2 * bytes] : [0, 0];
  // tRNS has 2 bytes a sample, of which files of 8 bits use the lower.
  const transparent = transparency?.filter((_, i) => bytes === 2 || i % 2 === 1) ?? [];
  return (row, colours, count) => {
    for (let x = 0, to = 0, from = 0; x < count; x++, from += channels * bytes) {
      colours[to++] = row[from]!;
      colours[to++] = row[from + g]!;
      colours[to++] = row[from + b]!;
      if (transparent.length === 0 || transparent.some((byte, i) => row[from + i] !== byte)) continue;
      colours.fill(255, to - 3, to);
    }
  };
}

function withAlpha({ channels, depth }: PngChunks): RowPainter {
  const bytes = depth >> 3;
  const [g, b] = channels === 4 ? [bytes, 2 * bytes] : [0, 0];
  return (row, colours, count) => {
    for (let x = 0, to = 0, from = 0; x < count; x++, from += channels * bytes) {
      const alpha = row[from + (channels - 1) * bytes]!;
      colours[to++] = onWhite(row[from]!, alpha);
      colours[to++] = onWhite(row[from + g]!, alpha);
      colours[to++] = onWhite(row[from + b]!, alpha);
    }
  };
}
