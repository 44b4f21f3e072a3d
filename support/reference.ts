/**
 * The page of all functions and classes, docs/reference.md: the first sentence of each one's docstring, by the door of
 * the package and the file it stands in. `npm run reference` writes it; a test finds out when that was forgotten.
 */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { root } from './root.js';

/** The doors: how they are imported, the file, and what is behind them. */
const doors = [
  ['tandem-ts', 'src/index.ts', 'Devices, tensors, gradients and ops.'],
  ['tandem-ts/nn', 'src/nn/index.ts', 'Modules, layers, initializers, optimizers, schedules.'],
  ['tandem-ts/formats', 'src/formats/index.ts', 'Numbers in and out of files.'],
  ['tandem-ts/data', 'src/data/index.ts', 'Data sets and batches. For Node.'],
  ['tandem-ts/train', 'src/train/index.ts', 'Fitting models. For Node.'],
  ['tandem-ts/alexnet', 'src/alexnet/index.ts', 'The paper. For Node.'],
] as const;

/** What a door exports. */
interface Entry {
  readonly name: string;
  readonly file: string;
  /** The first sentence of its docstring. */
  readonly sentence: string;
}

const read = (file: string): string => readFileSync(`${root}${file}`, 'utf8');

/** Functions, classes and constants that a file hands on, types left out. */
function exportsOf(file: string): Entry[] {
  const text = read(file);
  const at = (path: string): string => posix.join(posix.dirname(file), path).replace(/\.js$/, '.ts');
  const all = [...text.matchAll(/^export \* from '(.+?)';/gm)].flatMap(([, path = '']) =>
    exportsOf(at(path)),
  );
  const named = [...text.matchAll(/^export \{([^}]*)\} from '(.+?)';/gm)].flatMap(
    ([, names = '', path = '']) =>
      names
        .split(',')
        .map((name) => name.trim())
        .filter((name) => name !== '' && !name.startsWith('type '))
        .flatMap((name) => entryOf(at(path), name) ?? []),
  );
  const own = [...text.matchAll(/^export (?:async |abstract )*(?:function\*?|class|const) (\w+)/gm)].flatMap(
    ([, name = '']) => entryOf(file, name) ?? [],
  );
  return [...all, ...named, ...own];
}

function entryOf(file: string, name: string): Entry | null {
  const text = read(file);
  const declared = text.search(
    new RegExp(`^export (?:async |abstract )*(?:function\\*?|class|const) ${name}\\b`, 'm'),
  );
  if (declared < 0) return null;
  const before = text.slice(0, declared).trimEnd();
  const comment = before.endsWith('*/') ? before.slice(before.lastIndexOf('/**') + 3, -2) : '';
  const [sentence = ''] = comment
    .replace(/^\s*\* ?/gm, '')
    .split(/\n\s*@|\n\n/)[0]!
    .replace(/\s+/g, ' ')
    .trim()
    .split(/(?<=[.:])(?= [A-Z`@])/);
  return { name, file, sentence };
}

/** The page's text. */
export function referencePage(): string {
  const parts = doors.map(([door, file, about]) => {
    const entries = new Map(exportsOf(file).map((entry) => [entry.name, entry]));
    const rows = [...entries.values()].map(
      (entry) => `| [\`${entry.name}\`](../${entry.file}) | ${entry.sentence.replaceAll('|', '\\|')} |`,
    );
    return `## \`${door}\`\n\n${about}\n\n| | |\n|---|---|\n${rows.join('\n')}\n`;
  });
  return `# All functions and classes\n\nA line each; \`npm run docs\` prints the whole reference, with types. Names are PyTorch's in camelCase.\n\n${parts.join('\n')}`;
}
