/**
 * What the documents point to is there: files behind links, paths of the source in code, commands of package.json.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from '../support/root.js';

const documents = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
  'bench/README.md',
];

const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { scripts: object };

/** Where a path of the source may begin: the architecture names files by their rooms. */
const roots = ['', 'src', 'src/backends', 'docs'];

for (const document of documents) {
  const text = readFileSync(join(root, document), 'utf8');

  test(`links of ${document}`, () => {
    const links = [...text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map(([, link]) => link!);
    const files = links.filter((link) => !/^[a-z]+:/.test(link));
    const missing = files.filter((link) => !existsSync(join(root, dirname(document), link)));
    assert.equal(missing, []);
  });

  test(`files that ${document} names`, () => {
    const named = [...text.matchAll(/`((?:[\w.]+\/)+[\w.]+\.(?:ts|mjs|md|json|svg))`/g)].map(
      ([, path]) => path!,
    );
    const missing = named.filter(
      (path) =>
        !path.startsWith('dist/') &&
        ![...roots, dirname(document)].some((start) => existsSync(join(root, start, path))),
    );
    assert.equal(missing, []);
  });

  test(`commands of ${document}`, () => {
    const run = [...text.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, name]) => name!);
    assert.equal(
      run.filter((name) => !(name in scripts)),
      [],
    );
  });
}

test.run();
