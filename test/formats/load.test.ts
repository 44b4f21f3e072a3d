/**
 * Weights into modules: what fits, what is reported, and each convention against the numbers it should come to.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError } from '../../src/core/errors.js';
import type { HostTensor, StateDict } from '../../src/core/state.js';
import {
  afterFlatten,
  type Convert,
  cutIntoTowers,
  fromBgr,
  fromHwio,
  fromInOut,
  joinedTowers,
  renamed,
  scaled,
} from '../../src/formats/conventions.js';
import { loadWeights } from '../../src/formats/load.js';
import * as nn from '../../src/nn/index.js';
import { withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';

const counting = (...shape: number[]): HostTensor => ({
  shape,
  data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i),
});
const one = (name: string, tensor: HostTensor): StateDict => new Map([[name, tensor]]);

test('what fits is set, what does not is reported; strict throws with all of it, and changes nothing', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const net = new nn.Sequential(
      new nn.Linear(2, 3, { device }),
      new nn.ReLU(),
      new nn.Linear(3, 1, { device }),
    );
    const before = await net.stateDict();
    const given = new Map<string, HostTensor>([
      ['body.weight', counting(3, 2)],
      ['0.bias', { shape: [3], data: Float64Array.of(1, 2, 3) }],
      ['2.weight', counting(3, 1)],
      ['extra', counting(4)],
      ['unwanted', counting(1)],
    ]);
    const rename = { 'body.weight': '0.weight', unwanted: null };
    const error = await rejection(loadWeights(net, given, { rename }));
    assert.instance(error, ArgumentError);
    assert.is(
      error.message,
      'loadWeights: missing: 2.bias; of another shape: 2.weight (3x1, expected 1x3); left over: extra',
    );
    assert.equal(await net.stateDict(), before);
    assert.equal(await loadWeights(net, given, { rename, strict: false }), {
      loaded: ['0.weight', '0.bias'],
      missing: ['2.bias'],
      left: ['extra'],
      mismatched: [{ name: '2.weight', given: [3, 1], expected: [1, 3] }],
    });
    const after = await net.stateDict();
    assert.equal(after.get('0.weight'), counting(3, 2));
    assert.equal(after.get('0.bias')?.data, Float32Array.of(1, 2, 3));
    assert.equal(after.get('2.weight'), before.get('2.weight'));
    const whole = [...before].map(([name, x]): [string, HostTensor] => [`net.${name}`, x]);
    const report = await loadWeights(net, new Map(whole), { rename: (name) => name.slice(4) });
    assert.equal(report, { loaded: [...before.keys()], missing: [], left: [], mismatched: [] });
    assert.equal(await net.stateDict(), before);
  });
});

test('wrong arguments are named', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const net = new nn.Linear(2, 3, { device });
    const call = (...args: unknown[]) => rejection(Reflect.apply(loadWeights, undefined, args));
    assert.match((await call(3, new Map())).message, /^loadWeights: module is 3, expected a Module/);
    assert.match((await call(net, {})).message, /^loadWeights: tensors is an object, expected a Map/);
    assert.match(
      (await call(net, new Map(), { strikt: 1 })).message,
      /no option strikt \(did you mean strict\?\)/,
    );
  });
});

/** What a conversion makes of one weight. */
function converted(convert: Convert, tensor: HostTensor): [readonly number[], number[]] {
  const { shape, data } = convert(one('w', tensor)).get('w')!;
  return [shape, [...data]];
}

test('kernels, matrices, columns after Flatten, and the order of colours', () => {
  // [KH, KW, in, out] = [1, 2, 3, 2]: w[0][x][i][o] = 6 x + 2 i + o.
  assert.equal(converted(fromHwio(), counting(1, 2, 3, 2)), [
    [2, 3, 1, 2],
    [0, 6, 2, 8, 4, 10, 1, 7, 3, 9, 5, 11],
  ]);
  assert.equal(converted(fromInOut(), counting(2, 3)), [
    [3, 2],
    [0, 3, 1, 4, 2, 5],
  ]);
  // One row that reads [H, W, C] = [1, 2, 3] for maps [C, H, W] = [3, 1, 2].
  assert.equal(converted(afterFlatten('w', [3, 1, 2]), counting(1, 6)), [
    [1, 6],
    [0, 3, 1, 4, 2, 5],
  ]);
  assert.equal(converted(fromBgr('w'), counting(2, 3, 1, 2)), [
    [2, 3, 1, 2],
    [4, 5, 2, 3, 0, 1, 10, 11, 8, 9, 6, 7],
  ]);
  assert.equal(converted(scaled(/w/, 0.5), counting(3))[1], [0, 0.5, 1]);
  // What isn't chosen stays itself.
  const vector = one('v', counting(3));
  for (const convert of [fromHwio(), fromInOut(), fromBgr('w'), scaled('w', 2)])
    assert.is(convert(vector).get('v'), vector.get('v'));
  for (const [convert, message] of [
    [fromHwio('w'), /^fromHwio: w is \[3\], expected \[KH, KW, in, out\]/],
    [fromInOut('w'), /^fromInOut: w is \[3\]/],
    [fromBgr('w'), /^fromBgr: w is \[3\]/],
    [afterFlatten('w', [1, 2, 3]), /^afterFlatten: w is \[3\], expected \[out, 6\]/],
  ] as const)
    assert.throws(() => convert(one('w', counting(3))), message);
});

test('towers are joined and cut; names change, and never fall together', () => {
  const towers = new Map([
    ['a', counting(1, 2)],
    ['b', counting(2, 2)],
  ]);
  const joined = joinedTowers('w', ['a', 'b'])(towers);
  assert.equal([...joined], [['w', { shape: [3, 2], data: Float32Array.of(0, 1, 0, 1, 2, 3) }]]);
  const cut = cutIntoTowers('w', ['x', 'y', 'z'])(joined);
  assert.equal(
    [...cut].map(([name, { shape, data }]) => [name, shape, [...data]]),
    [
      ['x', [1, 2], [0, 1]],
      ['y', [1, 2], [0, 1]],
      ['z', [1, 2], [2, 3]],
    ],
  );
  assert.throws(() => cutIntoTowers('w', ['x', 'y'])(joined), /w is 3x2, which isn't 2 equal parts/);
  assert.throws(() => joinedTowers('w', ['a', 'c'])(towers), /^joinedTowers: c is missing/);
  assert.throws(
    () => joinedTowers('w', ['a', 'b'])(new Map([...towers, ['b', counting(2, 3)]])),
    /b is 2x3 float32, a 1x2 float32/,
  );
  assert.throws(() => renamed(() => 'same')(towers), /^renamed: b becomes same, as another weight does/);
  assert.equal([...renamed((name) => (name === 'a' ? null : 'c'))(towers).keys()], ['c']);
});

test.run();
