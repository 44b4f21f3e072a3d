/**
 * MNIST and its kin, in IDX files, plain or gzipped. IDX is big-endian: a magic number 0x0000080D (unsigned bytes,
 * D dimensions), D sizes of 4 bytes, then the bytes: images have D = 3 (N, H, W), labels D = 1 (N). A file goes
 * with training or validation by its name: "train", or "t10k" or "test".
 *
 * Grey becomes three equal planes; pictures under 32x32 are centred on black of that size.
 */
import { DataError } from '../../core/errors.js';
import { MemoryDataset } from '../dataset.js';
import { baseName, type StoredSets } from './cifar.js';
import { bytesOf, type Entry, gunzipped, startOf } from './sources.js';

/** Least side of a picture, for MNIST's 28. */
const leastSide = 32;

/** Most loose files that are looked into. */
const looseFiles = 32;

/** An IDX file's contents. */
interface Idx {
  readonly name: string;
  readonly sizes: readonly number[];
  readonly data: Uint8Array;
}

/**
 * Reads IDX files when the entries have them at their top.
 * @returns undefined when they don't.
 * @throws {DataError} when a file is cut short, images and labels don't match, a validation label isn't
 * trained, or there's nothing to train on.
 */
export async function readMnist(path: string, entries: readonly Entry[]): Promise<StoredSets | undefined> {
  const loose = entries.filter(({ name }) => !name.includes('/')).slice(0, looseFiles);
  const files: Idx[] = [];
  for (const entry of loose) {
    const idx = await readIdx(path, entry);
    if (idx) files.push(idx);
  }
  if (files.length === 0) return undefined;
  const train = pair(path, files, /train/i, 'train');
  if (!train) {
    const found = files.map(({ name }) => name).join(', ');
    throw new DataError(`${path}: no IDX files called train-... to train on, found ${found}`);
  }
  const validation = pair(path, files, /t10k|test/i, 't10k');
  if (!validation) return { train };
  const classes = train.classes.length;
  const stray = validation.labels.findIndex((label) => label >= classes);
  if (stray >= 0) {
    throw new DataError(
      `${validation.name}: image ${stray} has label ${validation.labels[stray]}, trained are 0 to ${classes - 1}`,
    );
  }
  return { train, validation };
}

/** The file's contents, or undefined when it's no IDX file of bytes. */
async function readIdx(path: string, entry: Entry): Promise<Idx | undefined> {
  const start = await startOf(entry, 4);
  // Unpacking every archive to look for IDX would be slow, so gzipped ones must be called what they are.
  const zipped = start[0] === 0x1f && start[1] === 0x8b && /idx|ubyte/i.test(entry.name);
  if (!zipped && !isIdx(start)) return undefined;
  const bytes = await gunzipped(await bytesOf(entry), `${path}, ${entry.name}`);
  if (!isIdx(bytes)) return undefined;
  const dimensions = bytes[3]!;
  const header = 4 + 4 * dimensions;
  if (bytes.length < header) {
    throw new DataError(
      `${path}, ${entry.name}: IDX file of ${bytes.length} bytes is cut short within its header`,
    );
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizes = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  const shape = sizes.join('x');
  const stated = header + sizes.reduce((a, b) => a * b, 1);
  if (bytes.length !== stated) {
    throw new DataError(
      `${path}, ${entry.name}: IDX file of ${shape} has ${bytes.length} bytes, expected ${stated}`,
    );
  }
  return { name: baseName(entry), sizes, data: bytes.subarray(header) };
}

function isIdx(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 8 && (bytes[3] === 1 || bytes[3] === 3);
}

/** The images and labels whose names match. */
function pair(path: string, files: readonly Idx[], named: RegExp, part: string): MemoryDataset | undefined {
  const matching = files.filter(({ name }) => named.test(name));
  if (matching.length === 0) return undefined;
  const images = matching.find(({ sizes }) => sizes.length === 3);
  const labels = matching.find(({ sizes }) => sizes.length === 1);
  if (!images || !labels) {
    const found = matching.map(({ name }) => name).join(', ');
    throw new DataError(`${path}: IDX images and labels are needed, found only ${found} of ${part}`);
  }
  const [count, height, width] = images.sizes;
  if (count !== labels.sizes[0] || !count || !height || !width) {
    throw new DataError(
      `${path}: ${images.name} is ${images.sizes.join('x')} but ${labels.name} has ${labels.sizes[0]} labels`,
    );
  }
  const classCount = labels.data.reduce((a, b) => Math.max(a, b), 0) + 1;
  const classes = Array.from({ length: Math.max(10, classCount) }, (_, i) => String(i));
  const paddedHeight = Math.max(leastSide, height);
  const paddedWidth = Math.max(leastSide, width);
  return new MemoryDataset(
    `${path} (${part})`,
    classes,
    [3, paddedHeight, paddedWidth],
    toColour(images.data, count, [height, width], [paddedHeight, paddedWidth]),
    Int32Array.from(labels.data),
  );
}

/** Grey [N, h, w] to three equal planes [N, 3, H, W], centred on black. */
function toColour(
  grey: Uint8Array,
  count: number,
  [h, w]: readonly [number, number],
  [height, width]: readonly [number, number],
): Uint8Array {
  const area = height * width;
  const images = new Uint8Array(count * 3 * area);
  const margin = ((height - h) >> 1) * width + ((width - w) >> 1);
  for (let i = 0; i < count; i++) {
    const first = 3 * i * area;
    for (let y = 0; y < h; y++) {
      const from = (i * h + y) * w;
      images.set(grey.subarray(from, from + w), first + margin + y * width);
    }
    images.copyWithin(first + area, first, first + area);
    images.copyWithin(first + 2 * area, first, first + area);
  }
  return images;
}
