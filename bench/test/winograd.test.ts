/** What Winograd's method is counted to take on a GPU: against the contract's own count, and by hand where that is short. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { methods } from '../../src/backends/winograd.js';
import { root } from '../../support/root.js';
import { type ConvShape, direct, shapes, table, transformCost, winograd } from '../isa/winograd.js';

const navi21 = { multiplyAdds: 11.5e12, bytes: 512e9, pointBytes: 512e9, share: 0.88 };
const [large, , small] = methods.filter(({ taps }) => taps === 3);

test('the shapes are AlexNet’s, with the multiply-adds of its layers', () => {
  const counted = shapes(128).map((shape) => [shape.name, direct(shape, navi21).multiplyAdds / 128] as const);
  assert.equal(counted, [
    ['conv3 forward', 384 * 256 * 9 * 169],
    ['conv3 by the input', 384 * 256 * 9 * 169],
    ['conv4 forward', 384 * 192 * 9 * 169],
    ['conv4 by the input', 384 * 192 * 9 * 169],
    ['conv5 forward', 256 * 192 * 9 * 169],
    ['conv5 by the input', 256 * 192 * 9 * 169],
  ]);
});

test('a convolution counted by hand', () => {
  const shape: ConvShape = { name: '', images: 2, groups: 1, depth: 3, rows: 5, from: [8, 8], to: [8, 8] };
  const taken = winograd(shape, large!, navi21);
  // 2 x 2 tiles of 4 x 4 results in each of two images; a fourth of the multiplications.
  assert.is(taken.multiplyAdds, 36 * 8 * 3 * 5);
  assert.is(4 * taken.multiplyAdds, direct(shape, navi21).multiplyAdds);
  assert.is(taken.held, 4 * 36 * (8 * 3 + 8 * 5 + 3 * 5));
  assert.is(taken.pointBytes, 2 * taken.held);
  assert.is(taken.bytes, taken.pointBytes + 4 * (2 * 3 * 64 + 2 * 5 * 64 + 9 * 15));
  const slow = { ...navi21, bytes: 1, pointBytes: 1 };
  assert.is(winograd(shape, large!, slow).seconds, taken.bytes);
  assert.ok(winograd(shape, small!, navi21).multiplyAdds > taken.multiplyAdds);
  // [1 1 0], [0 1 -1]: four factors; over three columns, then two rows.
  const matrix = [
    [1, 1, 0],
    [0, 1, -1],
  ];
  assert.is(transformCost(matrix), 4 * (3 + 2));
});

test('the table of docs/results.md is what is counted', async () => {
  const text = await readFile(join(root, 'docs/results.md'), 'utf8');
  const lines = table(128, navi21, 1664e9);
  assert.is(lines.length, 2 + 3 * 3 + 3 * 2);
  for (const line of lines.slice(2)) assert.ok(text.includes(line), line);
});

test.run();
