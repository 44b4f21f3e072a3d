/**
 * Caffe's models of both versions, written byte by byte by Caffe's own field numbers: weights under PyTorch's names,
 * layers as the file has them, and damage of every kind.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeCaffe } from '../../src/formats/caffe.js';
import { damageAll, refused } from './damage.js';
import { field, message } from './protobufWriter.js';

const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 0.5);

/** A newer blob: a shape and packed floats. */
const blob = (shape: readonly number[], values: readonly number[]): number[][] => [
  field.message(7, field.packedInts(1, shape)),
  field.packedFloats(5, values),
];
/** An older one: num, channels, height, width, and floats one by one. */
const fourSizes = (
  [n = 1, c = 1, h = 1, w = 1]: readonly number[],
  values: readonly number[],
): number[][] => [
  ...[field.int(1, n), field.int(2, c), field.int(3, h), field.int(4, w)],
  field.floats(5, values),
];

const newer = message(
  field.text(1, 'net'),
  field.message(100, field.text(1, 'data'), field.text(2, 'Input'), field.text(4, 'data')),
  field.message(
    100,
    ...[field.text(1, 'conv1'), field.text(2, 'Convolution'), field.text(3, 'data'), field.text(4, 'conv1')],
    field.message(106, field.int(1, 4), field.int(5, 2)),
    field.message(7, ...blob([4, 1, 1, 2], numbers(8))),
    field.message(7, ...blob([4], numbers(4))),
  ),
  field.message(
    100,
    ...[field.text(1, 'norm'), field.text(2, 'BatchNorm')],
    field.message(7, ...blob([2], [1, 2])),
    field.message(7, ...blob([2], [3, 4])),
    field.message(7, ...blob([1], [5])),
  ),
  field.message(
    100,
    ...[field.text(1, 'fc'), field.text(2, 'InnerProduct')],
    field.message(7, field.message(7, field.packedInts(1, [2, 3])), field.packedDoubles(8, numbers(6))),
    field.message(7, field.message(7, field.int(1, 2)), field.doubles(8, numbers(2))),
  ),
);

const older = message(
  field.message(
    2,
    ...[field.text(4, 'conv1'), field.int(5, 4), field.text(2, 'data'), field.text(3, 'conv1')],
    field.message(10, field.int(1, 2), field.int(5, 2)),
    field.message(6, ...fourSizes([2, 1, 1, 2], numbers(4))),
    field.message(6, ...fourSizes([1, 1, 1, 2], numbers(2))),
  ),
  field.message(
    2,
    ...[field.text(4, 'fc'), field.int(5, 14)],
    field.message(6, ...fourSizes([1, 1, 1, 3], numbers(3))),
    field.message(6, ...fourSizes([1, 1, 1, 1], numbers(1))),
  ),
  field.message(2, field.text(4, 'odd'), field.int(5, 99)),
);

test('a newer file: weights by name, types, groups, doubles, blobs of other layers by number', () => {
  const { name, layers, tensors } = decodeCaffe(newer, 'n.caffemodel');
  assert.is(name, 'net');
  assert.equal(
    layers.map(({ name, type, groups, blobs }) => [name, type, groups, blobs.length]),
    [
      ['data', 'Input', 1, 0],
      ['conv1', 'Convolution', 2, 2],
      ['norm', 'BatchNorm', 1, 3],
      ['fc', 'InnerProduct', 1, 2],
    ],
  );
  assert.equal([layers[1]?.bottoms, layers[1]?.tops], [['data'], ['conv1']]);
  assert.equal(
    [...tensors],
    [
      ['conv1.weight', { shape: [4, 1, 1, 2], data: Float32Array.from(numbers(8)) }],
      ['conv1.bias', { shape: [4], data: Float32Array.from(numbers(4)) }],
      ['norm.0', { shape: [2], data: Float32Array.of(1, 2) }],
      ['norm.1', { shape: [2], data: Float32Array.of(3, 4) }],
      ['norm.2', { shape: [1], data: Float32Array.of(5) }],
      ['fc.weight', { shape: [2, 3], data: Float64Array.from(numbers(6)) }],
      ['fc.bias', { shape: [2], data: Float64Array.from(numbers(2)) }],
    ],
  );
});

test('an older file: four sizes become those of the parameter, types by number', () => {
  const { layers, tensors } = decodeCaffe(older, 'o.caffemodel');
  assert.equal(
    layers.map(({ name, type, groups }) => [name, type, groups]),
    [
      ['conv1', 'Convolution', 2],
      ['fc', 'InnerProduct', 1],
      ['odd', 'V1:99', 1],
    ],
  );
  assert.equal(
    [...tensors],
    [
      ['conv1.weight', { shape: [2, 1, 1, 2], data: Float32Array.from(numbers(4)) }],
      ['conv1.bias', { shape: [2], data: Float32Array.from(numbers(2)) }],
      ['fc.weight', { shape: [1, 3], data: Float32Array.from(numbers(3)) }],
      ['fc.bias', { shape: [1], data: Float32Array.from(numbers(1)) }],
    ],
  );
});

test('what a file may not say', async () => {
  const layer = (...fields: readonly number[][]): Uint8Array =>
    message(field.message(100, field.text(1, 'c'), field.text(2, 'Convolution'), ...fields));
  const refuses = (bytes: Uint8Array, expected: RegExp): Promise<void> =>
    refused('x.caffemodel: ', () => decodeCaffe(bytes, 'x.caffemodel'), expected);
  await refuses(
    layer(field.message(7, ...blob([3], [1, 2]))),
    /c, blob 0: 2 numbers, its shape \[3\] takes 3/,
  );
  await refuses(layer(field.message(7, ...blob([2 ** 40, 2 ** 40], [1]))), /c, blob 0: 1 numbers/);
  await refuses(
    layer(field.message(7, field.text(5, 'abc'))),
    /c, blob 0: field 5 has 3 bytes of numbers of 4/,
  );
  await refuses(layer(field.message(106, field.int(5, 0))), /a convolution of 0 groups/);
  await refuses(layer(), /no layer has weights/);
  await refuses(message(field.int(100, 5)), /wire type 0, expected 2/);
  await refuses(newer.subarray(0, -3), /takes \d+ bytes, \d+ are left/);
  await refuses(new Uint8Array(), /no layer has weights/);
  const twice = [...layer(field.message(7, ...blob([1], [1])))];
  await refuses(message(twice, twice), /two layers c/);
});

test('10,000 damaged files of each version', async () => {
  for (const [name, whole] of [
    ['newer.caffemodel', newer],
    ['older.caffemodel', older],
  ] as const)
    await damageAll(name, whole, 10_000, decodeCaffe);
});

test.run();
