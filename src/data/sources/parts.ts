/**
 * The parts of a set of image files by the folders they lie in: training, validation and test images, and those that no
 * folder gives a part. Within a part the first folder is the class:
 *
 *   train/CLASS/...      the folder that gives the part, at any depth: A/B/train/CLASS/... is the same
 *   CLASS/...            no part
 *   CLASS/train/...      a part within each class
 *
 * Folders that hold everything and say nothing (an archive's top folder, the second of train/train/CLASS) are passed.
 * Files that aren't called as images are, as labels and licences, don't count.
 */
import { DataError } from '../../core/errors.js';
import { type Entry, listEntries, startIfReadable } from './entries.js';
import { baseName, counted, listed } from './names.js';

/** What images are for; `none`: no folder says it. */
type Role = 'train' | 'validation' | 'test' | 'none';

/** What folders of the parts are called, in lower case. */
const roleWords: readonly (readonly [Role, readonly string[]])[] = [
  ['train', ['train', 'training']],
  ['validation', ['validation', 'val', 'valid']],
  ['test', ['test', 'testing']],
];

/** An image file and its class. */
export interface Classed {
  readonly entry: Entry;
  readonly className: string;
  /** Its path below the class's folder. */
  readonly inClass: string;
}

/** The images of a part. */
export interface Part {
  /** The folder that gives the part; undefined where none does. */
  readonly folder: string | undefined;
  readonly classed: readonly Classed[];
  /** Images outside the class folders. */
  readonly loose: readonly Entry[];
}

/** All parts, those that hold nothing as well. */
export type Parts = Readonly<Record<Role, Part>>;

/** Endings of images, also of kinds that aren't decoded: those are told of one by one. */
const imageEnding = /\.(jpe?g|jpe|jfif|png|webp|gif|bmp|tiff?|heic|heif|avif|jp2|jxl)$/i;

/** Files without an ending that are no images. */
const otherNames =
  /^(readme|license|licence|copying|copyright|notice|authors|changelog|makefile|md5sums?|sha\d+sums?|checksums?)$/i;

/** Whether a file is called as images are: with an ending of theirs, or none. */
export function isImageName({ name }: Pick<Entry, 'name'>): boolean {
  const base = baseName(name);
  return imageEnding.test(base) || (!base.includes('.') && !otherNames.test(base));
}

/** The part that a folder gives by its name, as ImageNet's archives do by theirs (but not that of the dogs once more). */
function roleOfFolder(folder: string): Role {
  const word = (/^ilsvrc\d*_img_(train|val|test)(?!_t\d)/i.exec(folder)?.[1] ?? folder).toLowerCase();
  return roleWords.find(([, words]) => words.includes(word))?.[0] ?? 'none';
}

/** The part that a file's path gives, and which of its folders does. */
export function roleOf(name: string): { role: Role; depth: number } | undefined {
  const folders = name.split('/').slice(0, -1);
  for (const [depth, folder] of folders.entries()) {
    const role = roleOfFolder(folder);
    if (role !== 'none') return { role, depth };
  }
  return undefined;
}

/**
 * The entries that are images: all that are called so, and in folders without such names those that begin as a JPEG or
 * PNG does.
 * @returns the entries, and a note on those that were passed over
 */
export async function imagesAmong(
  path: string,
  entries: readonly Entry[],
): Promise<{ images: Entry[]; notes: string[] }> {
  const others = entries.filter((entry) => !isImageName(entry));
  if (others.length === 0) return { images: [...entries], notes: [] };
  const withImages = new Set(entries.filter(isImageName).map(foldersOf));
  const first = new Map<string, Entry>();
  for (const entry of others) {
    const folder = foldersOf(entry);
    if (folder !== '' && !withImages.has(folder) && !first.has(folder)) first.set(folder, entry);
  }
  const odd = new Set<string>();
  for (const [folder, entry] of first) if (await beginsAsImage(entry)) odd.add(folder);
  const passed = others.filter((entry) => !odd.has(foldersOf(entry)));
  const isPassed = new Set(passed);
  const endings = new Set(passed.map(({ name }) => /\.[^./]*$/.exec(name)?.[0] ?? baseName(name)));
  const note = `${path}: passed over ${counted(passed.length, 'file')} not called as images are ${listed([...endings])}`;
  return {
    images: entries.filter((entry) => !isPassed.has(entry)),
    notes: passed.length > 0 ? [note] : [],
  };
}

async function beginsAsImage(entry: Entry): Promise<boolean> {
  const [a, b, c, d] = await startIfReadable(entry, 4);
  return (a === 0xff && b === 0xd8) || (a === 0x89 && b === 0x50 && c === 0x4e && d === 0x47);
}

/** A folder that holds images, by the folders above it. */
interface Placed {
  readonly role: Role;
  /** The folder that gives the part, those above it, and those below it down to the images. */
  readonly own: string | undefined;
  readonly before: readonly string[];
  readonly below: readonly string[];
}

