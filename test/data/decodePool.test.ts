/** Decoding threads share a budget of memory: they wait for one another, and pictures beyond it are refused. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Budget } from '../../src/data/budget.js';
import { DecodePool } from '../../src/data/images/decodePool.js';
import { openImage } from '../../src/data/images/image.js';
import { jpegOf, plainPng } from './files.js';

test('pictures in flight stay within the budget, and all memory is given back', async () => {
  const photo = jpegOf(160, 120, (x, y) => [x, y, 99]);
  const large = jpegOf(240, 240, (x, y) => [x, y, 99]);
  const { memory } = openImage(photo);
  // Room for one of the photographs, and a little more: four threads take turns.
  const budget = new Budget(Math.ceil(1.2 * memory));
  const pool = new DecodePool(4, budget);
  try {
    const files = [
      photo,
      plainPng(9, 9, [1, 2, 3]),
      large,
      photo.subarray(0, 2000),
      photo,
      photo,
      photo,
      photo,
    ];
    const { planes, failures, facts } = await pool.decode(
      files.map((bytes) => ({ bytes })),
      8,
      8,
    );
    assert.equal([...failures.keys()], [2, 3]);
    assert.match(
      failures.get(2)!,
      /^JPEG of 240x240 pixels: takes .* of memory when unpacked, .* may be taken/,
    );
    assert.match(failures.get(3)!, /^damaged JPEG/);
    const first = planes.slice(0, 192);
    assert.ok(first.some((value) => value > 0));
    for (const at of [4, 5, 6, 7]) assert.equal(planes.slice(192 * at, 192 * (at + 1)), first);
    assert.equal([...planes.slice(192, 192 + 2)], [1, 1]);
    assert.is(facts[7]?.width, 160);
    assert.is(budget.left, budget.limit);
  } finally {
    await pool.close();
  }
});

test.run();
