/**
 * What ops say to wrong arguments: the class of the error, and a message that names the op, what was given, and the
 * way out. A refused op takes no memory.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { DType } from '../../src/core/shape.js';
import * as tandem from '../../src/index.js';
import {
  ArgumentError,
  type Device,
  DeviceError,
  DisposedError,
  full,
  ones,
  openDevice,
  type Tensor,
  tensor,
  zeros,
} from '../../src/index.js';
import { rejection, thrown } from '../support/errors.js';

const test = suite('messages');
let device: Device;
let other: Device;

test.before(async () => {
  device = await openDevice('cpu:0', { threads: 1 });
  other = await openDevice('cpu:1', { threads: 1 });
});
test.after(async () => {
  await Promise.all([device.close(), other.close()]);
});

/** Operands made so far, each a buffer. */
let operands = 0;

function operand(shape: number[], dtype: DType): Tensor {
  operands++;
  return full(shape, 1, { device, dtype });
}

const make = (...shape: number[]): Tensor => operand(shape, 'float32');
const ints = (...shape: number[]): Tensor => operand(shape, 'int32');

/** What throws, and what it should say. */
type Case = readonly [call: () => unknown, message: string];

/** Checks class and message of each, and that nothing is held afterwards. */
function refuses(name: string, kind: new (message: string) => Error, cases: () => readonly Case[]): void {
  test(name, () => {
    tandem.scope(() => {
      for (const [call, message] of cases()) {
        const before = device.memory().buffers - operands;
        let error: unknown;
        try {
          call();
        } catch (thrown) {
          error = thrown;
        }
        if (!(error instanceof Error)) throw new Error(`nothing was thrown; expected: ${message}`);
        assert.is(error.message, message);
        assert.instance(error, kind, `${message}: ${error.name}`);
        assert.is(device.memory().buffers - operands, before, `${message}: memory was taken`);
      }
    });
  });
}

const {
  add,
  arange,
  argmax,
  avgPool2d,
  concat,
  conv2d,
  crossEntropy,
  dropout,
  expand,
  flip,
  gather,
  indexSelect,
  linear,
  localResponseNorm,
  matmul,
  maxPool2d,
  mseLoss,
  mul,
  oneHot,
  pad,
  permute,
  reshape,
  slice,
  spatialResponseNorm,
  squeeze,
  stack,
  sum,
  topk,
  transpose,
  unsqueeze,
} = tandem;

refuses('shapes that do not fit', ArgumentError, () => [
  [() => add(make(2, 3), make(4)), "add: shapes 2x3, [4] don't broadcast: axis 1 has both 3 and 4"],
  [
    () => matmul(make(2, 3), make(4, 5)),
    'matmul: 2x3 by 4x5: 3 columns meet 4 rows; transpose() one of them?',
  ],
  [
    () => matmul(make(2, 3, 4), make(3, 4, 5)),
    "matmul: shapes [2], [3] don't broadcast: axis 0 has both 2 and 3",
  ],
  [() => matmul(make(3), make(3, 2)), 'matmul: a is [3]; reshape() it to a matrix'],
  [
    () => linear(make(2, 3), make(4, 5)),
    'linear: x 2x3 has 3 features, weight expects 5: flatten() images first',
  ],
  [
    () => linear(make(2, 3, 1), make(4, 3)),
    'linear: x 2x3x1 has 1 features, weight expects 3: flatten() images first',
  ],
  [() => mseLoss(make(2, 1), make(2)), 'mseLoss: x is 2x1, target [2]; reshape() one, they must agree'],
  [
    () => stack([make(2, 3), make(2, 3), make(3, 2)]),
    'stack: 2x3 and 3x2 differ; concat() joins along an axis they have',
  ],
  [() => stack([]), 'stack: got no tensor'],
  [() => squeeze(make(2, 1), 0), 'squeeze: axis 0 of 2x1 has more than one element'],
  [() => unsqueeze(make(2, 1), 3), "unsqueeze: axis 3 doesn't exist in a tensor of 3 axes"],
  [
    () => linear(make(2, 3), make(4, 3), { bias: make(3) }),
    'linear: bias is [3] float32, expected [4] float32, one for each output',
  ],
  [() => crossEntropy(make(2, 3), ints(3)), 'crossEntropy: logits 2x3 and 3 labels'],
  [
    () => concat([make(2, 3), make(3, 3)], 1),
    "concat: 2x3 float32, 3x3 float32 can't be joined along axis 1: other sizes and dtypes must agree",
  ],
  [
    () => concat([make(2), ints(2)], 0),
    "concat: [2] float32, [2] int32 can't be joined along axis 0: other sizes and dtypes must agree",
  ],
  [() => concat([], 0), 'concat: got no tensor'],
  [() => gather(make(2, 3), 1, ints(3, 3)), "gather: index 3x3 for x 2x3: all sizes but axis 1's must agree"],
  [() => indexSelect(make(2, 3), 0, ints(1, 2)), 'indexSelect: index is 1x2, expected 1 axes [J]'],
  [() => expand(make(2, 3), [3, 3]), "expand: 2x3 doesn't broadcast to 3x3"],
  [() => expand(make(1), [-2]), "expand: [-2] isn't a shape: sizes must be whole numbers from 0"],
  [() => pad(make(2, 3), [[1, 1]]), 'pad: widths [1,1] for 2x3: two whole numbers an axis'],
]);

