/**
 * Files for the data tests, made on the spot: temporary folders, PNGs and JPEGs.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import jpeg from 'jpeg-js';
import { packTar } from 'modern-tar';
import { adobe, codesOf, quantization, segment, writeJpeg } from './jpegWriter.js';

/** Runs `body` with a temporary folder that holds `files`, by path, and removes the folder. */
export async function withFolder(
  files: Record<string, Uint8Array | string>,
  body: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tandem-data-'));
  try {
    for (const [name, content] of Object.entries(files)) {
      const path = join(folder, name);
      await mkdir(dirname(path), { recursive: true });
      await writeFile(path, content);
    }
    await body(folder);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** A PNG of one colour. */
export function plainPng(
  width: number,
  height: number,
  colour: readonly [number, number, number],
): Uint8Array {
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => colour[i % 3]!);
  return encode({ width, height, data, channels: 3, depth: 8 });
}

/** A JPEG, quality 95, whose pixel (x, y) is `colourAt(x, y)`. */
export function jpegOf(
  width: number,
  height: number,
  colourAt: (x: number, y: number) => readonly [number, number, number],
): Uint8Array {
  const data = new Uint8Array(4 * width * height);
  for (let i = 0; i < width * height; i++) {
    data.set([...colourAt(i % width, Math.floor(i / width)), 255], 4 * i);
  }
  return new Uint8Array(jpeg.encode({ width, height, data }, 95).data);
}

/**
 * An 8x8 baseline JPEG whose components are constant.
 * @param samples the value of each component, 0-255.
 * @param transform the Adobe marker's colour transform; undefined: no such marker.
 */
export function blockJpeg(samples: readonly number[], transform?: number): Uint8Array {
  const front = [...(transform === undefined ? [] : adobe(transform)), ...quantization(0, 1)];
  const components = samples.map((value) => ({ valueAt: () => value }));
  return writeJpeg({ width: 8, height: 8, components, front });
}

/** How EXIF data are written. */
export interface ExifForm {
  /** Byte order: little (II) or big endian (MM, the default). */
  readonly order?: 'II' | 'MM';
  readonly type?: 'SHORT' | 'LONG';
}

/** A TIFF block that holds a width and an orientation. */
export function exifOf(orientation: number, { order = 'MM', type = 'SHORT' }: ExifForm = {}): number[] {
  const number = (value: number, bytes: number): number[] => {
    const big = Array.from({ length: bytes }, (_, i) => (value >> (8 * (bytes - 1 - i))) & 255);
    return order === 'II' ? big.reverse() : big;
  };
  const value = type === 'SHORT' ? [...number(orientation, 2), 0, 0] : number(orientation, 4);
  const width = [...number(0x0100, 2), ...number(3, 2), ...number(1, 4), ...number(16, 2), 0, 0];
  const entry = [...number(0x0112, 2), ...number(type === 'SHORT' ? 3 : 4, 2), ...number(1, 4), ...value];
  return [
    ...codesOf(order),
    ...number(42, 2),
    ...number(8, 4),
    ...number(2, 2),
    ...width,
    ...entry,
    0,
    0,
    0,
    0,
  ];
}

/** A JPEG with an EXIF orientation put in, in front or at byte `at`. */
export function withOrientation(
  bytes: Uint8Array,
  orientation: number,
  { at = 2, ...form }: ExifForm & { readonly at?: number } = {},
): Uint8Array {
  const exif = segment(0xe1, [...codesOf('Exif'), 0, 0, ...exifOf(orientation, form)]);
  return Uint8Array.from([...bytes.slice(0, at), ...exif, ...bytes.slice(at)]);
}

/** A tar archive of files by path. */
export async function tarOf(files: Record<string, Uint8Array | string>): Promise<Uint8Array> {
  return packTar(
    Object.entries(files).map(([name, body]) => ({
      header: { name, size: Buffer.byteLength(body), type: 'file' as const },
      body,
    })),
  );
}
