/** Pixels to planes, of any number and beyond the piece that is done at a time. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { planesOf } from '../../src/data/images/planes.js';

test('pixels become planes', () => {
  for (const area of [1, 2, 15, 16, 17, 100, 65536, 65536 + 21]) {
    const pixels = Uint8Array.from({ length: 3 * area }, (_, i) => (7 * i) % 251);
    const planes = planesOf(pixels);
    assert.is(planes.length, 3 * area);
    const wrong = planes.findIndex((x, at) => x !== pixels[3 * (at % area) + Math.floor(at / area)]);
    assert.is(wrong, -1, `${area} pixels`);
  }
});

test.run();
