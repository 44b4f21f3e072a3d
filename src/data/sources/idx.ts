/**
 * MNIST and its kin, in IDX files, plain or gzipped. IDX is big-endian: two zero bytes, the type of the numbers (8:
 * unsigned bytes), D dimensions, D sizes of 4 bytes, then the numbers: images have D = 3 (N, H, W), labels D = 1 (N). A
 * file goes with training or validation by its name: "train", or "t10k" or "test"; what is left of the name is that of
 * the data set, of which a folder of EMNIST (Cohen, Afshar, Tapson and van Schaik, 2017) holds six.
 */
import { gunzipSync, constants as zlib } from 'node:zlib';
import { DataError } from '../../core/errors.js';
import { inflated } from '../budget.js';
import type { PictureSet } from '../pictures.js';
import { isGzip } from './archive.js';
import { namedClasses } from './classes.js';
import { bytesOf, type Entry, lengthOf, startIfReadable } from './entries.js';
import type { Format, Found, Opening, Place } from './format.js';
import { baseName } from './names.js';
import { storedDataset } from './stored.js';

/** Most loose files of other names that are looked into. */
const looseFiles = 32;

/** Most images in a file. */
const maxImages = 2 ** 24;

/** Types of numbers, by their code. */
const types: Readonly<Record<number, string>> = {
  8: 'unsigned bytes',
  9: 'signed bytes',
  11: '16-bit integers',
  12: '32-bit integers',
  13: 'float32 numbers',
  14: 'float64 numbers',
};

/** An IDX file's header. */
interface Idx {
  readonly entry: Entry;
  /** Its name without folders and the ending of gzip. */
  readonly name: string;
  readonly gzip: boolean;
  readonly type: number;
  readonly sizes: readonly number[];
}

/** The format of IDX files. */
export const idx: Format = {
  kind: 'mnist',
  help: "IDX files of MNIST and its kin; one of EMNIST's sets by how its files' names begin: FOLDER/emnist-letters",
  recognises: async ({ entries }) => {
    for (const entry of candidates(entries)) if (await headerOf(entry)) return true;
    return false;
  },
  open: openIdx,
};

/** Whether a file is called as IDX files are. */
const isCalledIdx = ({ name }: Entry): boolean => /ubyte(\.gz)?$|idx\d/i.test(baseName(name));

/** The entries that may be IDX files: by their names, or else those at the top. */
function candidates(entries: readonly Entry[]): Entry[] {
  const called = entries.filter(isCalledIdx);
  const loose = entries.filter(({ name }) => !name.includes('/'));
  return called.length > 0 ? called : loose.slice(0, looseFiles);
}

