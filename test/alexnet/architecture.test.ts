/**
 * The tables against the paper's numbers, by arithmetic: sizes, parameters, multiply-adds, crossings; and tables that
 * make no sense.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type Architecture,
  crossings,
  joinedShapes,
  multiplyAdds,
  type PlacedLayer,
  type Placement,
  parameterCount,
  placeLayers,
  trainingMultiplyAdds,
} from '../../src/alexnet/architecture.js';
import * as tables from '../../src/alexnet/networks.js';
import { ArgumentError } from '../../src/core/errors.js';

const alexnet = placeLayers(tables.alexnet, tables.twoTowers());

/** All towers together: output `CxHxW`, weights, biases, multiply-adds. */
const figures = (layers: readonly PlacedLayer[]): unknown[] => {
  const macs = multiplyAdds(layers);
  return layers.map(({ spec, towers }) => {
    const sum = (of: (tower: PlacedLayer['towers'][number]) => number): number =>
      towers.reduce((total, tower) => total + of(tower), 0);
    const [, height, width] = towers[0]!.output;
    const weights = sum((tower) => tower.weight.reduce((a, b) => a * b));
    const output = [sum((tower) => tower.output[0]), height, width].join('x');
    return [spec.name, output, weights, sum((tower) => tower.kernels), macs.get(spec.name)];
  });
};

test("AlexNet's layers have the paper's sizes, weights and multiply-adds", () => {
  assert.equal(figures(alexnet), [
    ['conv1', '96x27x27', 34_848, 96, 105_415_200],
    ['conv2', '256x13x13', 307_200, 256, 223_948_800],
    ['conv3', '384x13x13', 884_736, 384, 149_520_384],
    ['conv4', '384x13x13', 663_552, 384, 112_140_288],
    ['conv5', '256x6x6', 442_368, 256, 74_760_192],
    ['fc6', '4096x1x1', 37_748_736, 4096, 37_748_736],
    ['fc7', '4096x1x1', 16_777_216, 4096, 16_777_216],
    ['fc8', '1000x1x1', 4_096_000, 1000, 4_096_000],
  ]);
  const positions = alexnet.map((layer) => layer.towers[0]!.positions.join('x'));
  assert.equal(positions, ['55x55', '27x27', '13x13', '13x13', '13x13', '1x1', '1x1', '1x1']);
  const biases = alexnet.map((layer) => [layer.spec.std, layer.spec.bias]);
  assert.equal(
    biases,
    [0, 1, 0, 1, 1, 1, 1, 0].map((bias) => [0.01, bias]),
  );
});

test('in all: 60,965,224 parameters, 724,406,816 multiply-adds, 2,067.8 million in training', () => {
  assert.is(parameterCount(alexnet), 60_965_224);
  assert.is(
    [...multiplyAdds(alexnet).values()].reduce((a, b) => a + b),
    724_406_816,
  );
  assert.is(trainingMultiplyAdds(alexnet), 3 * 724_406_816 - 105_415_200);
  assert.is((trainingMultiplyAdds(alexnet) / 1e6).toFixed(1), '2067.8');
  assert.is(parameterCount(placeLayers(tables.alexnet, tables.halfSize())), 59_798_312);
  assert.is(
    parameterCount(placeLayers(tables.alexnet, tables.twoTowers(10))),
    60_965_224 - 990 * 4097,
    'another number of classes changes the last layer alone',
  );
});

test("what crosses between AlexNet's towers is what the paper's figure shows", () => {
  assert.equal(crossings(alexnet), [
    { layer: 'conv3', from: 0, to: 1, floats: 21_632 },
    { layer: 'conv3', from: 1, to: 0, floats: 21_632 },
    { layer: 'fc6', from: 0, to: 1, floats: 4608 },
    { layer: 'fc6', from: 1, to: 0, floats: 4608 },
    { layer: 'fc7', from: 0, to: 1, floats: 2048 },
    { layer: 'fc7', from: 1, to: 0, floats: 2048 },
    { layer: 'fc8', from: 1, to: 0, floats: 2048 },
  ]);
  const forward = crossings(alexnet).reduce((sum, { floats }) => sum + floats, 0);
  assert.is(forward, 58_624);
  assert.is(2 * forward * 4, 468_992, 'bytes of an image, gradients included');
  assert.equal(crossings(placeLayers(tables.alexnet, tables.halfSize())), []);
});