refuses('reshape, slice and axes that are not there', ArgumentError, () => [
  [
    () => reshape(make(2, 3), [4, -1]),
    "reshape: 2x3 has 6 elements, [4, -1] doesn't fit; the sizes must multiply to as many, and one of them may be -1",
  ],
  [
    () => reshape(make(1), [-1, -1]),
    "reshape: [1] has 1 elements, [-1, -1] doesn't fit; the sizes must multiply to as many, and one of them may be -1",
  ],
  [
    () => slice(make(2, 3), 1, 2, 4),
    'slice: 2 to 4 along axis 1 of 2x3; expected whole numbers within 0 to 3 (or from the end, down to -3) in rising order',
  ],
  [() => sum(make(2, 3), { axes: [0, 2] }), "sum: axis 2 doesn't exist in a tensor of 2 axes"],
  [() => flip(make(2), -2), "flip: axis -2 doesn't exist in a tensor of 1 axes"],
  [() => transpose(make(2, 3), 0, 5), "transpose: axis 5 doesn't exist in a tensor of 2 axes"],
  [() => permute(make(2, 3), [0, 0]), "permute: [0, 0] isn't an order of the axes of 2x3"],
  [() => permute(make(2, 3), [1]), "permute: [1] isn't an order of the axes of 2x3"],
  [() => topk(make(2, 3), 4), 'topk: k=4 of 3 elements along axis -1 of 2x3'],
  [() => argmax(make(2), 1), "argmax: axis 1 doesn't exist in a tensor of 1 axes"],
]);

refuses('conv2d: channels, groups, kernels, options', ArgumentError, () => [
  [
    () => conv2d(make(1, 48, 5, 5), make(96, 96, 3, 3)),
    'conv2d: input 1x48x5x5 has 48 channels, weight 96x96x3x3 expects 96 with groups=1: exchange() the other parts first',
  ],
  [
    () => conv2d(make(1, 96, 5, 5), make(128, 48, 3, 3)),
    'conv2d: input 1x96x5x5 has 96 channels, weight 128x48x3x3 expects 48 with groups=1: pass groups=2',
  ],
  [
    () => conv2d(make(1, 48, 5, 5), make(128, 48, 3, 3), { groups: 2 }),
    'conv2d: input 1x48x5x5 has 48 channels, weight 128x48x3x3 expects 96 with groups=2: pass groups=1 or exchange() the other parts first',
  ],
  [
    () => conv2d(make(1, 3, 5, 5), make(4, 2, 3, 3)),
    'conv2d: input 1x3x5x5 has 3 channels, weight 4x2x3x3 expects 2 with groups=1: the two numbers must agree',
  ],
  [
    () => conv2d(make(2, 1, 5, 6), make(4, 3, 3, 3)),
    'conv2d: input 2x1x5x6 has 1 channel, weight 4x3x3x3 expects 3 with groups=1: expand() the one channel of grey images, to 2x3x5x6',
  ],
  [
    () => conv2d(make(1, 4, 5, 5), make(3, 2, 3, 3), { groups: 2 }),
    "conv2d: groups=2 doesn't divide the 3 output channels",
  ],
  [
    () => conv2d(make(1, 1, 2, 5), make(1, 1, 4, 3), { padding: [1, 0, 0, 0] }),
    "conv2d: a 4x3 window doesn't fit into 2x5 padded by [1, 0, 0, 0]",
  ],
  [
    () => conv2d(make(1, 1, 5, 5), make(1, 1, 3, 3), { stride: 0 }),
    'conv2d: stride is [0, 0], expected one or two whole numbers from 1',
  ],
  [
    () => conv2d(make(1, 1, 5, 5), make(1, 1, 3, 3), { padding: [1, -1] }),
    'conv2d: padding is [1, -1], expected one, two or four whole numbers from 0',
  ],
  [() => conv2d(make(1, 5, 5), make(1, 1, 3, 3)), 'conv2d: x is 1x5x5, expected 4 axes [N, C, H, W]'],
  [
    () => conv2d(make(1, 1, 5, 5), make(2, 1, 3, 3), { bias: make(2, 1) }),
    'conv2d: bias is 2x1 float32, expected [2] float32, one for each output',
  ],
]);