/** A file's header; undefined when it's no IDX file. @throws {DataError} when it's cut short in it. */
async function headerOf(entry: Entry): Promise<Idx | undefined> {
  // The beginning of a gzip stream is enough to unpack the header.
  const start = await startIfReadable(entry, 1024);
  const gzip = isGzip(start);
  const bytes = gzip ? beginningOf(start) : start;
  const [zero, empty, type = 0, dimensions = 0] = bytes;
  if (zero !== 0 || empty !== 0 || !(type in types) || dimensions < 1 || dimensions > 4) return undefined;
  if (bytes.length < 4 + 4 * dimensions) {
    if (!isCalledIdx(entry)) return undefined;
    throw new DataError(`${entry.name}: IDX file of ${bytes.length} bytes is cut short within its header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const sizes = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  return { entry, name: baseName(entry.name).replace(/\.gz$/i, ''), gzip, type, sizes };
}

function beginningOf(packed: Uint8Array): Uint8Array {
  try {
    return gunzipSync(packed, { finishFlush: zlib.Z_SYNC_FLUSH });
  } catch {
    return new Uint8Array(0);
  }
}

/** One data set's files. */
interface Files {
  readonly name: string;
  readonly train: readonly Idx[];
  readonly test: readonly Idx[];
}

async function openIdx(place: Place, opening: Opening): Promise<Found> {
  const { path } = place;
  const files = await filesOf(place);
  const train = await pair(path, files.train, 'train', files.name, opening);
  const validation = await pair(path, files.test, 't10k', files.name, opening, train?.classes);
  if (!train && !opening.trained) {
    const found = files.test.map(({ name }) => name).join(', ');
    throw new DataError(`${path}: no IDX files called train-... to train on, found ${found}`);
  }
  const classes = train?.classes ?? validation?.classes ?? [];
  const notes = [...place.notes];
  if (emnistOf(files.name))
    notes.push(`${files.name}: its pictures, which are stored on their sides, are turned upright`);
  return { classes: namedClasses(classes, new Map()), train, validation, notes };
}

/** The files of the one data set that a place holds. @throws {DataError} when it holds several. */
async function filesOf({ path, entries }: Place): Promise<Files> {
  const sets = new Map<string, Files & { train: Idx[]; test: Idx[] }>();
  for (const entry of candidates(entries)) {
    const file = await headerOf(entry);
    if (!file) continue;
    const name = setName(entry);
    const set = sets.get(name) ?? { name: baseName(name), train: [], test: [] };
    sets.set(name, set);
    if (/train/i.test(file.name)) set.train.push(file);
    else if (/t10k|test/i.test(file.name)) set.test.push(file);
  }
  const [first, ...others] = [...sets].filter(([, { train, test }]) => train.length + test.length > 0);
  if (first && others.length === 0) return first[1];
  if (!first) {
    throw new DataError(
      `${path}: its IDX files are called neither train-... nor t10k-... or test-..., so what are they for?`,
    );
  }
  const names = [first[0], ...others.map(([name]) => name)];
  throw new DataError(
    `${path}: holds ${names.length} data sets (${names.join(', ')}): give one of them by where its files lie and how ` +
      `their names begin, ${path}/${names.at(-1)}`,
  );
}

/** What a file's name says of its data set: its folder, and its own name without what all such files' have. */
function setName({ name }: Entry): string {
  const base = baseName(name);
  // Some unpackers make a folder of each file's name.
  const folder = name.slice(0, -base.length).replace(`${base}/`, '');
  const words = base
    .split(/[-_.]/)
    .filter((word) => !/^(train|training|t10k|test|testing|images?|labels?|idx\d|ubyte|gz)$/i.test(word));
  return folder + words.join('-');
}

/** The classes of EMNIST's sets in the order of their labels, and the first label. */
const emnist: Readonly<Record<string, readonly [classes: string, first: number]>> = {
  balanced: ['0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt', 0],
  bymerge: ['0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt', 0],
  byclass: ['0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz', 0],
  letters: ['ABCDEFGHIJKLMNOPQRSTUVWXYZ', 1],
  digits: ['0123456789', 0],
  mnist: ['0123456789', 0],
};

function emnistOf(set: string): readonly [classes: string, first: number] | undefined {
  const [, which = ''] = /^emnist-(\w+)$/i.exec(set) ?? [];
  return emnist[which.toLowerCase()];
}

/** The images and labels of a part; undefined when there are none. */
async function pair(
  path: string,
  files: readonly Idx[],
  part: string,
  set: string,
  opening: Opening,
  trained?: readonly string[],
): Promise<PictureSet | undefined> {
  if (files.length === 0) return undefined;
  const images = single(
    path,
    files.filter(({ sizes }) => sizes.length > 1),
  );
  const labels = single(
    path,
    files.filter(({ sizes }) => sizes.length === 1),
  );
  if (!images || !labels) {
    const found = files.map(({ name }) => name).join(', ');
    throw new DataError(`${path}: IDX images and labels are needed, found only ${found} of ${part}`);
  }
  for (const { name, type } of [images, labels]) {
    if (type !== 8)
      throw new DataError(`${path}, ${name}: IDX file of ${types[type]}, only unsigned bytes are read`);
  }
  const [count = 0, height = 0, width = 0, more] = images.sizes;
  if (more !== undefined || count !== labels.sizes[0] || !count || !height || !width) {
    throw new DataError(
      `${path}: ${images.name} is ${images.sizes.join('x')} but ${labels.name} has ${labels.sizes[0]} labels`,
    );
  }
  if (count > maxImages) {
    throw new DataError(`${path}, ${images.name}: ${count} images, at most ${maxImages} are read of a file`);
  }
  const pixels = await dataOf(path, images, opening);
  const numbers = Int32Array.from(await dataOf(path, labels, opening));
  const [letters, first] = emnistOf(set) ?? [undefined, 0];
  if (letters && height === width)
    for (let i = 0; i < count; i++) transpose(pixels, i * height * width, height);
  const most = numbers.reduce((a, b) => Math.max(a, b), 0) - first;
  const classes =
    trained ?? (letters ? [...letters] : Array.from({ length: Math.max(10, most + 1) }, (_, i) => String(i)));
  const stray = numbers.findIndex((label) => label < first || label - first >= classes.length);
  if (stray >= 0) {
    const expected = `${trained ? 'trained are' : 'expected'} ${first} to ${first + classes.length - 1}`;
    throw new DataError(`${path} (${part}): image ${stray} has label ${numbers[stray]}, ${expected}`);
  }
  const picture = { noun: 'mnist', channels: 1, height, width, images: pixels } as const;
  return storedDataset(`${path} (${part})`, classes, {
    ...picture,
    labels: numbers.map((n) => n - first),
  });
}

/** The one file; of two of a name, one of which is packed, the other. */
function single(path: string, files: readonly Idx[]): Idx | undefined {
  const plain = files.filter(({ gzip }) => !gzip);
  const [file, second] = plain.length > 0 ? plain : files;
  if (second)
    throw new DataError(
      `${path}: ${file?.entry.name} and ${second.entry.name} are of one kind: which is meant?`,
    );
  return file;
}

/** A file's numbers, its sizes checked before memory is taken for them. */
async function dataOf(path: string, file: Idx, { budget }: Opening): Promise<Uint8Array> {
  const { entry, name, sizes, gzip } = file;
  const what = `${path}, ${name}`;
  const header = 4 + 4 * sizes.length;
  const stated = header + sizes.reduce((a, b) => a * b, 1);
  const length = await lengthOf(entry);
  const check = (bytes: number): void => {
    if (bytes === stated) return;
    throw new DataError(`${what}: IDX file of ${sizes.join('x')} has ${bytes} bytes, expected ${stated}`);
  };
  if (!gzip) check(length);
  budget.take(length, what);
  const bytes = await bytesOf(entry, length);
  if (!gzip) return bytes.subarray(header);
  const unpacked = inflated(bytes, { packing: 'gzip', budget, most: stated, what });
  budget.give(length);
  check(unpacked.length);
  return unpacked.subarray(header);
}

/** Turns the picture at a place in `pixels` over its main diagonal. */
function transpose(pixels: Uint8Array, at: number, side: number): void {
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < y; x++) {
      const [a, b] = [at + y * side + x, at + x * side + y];
      [pixels[a], pixels[b]] = [pixels[b]!, pixels[a]!];
    }
  }
}
