/**
 * Pages that show what runs: each snippet of theirs stands in an example, word for word, and the examples are run by
 * examples.test.ts.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { root } from '../support/root.js';

/** Lines without indentation and blank lines. */
const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');

const examples = readdirSync(`${root}examples`)
  .filter((name) => name.endsWith('.ts'))
  .map((name) => `\n${linesOf(readFileSync(`${root}examples/${name}`, 'utf8')).join('\n')}\n`);

for (const [page, least] of [
  ['docs/extending.md', 6],
  ['docs/porting.md', 3],
] as const) {
  test(`every snippet of ${page} is part of an example`, () => {
    const text = readFileSync(root + page, 'utf8');
    const snippets = [...text.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = '']) =>
      linesOf(code).join('\n'),
    );
    assert.ok(snippets.length >= least);
    for (const code of snippets) {
      assert.ok(
        examples.some((example) => example.includes(`\n${code}\n`)),
        `in no example:\n${code}`,
      );
    }
  });
}

test.run();