refuses('pooling and normalization', ArgumentError, () => [
  [
    () => maxPool2d(make(1, 1, 2, 2), { kernel: 3 }),
    "maxPool2d: a 3x3 window doesn't fit into 2x2 padded by [0, 0, 0, 0]",
  ],
  [
    () => avgPool2d(make(1, 1, 4, 4), { kernel: 2, padding: 2 }),
    'avgPool2d: padding [2, 2, 2, 2] must be less than the kernel [2, 2]',
  ],
  [() => maxPool2d(make(2, 2), { kernel: 1 }), 'maxPool2d: x is 2x2, expected 4 axes [N, C, H, W]'],
  [
    () => localResponseNorm(make(1, 1, 2, 2), { size: 0 }),
    'localResponseNorm: size is 0, expected a whole number from 1',
  ],
  [
    () => localResponseNorm(make(1, 1, 2, 2), { k: 0 }),
    'localResponseNorm: k=0 must be above 0 and alpha=0.0001 not below 0',
  ],
  [
    () => spatialResponseNorm(make(1, 1, 2, 2), { size: 4 }),
    'spatialResponseNorm: size is 4, expected an odd number',
  ],
  [() => spatialResponseNorm(make(2, 2)), 'spatialResponseNorm: x is 2x2, expected 4 axes [N, C, H, W]'],
]);

refuses('dtypes that an op cannot take', ArgumentError, () => [
  [
    () => matmul(ints(2, 2), ints(2, 2)),
    'matmul: int32 by int32; both must be float32, or both float64: cast() one',
  ],
  [
    () => conv2d(ints(1, 1, 2, 2), ints(1, 1, 1, 1)),
    'conv2d: x is int32, expected float32 or float64; use cast() first',
  ],
  [
    () => conv2d(make(1, 1, 2, 2), operand([1, 1, 1, 1], 'float64')),
    'conv2d: x is float32, weight float64; cast() one',
  ],
  [
    () => maxPool2d(ints(1, 1, 2, 2), { kernel: 2 }),
    'maxPool2d: x is int32, expected float32 or float64; use cast() first',
  ],
  [
    () => localResponseNorm(ints(1, 1, 2, 2)),
    'localResponseNorm: x is int32, expected float32 or float64; use cast() first',
  ],
  [
    () => crossEntropy(make(2, 3), make(2)),
    'crossEntropy: labels is float32, expected int32; use cast() first',
  ],
  [
    () => crossEntropy(ints(2, 3), ints(2)),
    'crossEntropy: logits is int32, expected float32 or float64; use cast() first',
  ],
  [() => gather(make(2), 0, make(2)), 'gather: index is float32, expected int32; use cast() first'],
  [() => indexSelect(make(2), 0, make(2)), 'indexSelect: index is float32, expected int32; use cast() first'],
  [() => oneHot(make(2), 3), 'oneHot: labels is float32, expected int32; use cast() first'],
]);

refuses('numbers out of range, and data that does not fill a shape', ArgumentError, () => [
  [() => dropout(make(2), 1.5), "dropout: p=1.5 isn't in [0, 1]"],
  [() => oneHot(ints(2), 0), 'oneHot: classes is 0, expected a whole number from 1'],
  [() => arange(0, 1, { device, step: 0 }), 'arange: from 0 to 1 by 0 never ends'],
  [() => add(1, 2), 'add: got only numbers; at least one operand must be a tensor'],
  [() => zeros([2, -1], { device }), "zeros: [2, -1] isn't a shape: sizes must be whole numbers from 0"],
  [() => zeros([1.5], { device }), "zeros: [1.5] isn't a shape: sizes must be whole numbers from 0"],
  [() => tensor([[1, 2], [3]], { device }), 'tensor: [2] and [1] side by side in one array'],
  [
    () => tensor(new Float32Array(5), { device, shape: [2, 3] }),
    "tensor: 5 numbers don't fill a tensor of 2x3",
  ],
  [
    () => tensor(new Float32Array(6), { device, shape: [-2, -3] }),
    "tensor: [-2, -3] isn't a shape: sizes must be whole numbers from 0",
  ],
]);

refuses('tensors on two devices', DeviceError, () => {
  const away = ones([2, 2], { device: other });
  const message = (op: string): string =>
    `${op}: tensors on cpu:0 and cpu:1; move one with to() or join them with exchange() first`;
  const labels = tensor(Int32Array.of(0, 1), { device: other });
  return [
    [() => add(make(2, 2), away), message('add')],
    [() => tandem.where(make(2, 2), away, 1), message('where')],
    [() => matmul(make(2, 2), away), message('matmul')],
    [() => linear(make(2, 2), make(2, 2), { bias: ones([2], { device: other }) }), message('linear')],
    [() => conv2d(make(1, 1, 2, 2), ones([1, 1, 1, 1], { device: other })), message('conv2d')],
    [() => concat([make(2, 2), away], 0), message('concat')],
    [() => crossEntropy(make(2, 2), labels), message('crossEntropy')],
    [() => gather(make(2), 0, labels), message('gather')],
  ];
});

