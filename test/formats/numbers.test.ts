/** Numbers of files as numbers of tensors: float16, each there is and each rounding. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readNumbers, toHalves } from '../../src/formats/numbers.js';

test('float16: all 65536 come back as they were, and others become the nearest, of two the even one', () => {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const numbers = readNumbers('float16', new Uint8Array(all.buffer));
  assert.instance(numbers, Float32Array);
  if (!(numbers instanceof Float32Array)) return;
  const back = toHalves(numbers);
  for (const [i, value] of numbers.entries())
    assert.ok(Number.isNaN(value) ? (back[i]! & 0x7fff) > 0x7c00 : back[i] === i, `${i}: ${value}`);
  // Between neighbours a < b: below the middle a, above it b, in it the even one.
  for (let i = 0; i < 0x7bff; i++) {
    const middle = (numbers[i]! + numbers[i + 1]!) / 2;
    const beside = middle * 2 ** -52;
    const halves = [...toHalves(Float64Array.of(middle - beside, middle, middle + beside, -middle))];
    const even = i + (i & 1);
    assert.equal(halves, [i, even, i + 1, even | 0x8000], `${i}`);
  }
});

test.run();
