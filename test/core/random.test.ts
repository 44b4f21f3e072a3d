/**
 * Threefry against Random123's published known-answer vectors, and what the generators built on it promise.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom, threefry, toUniform } from '../../src/backends/threefry.js';
import { drawOf, Generator, type WordPair } from '../../src/core/random.js';

test("threefry gives the words of Random123's known-answer file (threefry2x32, 20 rounds)", () => {
  const vectors: readonly (readonly [counter: WordPair, key: WordPair, words: WordPair])[] = [
    [
      [0, 0],
      [0, 0],
      [0x6b200159, 0x99ba4efe],
    ],
    [
      [0xffffffff, 0xffffffff],
      [0xffffffff, 0xffffffff],
      [0x1cb996fc, 0xbb002be7],
    ],
    [
      [0x243f6a88, 0x85a308d3],
      [0x13198a2e, 0x03707344],
      [0xc4923a9c, 0x483df7a0],
    ],
  ];
  for (const [counter, key, words] of vectors) assert.equal(threefry(key, counter), words);
});

test('a uniform number is the top 24 bits, exact in float32 and below 1', () => {
  assert.is(toUniform(0), 0);
  assert.is(toUniform(0xff), 0);
  assert.is(toUniform(0x80000000), 0.5);
  assert.is(toUniform(0xffffffff), 1 - 2 ** -24);
  assert.is(Math.fround(toUniform(0xffffffff)), toUniform(0xffffffff));
});

test('a generator set back to an earlier stream hands out the same draws', () => {
  const generator = new Generator(2 ** 40 + 7);
  const first = [generator.next(), generator.next()];
  assert.equal(first[0], { seed: [7, 2 ** 8], stream: 0 });
  generator.stream = 1;
  assert.equal(generator.next(), first[1]);
  assert.equal(drawOf(2 ** 40 + 7, 1), first[1]);
});

test('a seed that is no integer in [0, 2^53) is refused by name', () => {
  for (const seed of [-1, 0.5, NaN, 2 ** 53])
    assert.throws(() => new Generator(seed), /seed .* isn't an integer/);
});

test('uniform and normal numbers have the moments they should', () => {
  const random = new HostRandom(drawOf(1, 0));
  const n = 20000;
  const uniform = Array.from({ length: n }, () => random.uniform());
  const normal = Array.from({ length: n }, () => random.normal());
  const mean = (xs: number[]): number => xs.reduce((sum, x) => sum + x, 0) / xs.length;
  assert.ok(Math.abs(mean(uniform) - 0.5) < 0.01);
  assert.ok(Math.abs(mean(uniform.map((x) => (x - 0.5) ** 2)) - 1 / 12) < 0.003);
  assert.ok(Math.abs(mean(normal)) < 0.03);
  assert.ok(Math.abs(mean(normal.map((x) => x * x)) - 1) < 0.05);
});

test('a permutation holds each integer once, in an order that depends on the draw', () => {
  const one = new HostRandom(drawOf(1, 0)).permutation(100);
  const other = new HostRandom(drawOf(1, 1)).permutation(100);
  assert.equal(
    [...one].sort((a, b) => a - b),
    [...Array(100).keys()],
  );
  assert.not.equal([...one], [...other]);
});

test.run();
