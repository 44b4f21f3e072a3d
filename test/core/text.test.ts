/** Text for people: what terminals, reports and pictures must not get. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { formatBytes, formatElements, nest } from '../../src/core/text.js';
import { printable } from '../../src/formats/printable.js';

test('names keep their letters and lose what a terminal obeys', () => {
  for (const name of ['n01440764/1.JPEG', 'café', 'cafe\u0301', '猫/犬.png', '🐱', 'a\\b "c" %20 #1?', '']) {
    assert.is(printable(name), name);
  }
  assert.is(printable('x\u001b[31mred\n001.png'), 'x\\u001b[31mred\\u000a001.png');
  assert.is(
    printable('bad\u001b]0;title\u0007\r\nerror: all is well'),
    'bad\\u001b]0;title\\u0007\\u000d\\u000aerror: all is well',
  );
  assert.is(printable('\u0000\u007f\u009b2J'), '\\u0000\\u007f\\u009b2J');
  assert.is(printable('gnp.\u202ecod'), 'gnp.\\u202ecod');
  assert.is(printable('half \ud83d'), 'half \\ud83d');
  assert.is(printable(printable('a\nb')), 'a\\u000ab');
});

test('bytes in units of a thousand', () => {
  assert.equal([0, 999, 1000, 1_234_567, 2 ** 31, 5e12].map(formatBytes), [
    '0 B',
    '999 B',
    '1 kB',
    '1.23 MB',
    '2.15 GB',
    '5000 GB',
  ]);
});

test('elements as nested arrays and as text', () => {
  assert.is(nest([3], []), 3);
  assert.equal(nest([1, 2, 3, 4, 5, 6], [2, 3]), [
    [1, 2, 3],
    [4, 5, 6],
  ]);
  assert.equal(nest([], [2, 0]), [[], []]);
  assert.is(formatElements([0.123456], []), '0.1235');
  assert.is(formatElements([1, Number.NaN, 1e-7], [3]), '[1, NaN, 1e-7]');
  assert.is(formatElements([1, 2, 3, 4], [2, 1, 2]), '[[[1, 2]],\n [[3, 4]]]');
});

test.run();
