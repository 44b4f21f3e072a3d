/**
 * The page of all functions is as the source has it, and every function and class has its sentence.
 */
import { readFileSync } from 'node:fs';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { referencePage } from '../support/reference.js';
import { root } from '../support/root.js';

test('docs/reference.md is up to date (npm run reference)', () => {
  assert.is(readFileSync(`${root}docs/reference.md`, 'utf8'), referencePage());
});

test('every exported function and class has a docstring', () => {
  const bare = [...referencePage().matchAll(/^\| \[`(\w+)`\].* \| {2}\|$/gm)].map(([, name]) => name);
  assert.equal(bare, []);
});

test.run();