/** An image and the folder it lies in. */
interface PlacedImage {
  readonly entry: Entry;
  readonly folder: Placed;
}

/** The folders that an entry lies in, with a slash behind each. */
const foldersOf = ({ name }: Entry): string => name.slice(0, name.lastIndexOf('/') + 1);

const split = (folders: string): string[] => folders.split('/').slice(0, -1);

/**
 * The images of a folder or archive whatever its subfolders are, named from below the folders that hold everything.
 * @throws {DataError} when there are none.
 */
export async function listImages(path: string): Promise<Entry[]> {
  const { images } = await imagesAmong(path, (await listEntries(path)).entries);
  if (images.length === 0) throw new DataError(`${path}: holds no images`);
  const chains = [...new Set(images.map(foldersOf))].map(split);
  const giving = chains[0]!.findIndex((folder) => roleOfFolder(folder) !== 'none');
  const passed = Math.min(foldersToPass(chains), giving < 0 ? Number.POSITIVE_INFINITY : giving);
  return images.map((image) => ({ ...image, name: image.name.split('/').slice(passed).join('/') }));
}

/** Parts image files by their folders. */
export function partsOf(images: readonly Entry[]): Parts {
  const holdImages = new Set(images.map(foldersOf));
  const folders = new Map([...holdImages].map((folder) => [folder, placed(folder, holdImages)]));
  const parts: Record<Role, PlacedImage[]> = { train: [], validation: [], test: [], none: [] };
  for (const entry of images) {
    const folder = folders.get(foldersOf(entry))!;
    parts[folder.role].push({ entry, folder });
  }
  const training = [...folders.values()].filter(({ role }) => role === 'train');
  const above = new Set(training.map(({ before }) => before.at(-1)));
  const classesAbove = above.size > 1 && training.every(({ below }) => below.length === 0);
  const of = (role: Role): Part => (classesAbove ? partWithin(parts[role]) : partOf(parts[role]));
  return { train: of('train'), validation: of('validation'), test: of('test'), none: partOf(parts.none) };
}

function placed(folder: string, holdImages: ReadonlySet<string>): Placed {
  const chain = split(folder);
  const given = roleOf(folder);
  // Below a folder that holds images itself, folders belong to its class whatever they're called.
  const within = chain.some(
    (_, i) => i < (given?.depth ?? 0) && holdImages.has(`${chain.slice(0, i + 1).join('/')}/`),
  );
  if (!given || within) return { role: 'none', own: undefined, before: [], below: chain };
  const { role, depth } = given;
  return { role, own: chain[depth], before: chain.slice(0, depth), below: chain.slice(depth + 1) };
}

/** A part whose folder comes first, and the classes below it. */
function partOf(images: readonly PlacedImage[]): Part {
  const passed = foldersToPass([...new Set(images.map(({ folder }) => folder))].map(({ below }) => below));
  return sorted(images, ({ own, below }) => {
    const shown = own === undefined ? below.slice(passed) : [own, ...below];
    return { className: below[passed], shown, inClass: below.slice(passed + 1) };
  });
}

/** A part whose folder lies in each class's. */
function partWithin(images: readonly PlacedImage[]): Part {
  return sorted(images, ({ own = '', before, below }) => {
    const className = before.at(-1);
    return { className, shown: [className ?? '', own, ...below], inClass: below };
  });
}

/** Sorts images into those of classes and others, by what their folder says. */
function sorted(
  images: readonly PlacedImage[],
  read: (folder: Placed) => {
    className: string | undefined;
    shown: readonly string[];
    inClass: readonly string[];
  },
): Part {
  const start = (folders: readonly string[]): string => folders.map((folder) => `${folder}/`).join('');
  const known = new Map<Placed, { className: string | undefined; shown: string; inClass: string }>();
  const classed: Classed[] = [];
  const loose: Entry[] = [];
  for (const { entry, folder } of images) {
    let found = known.get(folder);
    if (!found) {
      const { className, shown, inClass } = read(folder);
      found = { className, shown: start(shown), inClass: start(inClass) };
      known.set(folder, found);
    }
    const { className } = found;
    const file = baseName(entry.name);
    if (className === undefined) loose.push(entry);
    else
      classed.push({
        entry: { ...entry, name: found.shown + file },
        className,
        inClass: found.inClass + file,
      });
  }
  return { folder: images[0]?.folder.own, classed, loose };
}

/** How many folders all images lie in, one inside the other, that hold nothing but another folder. */
function foldersToPass(chains: readonly (readonly string[])[]): number {
  for (let depth = 0; ; depth++) {
    const deeper = chains.filter((chain) => chain.length > depth);
    const folders = new Set(deeper.map((chain) => chain[depth]));
    // A lone folder of images is a class.
    const holdsImages = deeper.some((chain) => chain.length === depth + 1);
    if (folders.size !== 1 || holdsImages) return depth;
  }
}
