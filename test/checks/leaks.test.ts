/**
 * Leak reports on each kind of device: what is live is named by op, shape and the place in this file that made it; and
 * nothing is kept account of unless it was asked for.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  ArgumentError,
  add,
  type Device,
  inLayer,
  LeakError,
  mul,
  noLeaks,
  reshape,
  scope,
  sum,
  type Tensor,
  tensor,
  to,
  zeros,
} from '../../src/index.js';
import { Linear } from '../../src/nn/index.js';
import { openEachKind } from '../core/devices.js';
import { rejection, thrown } from '../support/errors.js';

const test = suite('leaks');
const devices = await openEachKind();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});
/** A test on each device, which leaves nothing there. */
function onEach(name: string, body: (device: Device) => Promise<void> | void): void {
  for (const device of devices) {
    test(`${name} (${device.kind})`, async () => {
      await body(device);
      assert.is(device.memory().buffers, 0);
    });
  }
}

onEach('live tensors are named by op, name, layer and place, views are none of their own', (device) => {
  assert.match(
    thrown(() => device.liveTensors()).message,
    /^liveTensors: (cpu|webgpu):0 keeps no account of them; call trackTensors\(\) before$/,
  );
  const before = zeros([1], { device });
  device.trackTensors();
  const x = tensor([[1, 2]], { device, requiresGrad: true });
  const y = inLayer('conv1', () => mul(x, x));
  const view = reshape(x, [2]);
  const layer = new Linear(2, 3, { device, bias: false });
  layer.namedParameters();
  const [ofX, ofY, ofWeight, ...more] = device.liveTensors();
  assert.equal(more, []);
  assert.equal(
    [ofX!.op, ofX!.shape, ofX!.dtype, ofX!.bytes, ofX!.layer],
    ['tensor', [1, 2], 'float32', 8, ''],
  );
  assert.equal([ofY!.op, ofY!.layer], ['mul', 'conv1']);
  assert.is(ofWeight!.name, 'weight');
  for (const each of [ofX, ofY, ofWeight])
    assert.match(each!.place, /test\/checks\/leaks\.test\.js:\d+:\d+$/);
  const text = /^mul 1x2 float32, 8 bytes in conv1, made at file:.*leaks\.test\.js:\d+:\d+$/;
  assert.match(String(ofY), text);
  for (const each of [x, layer]) each.dispose();
  // The view holds the elements, and the tape of y does.
  assert.equal(
    device.liveTensors().map((each) => each.op),
    ['tensor', 'mul'],
  );
  y.dispose();
  view.dispose();
  assert.equal(device.liveTensors(), []);
  assert.ok(device.trackTensors(false));
  assert.not.ok(device.trackTensors(false));
  before.dispose();
});

onEach('noLeaks names what is left, and hands on what the function gives and throws', async (device) => {
  const held: Tensor[] = [];
  const error = await rejection(
    noLeaks(device, () => {
      const x = tensor([1, 2, 3], { device });
      scope(() => sum(mul(x, 2)).item());
      held.push(x, add(x, 1));
    }),
  );
  assert.instance(error, LeakError);
  const [first, ...lines] = error.message.split('\n');
  assert.is(first, 'noLeaks: 2 tensors are left; make them in a scope, or call dispose():');
  assert.match(
    lines[0]!,
    /^ {2}(cpu|webgpu):0: tensor \[3\] float32, 12 bytes, made at .*leaks\.test\.js:\d+:\d+$/,
  );
  assert.match(lines[1]!, /^ {2}(cpu|webgpu):0: add \[3\] float32, 12 bytes/);
  assert.is(lines.length, 2);
  assert.not.ok(device.trackTensors(false));
  // What was there before is none of its business.
  assert.is(await noLeaks(device, async () => held.length), 2);
  for (const x of held) x.dispose();
  const own = await rejection(noLeaks(device, () => Promise.reject(new RangeError('mine'))));
  assert.instance(own, RangeError);
  assert.is(await noLeaks(device, () => scope(() => sum(tensor([1, 2], { device })).item())), 3);
});

test('several devices are looked at together', async () => {
  if (devices.length < 2) return;
  const [first, second] = devices;
  let copy: Tensor | undefined;
  const error = await rejection(
    noLeaks(devices, () => {
      copy = scope(() => to(tensor([1], { device: first! }), second!));
    }),
  );
  assert.match(error.message, /^noLeaks: 1 tensor is left; .*\n {2}webgpu:0: to \[1\] float32/);
  copy?.dispose();
});

test('what is no device or function is one error', async () => {
  const refused = async (message: RegExp, ...args: unknown[]): Promise<void> => {
    const error = await rejection(Reflect.apply(noLeaks, undefined, args));
    assert.instance(error, ArgumentError);
    assert.match(error.message, message);
  };
  await refused(/^noLeaks: device is null, expected a Device/, null, () => 1);
  await refused(
    /^noLeaks: device is a Promise, expected a Device: await it/,
    Promise.resolve(devices[0]),
    () => 1,
  );
  await refused(/^noLeaks: device is 'cpu:0', expected a Device/, ['cpu:0'], () => 1);
  await refused(/^noLeaks: fn is a Promise, expected a function: await it/, devices[0], Promise.resolve(1));
  assert.match(
    thrown(() => Reflect.apply(devices[0]!.trackTensors, devices[0], ['yes'])).message,
    /^trackTensors: on is 'yes', expected true or false$/,
  );
});

test.run();
