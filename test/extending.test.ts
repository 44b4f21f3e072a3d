/**
 * docs/extending.md shows what runs: each of its snippets stands in an example, word for word, and the examples are run by
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

test('every snippet of docs/extending.md is part of an example', () => {
  const examples = readdirSync(`${root}examples`)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `\n${linesOf(readFileSync(`${root}examples/${name}`, 'utf8')).join('\n')}\n`);
  const page = readFileSync(`${root}docs/extending.md`, 'utf8');
  const snippets = [...page.matchAll(/^```ts\n([\s\S]*?)^```$/gm)].map(([, code = '']) =>
    linesOf(code).join('\n'),
  );
  assert.ok(snippets.length > 5);
  for (const code of snippets) {
    assert.ok(
      examples.some((example) => example.includes(`\n${code}\n`)),
      `in no example:\n${code}`,
    );
  }
});

test.run();