test('towers count their kernels on, and read what they should', () => {
  const [conv1, conv2, conv3] = alexnet;
  assert.equal(
    conv1!.towers.map((tower) => [tower.start, tower.input, tower.weight]),
    [
      [0, [3, 224, 224], [48, 3, 11, 11]],
      [48, [3, 224, 224], [48, 3, 11, 11]],
    ],
  );
  assert.equal(conv1!.padding, [0, 0, 3, 3]);
  assert.equal(conv2!.towers[1]!.input, [48, 27, 27]);
  assert.equal(conv3!.towers[1]!.input, [256, 13, 13]);
  assert.equal(alexnet.at(-1)!.towers[1], {
    kernels: 0,
    start: 1000,
    input: [4096, 1, 1],
    output: [0, 1, 1],
    positions: [1, 1],
    weight: [0, 4096],
  });
});

test("the small network has AlexNet's form: towers of equal halves that talk at the same layers", () => {
  const small = placeLayers(tables.small, tables.smallTowers());
  assert.equal(
    small.map((layer) => [layer.spec.name, layer.reads, layer.spec.stages.map((stage) => stage.kind)]),
    alexnet.map((layer) => [layer.spec.name, layer.reads, layer.spec.stages.map((stage) => stage.kind)]),
  );
  assert.equal(small.map((layer) => layer.towers[0]!.output.slice(1).join('x')).slice(0, 5), [
    '16x16',
    '8x8',
    '8x8',
    '8x8',
    '4x4',
  ]);
});

test("the CIFAR-10 nets have cuda-convnet's sizes", () => {
  const outputs = (layers: readonly PlacedLayer[]): string[] =>
    layers.map((layer) => layer.towers[0]!.output.join('x'));
  assert.equal(outputs(placeLayers(tables.cifar80sec, tables.place80sec())), [
    '32x16x16',
    '32x8x8',
    '64x4x4',
    '64x1x1',
    '10x1x1',
  ]);
  assert.equal(outputs(placeLayers(tables.cifar18pct, tables.place18pct())), [
    '32x16x16',
    '32x8x8',
    '64x4x4',
    '10x1x1',
  ]);
  const local = placeLayers(tables.cifar11pct, tables.place11pct());
  assert.equal(outputs(local), ['64x12x12', '64x6x6', '64x6x6', '32x6x6', '10x1x1']);
  assert.equal(local[2]!.towers[0]!.weight, [64, 6, 6, 64, 3, 3]);
  assert.equal(joinedShapes(local).get('local3.bias'), [64, 6, 6]);
  assert.is(multiplyAdds(local).get('local3'), 64 * 36 * 64 * 9);
});

const net: Architecture = {
  name: 'net',
  channels: 3,
  size: 8,
  layers: [
    { name: 'conv1', conv: { kernel: 3 }, stages: [], std: 1, bias: 0 },
    { name: 'fc2', stages: [], std: 1, bias: 0 },
  ],
};
const places: Placement = {
  conv1: { kernels: [4, 4], reads: 'image' },
  fc2: { kernels: [5, 0], reads: 'all' },
};

test('tables that make no sense are refused with the layer and the reason', () => {
  const refused = (architecture: Architecture, placement: Placement, message: RegExp): void => {
    assert.throws(
      () => placeLayers(architecture, placement),
      (error: unknown) => error instanceof ArgumentError && message.test(error.message),
      String(message),
    );
  };
  assert.is(placeLayers(net, places).length, 2);
  refused(net, { conv1: places.conv1! }, /net: layer fc2 has no place/);
  refused(net, { ...places, fc3: places.fc2! }, /places fc3, but there is no such layer/);
  refused({ ...net, layers: [net.layers[0]!, net.layers[0]!] }, { conv1: places.conv1! }, /same name/);
  const fc2 = (kernels: number[], reads: 'image' | 'own' | 'all' = 'all'): Placement => ({
    ...places,
    fc2: { kernels, reads },
  });
  refused(net, fc2([5]), /fc2 has 1 towers, the layer before 2/);
  refused(net, fc2([5, 0], 'image'), /fc2 reads 'image'; the first layer reads 'image'/);
  refused(net, { ...places, conv1: { kernels: [4, 4], reads: 'own' } }, /conv1 reads 'own'/);
  for (const kernels of [[], [0, 0], [-1, 6], [2.5, 2.5], [Number.NaN, 5]]) {
    refused(net, { ...places, conv1: { kernels, reads: 'image' } }, /conv1 has \[.*\] kernels/);
  }
  refused(
    net,
    { conv1: { kernels: [8, 0], reads: 'image' }, fc2: { kernels: [5, 5], reads: 'own' } },
    /fc2 on tower 1 reads its own maps, but the layer before has none there/,
  );
  refused({ ...net, size: 2 }, places, /conv1: a 2x2 map is too small/);
});

test.run();
