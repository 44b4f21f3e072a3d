/** What a tensor shows of itself: its elements once read, nested arrays, arrays of its dtype. */
import { inspect } from 'node:util';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ArgumentError, ones, openDevice, tensor } from '../../src/index.js';
import { parameter, SGD } from '../../src/nn/index.js';
import { rejection } from '../support/errors.js';

const device = await openDevice('cpu:0', { threads: 1 });
test.after(() => device.close());

test('elements are printed once they were read, until they are written over', async () => {
  const w = parameter(tensor([[3, -1]], { device }));
  assert.is(String(w), 'Tensor(1x2 float32, cpu:0, requires grad)');
  await w.data();
  assert.is(inspect(w), 'Tensor(1x2 float32, cpu:0, requires grad)\n[[3, -1]]');
  const sgd = new SGD([{ params: [w], learningRate: 1, weightDecay: 0 }]);
  w.grad = ones([1, 2], { device });
  sgd.step();
  assert.is(String(w), 'Tensor(1x2 float32, cpu:0, requires grad)');
  await w.item().catch(() => {});
  await w.data();
  assert.match(String(w), /\[\[2, -2\]\]$/);
  const many = tensor(
    Array.from({ length: 2000 }, (_, i) => i),
    { device },
  );
  await many.data();
  assert.is(String(many), 'Tensor([2000] float32, cpu:0)\n[0, 1, 2, 3, 4, 5, ..]');
  many.dispose();
  assert.is(String(many), 'Tensor([2000] float32, cpu:0, disposed)');
});

test('elements as nested arrays, and as an array of the dtype asked for', async () => {
  const x = tensor([[[1, 2]], [[3, 4]]], { device, dtype: 'int32' });
  assert.equal(await x.array(), [[[1, 2]], [[3, 4]]]);
  assert.is(await tensor(5, { device }).array(), 5);
  const whole: Int32Array = await x.data('int32');
  assert.equal(whole, Int32Array.of(1, 2, 3, 4));
  const error = await rejection(x.data('float32'));
  assert.instance(error, ArgumentError);
  assert.is(error.message, 'data: the tensor is int32, not float32; use cast() first');
});

test('a tensor is no number, where JavaScript would make one of it', () => {
  const x: unknown = ones([2], { device });
  assert.throws(
    () => Number(x),
    (error: unknown) => {
      assert.instance(error, ArgumentError);
      assert.match(
        String(error),
        "Tensor([2] float32, cpu:0) isn't a number: use add(), gt() and the like, or await x.item()",
      );
      return true;
    },
  );
  assert.is(`${x}`, 'Tensor([2] float32, cpu:0)');
});

test('a tensor prints as what it is', () => {
  const x = tensor([[1, 2]], { device, requiresGrad: true });
  assert.is(String(x), 'Tensor(1x2 float32, cpu:0, requires grad)');
  x.dispose();
  assert.is(String(x), 'Tensor(1x2 float32, cpu:0, disposed)');
});

test.run();
