/**
 * The samples of a PNG as red, green and blue of 8 bits.
 *
 * Fewer bits are spread over 0-255 (v 255 / (2^depth - 1)), 16 bits keep their upper byte. Transparency is laid on
 * white: value * alpha + 255 * (1 - alpha). A tRNS chunk gives alpha to the entries of a palette, or makes one grey
 * level or colour, compared at the file's own depth, transparent.
 */
import type { PngDataArray } from 'fast-png';
import type { PngChunks } from './chunks.js';

/** Writes `count` pixels as [count, 3] to `colours`; their samples begin at place `at` of `samples`. */
type RowPainter = (samples: PngDataArray, at: number, colours: Uint8Array, count: number) => void;

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
  return (samples, at, colours, count) => {
    for (let x = 0, to = 0; x < count; x++) {
      const bit = x * depth;
      const place = (samples[at + (bit >> 3)]! >> (8 - depth - (bit & 7))) & (levels - 1);
      for (let c = 0; c < 3; c++) colours[to++] = table[3 * place + c]!;
    }
  };
}

/** RGB, and grey of 16 bits. */
function withoutAlpha({ channels, depth, transparency }: PngChunks): RowPainter {
  const shift = depth - 8;
  const [g, b] = channels === 3 ? [1, 2] : [0, 0];
  const transparent = transparency ? levelsOf(transparency, depth) : [];
  return (samples, at, colours, count) => {
    for (let x = 0, to = 0, from = at; x < count; x++, from += channels) {
      colours[to++] = samples[from]! >> shift;
      colours[to++] = samples[from + g]! >> shift;
      colours[to++] = samples[from + b]! >> shift;
      if (transparent.length === 0 || transparent.some((level, c) => samples[from + c] !== level)) continue;
      colours.fill(255, to - 3, to);
    }
  };
}

/** The samples of a tRNS chunk; files of 8 bits use the lower byte. */
function levelsOf(transparency: Uint8Array, depth: number): number[] {
  return Array.from({ length: transparency.length / 2 }, (_, c) => {
    const level = 256 * transparency[2 * c]! + transparency[2 * c + 1]!;
    return level & (2 ** depth - 1);
  });
}

function withAlpha({ channels, depth }: PngChunks): RowPainter {
  const shift = depth - 8;
  const last = channels - 1;
  return (samples, at, colours, count) => {
    for (let x = 0, to = 0, from = at; x < count; x++, from += channels) {
      const alpha = samples[from + last]! >> shift;
      for (let c = 0; c < 3; c++) {
        colours[to++] = onWhite(samples[from + (channels === 4 ? c : 0)]! >> shift, alpha);
      }
    }
  };
}
