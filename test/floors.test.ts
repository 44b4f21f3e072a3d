/**
 * The floors of the house, checked by reading the source: imports point down only, no file takes part in a circle of
 * imports, every exported name has a user, no file grows too long, and benchmarks and tests stay apart.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from '../support/root.js';

/** The rooms of `src`, from the ground up: a room imports from itself and from those before it. */
const floors = ['core', 'backends', 'checks', 'nn', 'formats', 'data', 'train', 'alexnet', 'cli'];

/** The most lines a file may have. */
const longest = 400;

/** An import or a re-export: the file it names, and the names it takes (`*` for all). */
interface Import {
  readonly file: string;
  readonly names: readonly string[];
}

const sources = new Map<string, string>();
for (const room of ['src', 'bench', 'site', 'support', 'test', 'examples']) {
  for (const path of existsSync(`${root}${room}`)
    ? readdirSync(`${root}${room}`, { recursive: true, encoding: 'utf8' })
    : []) {
    const file = posix.join(room, path);
    if (/(?<!\.d)\.ts$/.test(file) && !file.includes('node_modules')) {
      sources.set(file, readFileSync(`${root}${file}`, 'utf8'));
    }
  }
}

const imports = new Map([...sources].map(([file, text]) => [file, importsOf(file, text)]));

function importsOf(file: string, text: string): Import[] {
  const found: Import[] = [];
  for (const [, names = '*', from, loaded] of text.matchAll(
    /^(?:import|export) ([^;'"]*?) ?from '(\.[^']+)'|import\('(\.[^']+)'\)/gm,
  )) {
    const target = posix.join(posix.dirname(file), from ?? loaded ?? '').replace(/\.js$/, '.ts');
    const list = /\{([^}]*)\}/.exec(names)?.[1]?.split(',');
    found.push({ file: target, names: list?.map(nameOf) ?? ['*'] });
  }
  return found;
}

/** 'type A as B' names A. */
function nameOf(text: string): string {
  return text
    .trim()
    .replace(/^type /, '')
    .replace(/ as .*/, '');
}

/** `src/core/tape.ts` is in the room `core`; the root door `src/index.ts` is in none. */
function roomOf(file: string): string | undefined {
  return /^src\/(\w+)\//.exec(file)?.[1];
}

test('every room of src has its floor', () => {
  const rooms = new Set([...sources.keys()].flatMap((file) => roomOf(file) ?? []));
  assert.equal(
    [...rooms].filter((room) => !floors.includes(room)),
    [],
  );
});

test('imports point down', () => {
  const upward: string[] = [];
  for (const [file, list] of imports) {
    const floor = floors.indexOf(roomOf(file) ?? 'cli');
    for (const { file: target } of list) {
      if (file.startsWith('src/') && floors.indexOf(roomOf(target) ?? 'cli') > floor) {
        upward.push(`${file} imports ${target}`);
      }
      if (file.startsWith('src/') && !target.startsWith('src/')) upward.push(`${file} imports ${target}`);
    }
  }
  assert.equal(upward, []);
});

test('benchmarks import no test, tests no benchmark', () => {
  const across = (from: string, to: string): string[] =>
    [...imports].flatMap(([file, list]) =>
      file.startsWith(from)
        ? list.flatMap((each) => (each.file.startsWith(to) ? [`${file} imports ${each.file}`] : []))
        : [],
    );
  assert.equal([...across('bench/', 'test/'), ...across('test/', 'bench/')], []);
});

test('no circle of imports', () => {
  const circles: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (file: string, path: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      circles.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      return;
    }
    state.set(file, 'open');
    for (const { file: target } of imports.get(file) ?? []) visit(target, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of imports.keys()) visit(file, []);
  assert.equal(circles, []);
});

test('every exported name is used by another file, or part of a door of the package', () => {
  const used = new Map<string, Set<string>>();
  for (const list of imports.values()) {
    for (const { file, names } of list) {
      const all = used.get(file) ?? new Set();
      for (const name of names) all.add(name);
      used.set(file, all);
    }
  }
  const unused: string[] = [];
  for (const [file, text] of sources) {
    if (!file.startsWith('src/') || /^src\/(\w+\/)?index\.ts$/.test(file)) continue;
    const users = used.get(file) ?? new Set();
    if (users.has('*')) continue;
    for (const [, name = ''] of text.matchAll(
      /^export (?:async |abstract )*(?:function\*?|class|const|let|interface|type) (\w+)/gm,
    )) {
      if (!users.has(name)) unused.push(`${file}: ${name}`);
    }
  }
  assert.equal(unused, []);
});

test('nn is written with what the root of the package exports: it only checks and spells out arguments by other means', () => {
  const exported = new Set(
    (imports.get('src/index.ts') ?? []).flatMap(({ file, names }): readonly string[] =>
      names.includes('*')
        ? [...sources.get(file)!.matchAll(/^export (?:async |abstract )*[a-z*]+ (\w+)/gm)].map(
            ([, name = '']) => name,
          )
        : names,
    ),
  );
  // Checks of arguments, shapes of host numbers, and states are of host values alone: outsiders lose no ability by them.
  const ofHostValues = ['src/core/arguments.ts', 'src/core/shape.ts', 'src/core/state.ts'];
  const checks =
    /^(require|read|to)[A-Z]|^(ConvGeometry|Padding|Pair|Pooling|ResponseNorm|responseNormDefaults|windowDefaults)$/;
  const others = [...imports].flatMap(([file, list]) =>
    list.flatMap(({ file: target, names }) =>
      file.startsWith('src/nn/') && target.startsWith('src/core/') && !ofHostValues.includes(target)
        ? names.filter((name) => !exported.has(name) && !checks.test(name)).map((name) => `${file}: ${name}`)
        : [],
    ),
  );
  assert.equal(others, []);
});

test(`no file has more than ${longest} lines`, () => {
  const long = [...sources].filter(([, text]) => text.split('\n').length - 1 > longest);
  assert.equal(
    long.map(([file]) => file),
    [],
  );
});

test.run();
