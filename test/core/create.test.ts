/** Tensors that are made: of numbers, of ranges, of nested and typed arrays, in each dtype. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DType } from '../../src/core/shape.js';
import { add, arange, cast, eye, full, mean, mul, ones, tensor, zeros } from '../../src/index.js';
import { leaklessOnEach, list, openEachKind } from './devices.js';

const test = suite('create');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

const onEach = leaklessOnEach(test, devices);

onEach('made tensors: full, zeros, ones, arange, eye, nested arrays, typed arrays', async (device) => {
  for (const dtype of ['float32', 'int32', 'uint8'] as const satisfies readonly DType[]) {
    const x = full([2, 3], 7, { device, dtype });
    assert.is(x.dtype, dtype);
    assert.equal(await list(x), [7, 7, 7, 7, 7, 7]);
  }
  assert.is(await zeros([], { device }).item(), 0);
  assert.equal(await list(ones([2, 1], { device })), [1, 1]);
  assert.equal(await list(arange(1, 4, { device })), [1, 2, 3]);
  assert.equal(await list(arange(5, 0, { device, step: -2, dtype: 'int32' })), [5, 3, 1]);
  assert.equal(await list(arange(3, 1, { device })), []);
  for (const dtype of ['float32', 'uint8'] as const) {
    const identity = eye(3, { device, dtype });
    assert.equal([identity.dtype, ...identity.shape], [dtype, 3, 3]);
    assert.equal(await list(identity), [1, 0, 0, 0, 1, 0, 0, 0, 1]);
  }
  const nested = tensor([[[1], [2]]], { device, requiresGrad: true });
  assert.equal([...nested.shape], [1, 2, 1]);
  assert.is(nested.requiresGrad, true);
  assert.is(tensor(Int32Array.of(1, 2), { device }).dtype, 'int32');
  assert.is(tensor(Uint8Array.of(1, 2), { device, dtype: 'float32' }).dtype, 'float32');
  assert.equal([...tensor(new Float32Array(6), { device, shape: [3, 2] }).shape], [3, 2]);
  const data = Float32Array.of(1, 2);
  const copied = tensor(data, { device });
  data[0] = 9;
  assert.equal(await list(copied), [1, 2], 'data given is copied');
  assert.equal(await list(zeros([0, 3], { device })), []);
});

onEach('float64 on CPU devices keeps doubles', async (device) => {
  if (device.kind !== 'cpu') {
    assert.throws(() => zeros([1], { device, dtype: 'float64' }), /zeros: webgpu:0 has no float64 tensors/);
    return;
  }
  const x = tensor(Float64Array.of(1 / 3, 1e300), { device });
  assert.is(add(x, tensor([1, 1], { device })).dtype, 'float64');
  assert.equal(await list(mul(x, 2)), [2 / 3, 2e300]);
  assert.is((await list(cast(x, 'float32')))[0], Math.fround(1 / 3));
  assert.is(await mean(x).item(), (1 / 3 + 1e300) / 2);
});

test.run();