refuses('disposed operands', DisposedError, () => {
  const gone = make(1, 1, 4, 4);
  gone.dispose();
  const flat = make(4);
  flat.dispose();
  const index = ints(4);
  index.dispose();
  const message = (op: string, what = '1x1x4x4 float32'): string =>
    `${op}: this ${what} tensor was disposed of; keep() it, return it from its scope, or use it before`;
  return [
    [() => add(make(4), gone), message('add')],
    [() => tandem.cast(gone, 'int32'), message('cast')],
    [() => matmul(gone, make(4, 4)), message('matmul')],
    [() => conv2d(gone, make(1, 1, 1, 1)), message('conv2d')],
    [() => conv2d(make(1, 1, 2, 2), make(4, 1, 1, 1), { bias: flat }), message('conv2d', '[4] float32')],
    [() => maxPool2d(gone, { kernel: 2 }), message('maxPool2d')],
    [() => avgPool2d(gone, { kernel: 2 }), message('avgPool2d')],
    [() => localResponseNorm(gone), message('localResponseNorm')],
    [() => spatialResponseNorm(gone), message('spatialResponseNorm')],
    [() => tandem.logSoftmax(gone), message('logSoftmax')],
    [() => crossEntropy(make(4, 4), index), message('crossEntropy', '[4] int32')],
    [() => dropout(gone, 0.5), message('dropout')],
    [() => gather(flat, 0, ints(4)), message('gather', '[4] float32')],
    [() => indexSelect(make(4), 0, index), message('indexSelect', '[4] int32')],
    [() => oneHot(index, 3), message('oneHot', '[4] int32')],
    [() => sum(gone), message('sum')],
    [() => tandem.max(gone), message('max')],
    [() => topk(gone, 1), message('topk')],
    [() => reshape(gone, [16]), message('reshape')],
    [() => permute(gone, [0, 1, 3, 2]), message('permute')],
    [() => slice(gone, 0, 0), message('slice')],
    [() => flip(gone, 0), message('flip')],
    [() => expand(gone, [2, 1, 4, 4]), message('expand')],
    [() => tandem.contiguous(gone), message('contiguous')],
    [() => concat([make(1, 1, 4, 4), gone], 0), message('concat')],
    [() => pad(flat, [[1, 1]]), message('pad', '[4] float32')],
    [() => gone.detach(), message('detach')],
    [() => unsqueeze(gone, 0), message('unsqueeze')],
    [() => squeeze(gone), message('squeeze')],
    [() => stack([gone]), message('stack')],
    [() => linear(gone, make(2, 4)), message('linear')],
  ];
});

test('two devices of one name are told apart from one', async () => {
  const twin = await openDevice('cpu:0', { threads: 1 });
  const [x, y] = [make(2), ones([2], { device: twin })];
  assert.throws(() => add(x, y), /^add: tensors on two devices opened as cpu:0; move one with to\(\)/);
  x.dispose();
  await twin.close();
});

test('crossing and reading: rejections that name the op', async () => {
  const x = make(2, 3);
  assert.is((await rejection(x.item())).message, 'item: the tensor is 2x3, not one element');
  x.dispose();
  assert.match(thrown(() => tandem.to(x, other)).message, /^to: this 2x3 float32 tensor was disposed of/);
  assert.match(
    thrown(() => tandem.exchange([x])).message,
    /^exchange: this 2x3 float32 tensor was disposed of/,
  );
});

test('a closed device says so', async () => {
  const brief = await openDevice('cpu:2', { threads: 1 });
  const x = ones([2], { device: brief });
  await brief.close();
  await brief.close();
  const message = /device cpu:2 was closed; open it again and make its tensors anew/;
  assert.throws(() => mul(x, 2), message);
  assert.throws(() => ones([2], { device: brief }), message);
  assert.match((await rejection(x.data())).message, message);
  x.dispose();
});

test('typed arrays of other elements are converted on request, refused otherwise', async () => {
  const shorts: unknown = Uint16Array.of(1, 2);
  // Called as by a program without types.
  const call = (options: object): Tensor => Reflect.apply(tensor, undefined, [shorts, options]);
  assert.throws(() => call({ device }), /tensor: got Uint16Array, expected Float32Array.*pass a dtype/);
  const x = call({ device, dtype: 'float32' });
  assert.equal(await x.data(), Float32Array.of(1, 2));
  x.dispose();
});

test.run();
