/**
 * Files for the data tests, made on the spot: temporary folders, PNGs and JPEGs. `blockJpeg` writes baseline JPEGs
 * of one colour for any colour model: every block has a mean and nothing else.
 */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { encode } from 'fast-png';
import jpeg from 'jpeg-js';
import { packTar } from 'modern-tar';

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

/** A JPEG segment: marker, length, body. */
function segment(marker: number, body: readonly number[]): number[] {
  const length = body.length + 2;
  return [0xff, marker, length >> 8, length & 255, ...body];
}

const text = (characters: string): number[] => Array.from(characters, (c) => c.charCodeAt(0));

/**
 * An 8x8 baseline JPEG whose components are constant.
 * @param samples the value of each component, 0-255.
 * @param adobe the Adobe marker's colour transform; undefined: no such marker.
 */
export function blockJpeg(samples: readonly number[], adobe?: number): Uint8Array {
  const ids = samples.map((_, i) => i + 1);
  const codes = Array.from({ length: 12 }, (_, category) => category);
  let bits = '';
  for (const sample of samples) {
    // The mean's coefficient is 8 (sample - 128), as a category of 4 bits and that many bits of value.
    const value = 8 * (sample - 128);
    const category = value === 0 ? 0 : Math.floor(Math.log2(Math.abs(value))) + 1;
    const coded = value < 0 ? value + 2 ** category - 1 : value;
    bits += category.toString(2).padStart(4, '0');
    if (category > 0) bits += coded.toString(2).padStart(category, '0');
    bits += '0'; // end of block
  }
  const scan: number[] = [];
  for (let at = 0; at < bits.length; at += 8) {
    const byte = Number.parseInt(bits.slice(at, at + 8).padEnd(8, '1'), 2);
    scan.push(byte, ...(byte === 0xff ? [0] : []));
  }
  return Uint8Array.from([
    ...[0xff, 0xd8],
    ...(adobe === undefined ? [] : segment(0xee, [...text('Adobe'), 0, 100, 0, 0, 0, 0, adobe])),
    ...segment(0xdb, [0, ...Array.from({ length: 64 }, () => 1)]),
    ...segment(0xc0, [8, 0, 8, 0, 8, ids.length, ...ids.flatMap((id) => [id, 0x11, 0])]),
    ...segment(0xc4, [0x00, 0, 0, 0, 12, ...Array.from({ length: 12 }, () => 0), ...codes]),
    ...segment(0xc4, [0x10, 1, ...Array.from({ length: 15 }, () => 0), 0]),
    ...segment(0xda, [ids.length, ...ids.flatMap((id) => [id, 0]), 0, 63, 0]),
    ...scan,
    ...[0xff, 0xd9],
  ]);
}

/** A JPEG with an EXIF orientation put in front. */
export function withOrientation(bytes: Uint8Array, orientation: number): Uint8Array {
  const entry = [0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0];
  const tiff = [...text('MM'), 0, 42, 0, 0, 0, 8, 0, 1, ...entry, 0, 0, 0, 0];
  return Uint8Array.from([0xff, 0xd8, ...segment(0xe1, [...text('Exif'), 0, 0, ...tiff]), ...bytes.slice(2)]);
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
