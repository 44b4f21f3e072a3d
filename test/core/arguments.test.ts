/**
 * Wrong arguments, as programs without types give them, to every function and class that the core and `nn` export:
 * one error of ours that begins with the op's name, and no memory taken. A right call stands in the tables; each of
 * its arguments in turn is replaced by what it can't be.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nearestName, readOptions } from '../../src/core/arguments.js';
import * as core from '../../src/index.js';
import { type Device, openDevice, TandemError, type Tensor, tensor } from '../../src/index.js';
import * as nn from '../../src/nn/index.js';

const test = suite('arguments');
let device: Device;
test.before(async () => {
  device = await openDevice('cpu:0', { threads: 1 });
});
test.after(async () => {
  await device.close();
});

const floats = (shape: readonly number[]): Tensor => core.full(shape, 1, { device });
const index = (): Tensor => tensor(Int32Array.of(0, 1), { device });
const identity = (x: unknown): unknown => x;

/** Right arguments of each function. */
function functionCalls(): Record<string, readonly unknown[]> {
  const matrix = floats([2, 2]);
  const images = floats([1, 4, 4, 4]);
  const unary = [
    'abs',
    'contiguous',
    'cos',
    'erf',
    'exp',
    'floor',
    'isnan',
    'log',
    'neg',
    'relu',
    'sigmoid',
    'sin',
  ];
  const binary = [
    'add',
    'div',
    'eq',
    'ge',
    'gt',
    'le',
    'lt',
    'maximum',
    'minimum',
    'mul',
    'ne',
    'pow',
    'sub',
  ];
  return {
    ...Object.fromEntries([...unary, 'sqrt', 'tanh'].map((name) => [name, [matrix]])),
    ...Object.fromEntries(binary.map((name) => [name, [matrix, matrix]])),
    arange: [0, 3, { device }],
    argmax: [matrix, 0],
    avgPool2d: [images, { kernel: 2 }],
    binary: ['twice', core.e.add],
    cast: [matrix, 'int32'],
    clamp: [matrix, 0, 1],
    concat: [[matrix, matrix], 0],
    conv2d: [images, floats([2, 4, 3, 3]), { stride: 1 }],
    crossEntropy: [matrix, index(), 'sum'],
    customOp: [{ op: 'same', value: identity }],
    dropout: [matrix, 0.5, { training: true }],
    exchange: [[matrix], { axis: 1 }],
    expand: [matrix, [3, 2, 2]],
    eye: [2, { device }],
    flatten: [matrix, 0],
    flip: [matrix, 0],
    full: [[2], 1, { device }],
    gradcheck: [core.exp, [core.full([2], 1, { device, dtype: 'float64' })], { step: 1e-6 }],
    gather: [matrix, 1, tensor(Int32Array.of(0, 1), { device, shape: [2, 1] })],
    inLayer: ['conv1', identity],
    indexSelect: [matrix, 0, index()],
    keep: [matrix],
    linear: [matrix, matrix, { relu: true }],
    localResponseNorm: [images, { size: 3 }],
    logSoftmax: [matrix, 0],
    logSumExp: [matrix, { axes: 0 }],
    manualSeed: [1],
    matmul: [matrix, matrix],
    max: [matrix, { axes: 0 }],
    maxPool2d: [images, { kernel: 2 }],
    mean: [matrix, { axes: 0 }],
    min: [matrix, { axes: 0 }],
    mseLoss: [matrix, matrix, 'sum'],
    noGrad: [identity],
    noLeaks: [device, () => 1],
    oneHot: [index(), 3],
    ones: [[2], { device }],
    openDevice: ['cpu:7', { threads: 1 }],
    pad: [floats([2]), [[0, 1]], 0],
    permute: [matrix, [1, 0]],
    rand: [[2], { device }],
    randn: [[2], { device }],
    reshape: [matrix, [4]],
    scope: [identity],
    slice: [matrix, 0, 0, 1],
    softmax: [matrix, 0],
    spatialResponseNorm: [images, { size: 3 }],
    squeeze: [floats([1, 2]), 0],
    stack: [[matrix, matrix], 0],
    sum: [matrix, { axes: 0 }],
    tensor: [[1, 2], { device }],
    to: [matrix, device],
    topk: [matrix, 1, 0],
    transpose: [matrix, 0, 1],
    unary: ['same', identity],
    unsqueeze: [matrix, 0],
    update: [floats([2, 2]), core.e.input(0), [matrix], { params: [] }],
    where: [matrix, matrix, matrix],
    zeros: [[2], { device }],
    all: [matrix, { axes: 0 }],
    bceWithLogitsLoss: [matrix, matrix, 'sum'],
    l1Loss: [matrix, matrix, { reduction: 'none' }],
    nllLoss: [matrix, index(), { ignoreIndex: 1 }],
    smoothL1Loss: [matrix, matrix, { beta: 2 }],
    any: [matrix, { axes: 0 }],
    chunk: [matrix, 2, 0],
    clone: [matrix],
    cumsum: [matrix, 0],
    einsum: ['ij,ij->i', matrix, matrix],
    elu: [matrix, 0.5],
    gelu: [matrix, 'tanh'],
    leakyRelu: [matrix, 0.1],
    norm: [matrix, { p: 1 }],
    silu: [matrix],
    softplus: [matrix, 2],
    sort: [matrix, { axis: 0 }],
    split: [matrix, 1, 0],
    tile: [matrix, [2, 1]],
    tril: [matrix, 1],
    triu: [matrix, 1],
    unfold: [images, 2, { stride: 1 }],
    adaptiveAvgPool2d: [images, [2, 2]],
    batchNorm: [images, { weight: floats([4]) }],
    conv1d: [floats([1, 4, 5]), floats([2, 4, 3]), { stride: 2 }],
    convTranspose1d: [floats([1, 4, 5]), floats([4, 2, 3]), { stride: 2 }],
    convTranspose2d: [images, floats([4, 2, 3, 3]), { stride: 2 }],
    groupNorm: [images, 2, { weight: floats([4]) }],
    layerNorm: [matrix, [2], { weight: floats([2]) }],
    std: [matrix, { axes: 0 }],
    variance: [matrix, { correction: 0 }],
    clipGradNorm: [[withGradient()], 1, { p: 2 }],
    clipGradValue: [[withGradient()], 1],
    chained: [identity],
    cosine: [2, 0.1],
    everyEpochs: [2, 0.5],
    exponential: [0.5],
    oneCycle: [2, { rise: 0.2 }],
    sequential: [[identity], []],
    warmUp: [2, 0.1],
    constant: [0],
    normal: [1],
    uniform: [1],
    parameter: [floats([2]), 'weight'],
  };
}

/** A tensor that has a gradient. */
function withGradient(): Tensor {
  const x = floats([2]);
  x.grad = floats([2]);
  return x;
}

/** Right arguments of each class. */
function classCalls(): Record<string, readonly unknown[]> {
  const groups = [{ params: [nn.parameter(floats([2]))], learningRate: 0.1 }];
  const optimizer = new nn.SGD(groups);
  return {
    Adagrad: [groups, { eps: 1e-9 }],
    Adam: [groups, { eps: 1e-9 }],
    AdamW: [groups, { eps: 1e-9 }],
    RMSprop: [groups, { eps: 1e-9 }],
    Abs: [],
    AdaptiveAvgPool2d: [2],
    BatchNorm1d: [4, { device }],
    BatchNorm2d: [4, { device, momentum: 0.2 }],
    Conv1d: [3, 4, 3, { device }],
    ConvTranspose2d: [3, 4, 3, { device }],
    ELU: [0.5],
    Embedding: [3, 4, { device }],
    GELU: ['tanh'],
    GroupNorm: [2, 4, { device }],
    LayerNorm: [4, { device }],
    LambdaSchedule: [optimizer, identity, { by: 'step' }],
    LeakyReLU: [0.1],
    LogSoftmax: [1],
    ReLU: [],
    SiLU: [],
    Sigmoid: [],
    Softmax: [1],
    Softplus: [2],
    Tanh: [],
    AvgPool2d: [2, { stride: 1 }],
    LocallyConnected2d: [3, 4, 8, 3, { device }],
    Conv2d: [3, 4, 3, { device }],
    Dropout: [0.5, { form: 'paper' }],
    Generator: [1],
    Lambda: [identity],
    Linear: [3, 4, { device }],
    LocalResponseNorm: [{ size: 3 }],
    MaxPool2d: [2, { stride: 1 }],
    PlateauSchedule: [optimizer, { patience: 2 }],
    SGD: [groups],
    Sequential: [new nn.ReLU()],
    SpatialResponseNorm: [{ size: 3 }],
    StepSchedule: [optimizer, { milestones: [1] }],
  };
}

/** Exports that take any arguments at all, look at the machine, or are made by the library alone. */
const exempt = new Set(
  [
    'TandemError ArgumentError GradcheckError LeakError DataError DeviceError DeviceLostError DisposedError KernelError OutOfMemoryError',
    'Tensor Module Layer SlotOptimizer defaultGenerator isDeviceName listAdapters fanInUniform kaimingNormal',
  ].flatMap((names) => names.split(' ')),
);

/** What is nowhere an argument. A text is one where a name belongs, so it is looked at apart. */
const nowhere = (): readonly unknown[] => [null, Promise.resolve(floats([2])), { nonsense: 1 }, true];

/** What a call throws or is rejected with; null when it works. */
async function failure(call: () => unknown): Promise<unknown> {
  try {
    const result = await call();
    if (result instanceof core.Generator || !(result instanceof Object)) return null;
    if ('close' in result && typeof result.close === 'function') await result.close();
    return null;
  } catch (error) {
    return error;
  }
}

function isFunction(value: unknown): value is (...args: unknown[]) => unknown {
  return typeof value === 'function';
}

async function check(
  name: string,
  call: (args: readonly unknown[]) => unknown,
  right: readonly unknown[],
): Promise<void> {
  const refused = async (i: number, wrong: unknown, must: boolean): Promise<void> => {
    const args = right.toSpliced(i, 1, wrong);
    const error = await failure(() => call(args));
    const shown = `${name}, argument ${i} ${String(wrong)}`;
    if (error === null && !must) return;
    assert.instance(error, TandemError, `${shown}: ${error === null ? 'taken' : String(error)}`);
    assert.match(String(error), new RegExp(`(^|: )(${name}|Generator)\\b`), shown);
    if (wrong instanceof Promise && right[i] instanceof core.Tensor)
      assert.match(String(error), /a Promise, expected .*: await it/, shown);
  };
  for (const i of right.keys()) {
    const named = typeof right[i] === 'string';
    for (const wrong of nowhere()) await refused(i, wrong, true);
    await refused(i, 'text', !named || !['unary', 'binary', 'inLayer', 'parameter'].includes(name));
    for (const wrong of [undefined, 3, [], [undefined], Number.NaN]) await refused(i, wrong, false);
  }
}

test('every function names what it was given for a tensor, a device, options, a number or a function', async () => {
  const calls = functionCalls();
  for (const [name, fn] of Object.entries({ ...core, ...nn })) {
    if (!isFunction(fn) || String(fn).startsWith('class') || exempt.has(name)) continue;
    const right = calls[name];
    assert.ok(right, `${name} has no line in this test`);
    await check(name, (args) => fn(...args), right);
  }
});

test('every class does, too', async () => {
  const calls = classCalls();
  for (const [name, made] of Object.entries({ ...core, ...nn })) {
    if (!isFunction(made) || !String(made).startsWith('class') || exempt.has(name)) continue;
    const right = calls[name];
    if (!right && /\bconstructor\(\)/.test(String(made))) continue;
    assert.ok(right, `${name} has no line in this test`);
    await check(name, (args) => Reflect.construct(made, args), right);
  }
});

test('options: unknown keys with the nearest known one, and what is no object of options', () => {
  const read = (given: unknown): unknown =>
    Reflect.apply(readOptions, undefined, ['op', given, { axes: 0, keepDim: false }]);
  const refusals: readonly (readonly [given: unknown, message: string])[] = [
    [{ axis: 0 }, 'op: there is no option axis (did you mean axes?), only axes, keepDim'],
    [{ keepdims: true }, 'op: there is no option keepdims (did you mean keepDim?), only axes, keepDim'],
    [{ dim: 0 }, 'op: there is no option dim, only axes, keepDim'],
    [0, 'op: the argument for options is 0, expected an object of axes, keepDim'],
    ['axes', "op: the argument for options is 'axes', expected an object of axes, keepDim"],
    [[0], 'op: the argument for options is an array, expected an object of axes, keepDim'],
    [null, 'op: the argument for options is null, expected an object of axes, keepDim'],
    [new Int32Array(1), 'op: the argument for options is an Int32Array, expected an object of axes, keepDim'],
  ];
  for (const [given, message] of refusals) {
    assert.throws(
      () => read(given),
      (error: unknown) => error instanceof core.ArgumentError && error.message === message,
      message,
    );
  }
  assert.equal(read({ axes: 2, keepDim: undefined }), { axes: 2, keepDim: false });
  assert.equal(read(undefined), { axes: 0, keepDim: false });
});

test('the nearest name: other spellings, initials, beginnings, a letter or two', () => {
  const known = ['learningRate', 'weightDecay', 'kernel', 'ceilMode', '--learning-rate', '--lrn'];
  const nearest: readonly (readonly [given: string, meant: string | null])[] = [
    ['lr', 'learningRate'],
    ['weight_decay', 'weightDecay'],
    ['kernelSize', 'kernel'],
    ['ceil_mode', 'ceilMode'],
    ['learningrate', 'learningRate'],
    ['kernal', 'kernel'],
    ['dilation', null],
  ];
  for (const [given, meant] of nearest) assert.is(nearestName(given, known), meant, given);
  assert.is(nearestName('--lr', ['--lrn', '--learning-rate']), '--learning-rate');
});

test('host numbers out of the range of a dtype are refused, fractions go toward zero', async () => {
  const refusals: readonly (readonly [call: () => unknown, message: RegExp])[] = [
    [() => tensor([3e9], { device, dtype: 'int32' }), /tensor: 3000000000 is out of the range of int32/],
    [() => tensor([-2147483649], { device, dtype: 'int32' }), /tensor: -2147483649 is out of the range/],
    [() => tensor([Number.NaN], { device, dtype: 'int32' }), /tensor: NaN is out of the range of int32/],
    [() => tensor([300], { device, dtype: 'uint8' }), /tensor: 300 is out of the range of uint8, 0 to 255/],
    [
      () => tensor(Float32Array.of(-1), { device, dtype: 'uint8' }),
      /tensor: -1 is out of the range of uint8/,
    ],
    [() => core.full([2], 256, { device, dtype: 'uint8' }), /full: 256 is out of the range of uint8/],
    [() => core.full([2], Infinity, { device, dtype: 'int32' }), /full: Infinity is out of the range/],
    [() => core.pad(index(), [[0, 1]], 2 ** 31), /pad: 2147483648 is out of the range of int32/],
    [() => core.arange(0, 300, { device, dtype: 'uint8' }), /arange: 256 is out of the range of uint8/],
    [() => core.rand([2], { device, dtype: 'int32' }), /rand: int32 holds no fractions; .*cast\(mul\(rand/],
    [() => core.randn([2], { device, dtype: 'uint8' }), /randn: uint8 holds no fractions/],
  ];
  for (const [call, message] of refusals) assert.throws(call, message);
  const whole = tensor([1.7, -1.7, 2147483647.5], { device, dtype: 'int32' });
  assert.equal(await whole.data(), Int32Array.of(1, -1, 2147483647));
  assert.equal(await tensor([255.9], { device, dtype: 'uint8' }).data(), Uint8Array.of(255));
});

test('a module whose layers are out of sight, and a step without gradients', async () => {
  class Hidden extends nn.Module {
    readonly #layer = new nn.Linear(1, 1, { device });
    forward(x: Tensor): Tensor {
      return this.#layer.forward(x);
    }
  }
  const hidden = new Hidden();
  assert.throws(
    () => new nn.SGD([{ params: hidden.parameters() }]),
    /SGD: got no parameters; .*not in #private ones/,
  );
  const seen = new nn.Linear(1, 1, { device });
  const sgd = new nn.SGD([{ params: seen.parameters() }]);
  assert.throws(() => sgd.step(), /SGD: no parameter has a gradient; call backward\(\)/);
});

test('a state that is none, and a mode that is no switch', async () => {
  const layer = new nn.Linear(2, 1, { device });
  const state = await layer.stateDict();
  const wrong: readonly (readonly [given: unknown, message: RegExp])[] = [
    [Promise.resolve(state), /loadStateDict: the state is a Promise, expected a Map of names .*: await it/],
    [Object.fromEntries(state), /loadStateDict: the state is an object, expected a Map/],
    [undefined, /loadStateDict: the state is undefined/],
    [
      new Map<string, unknown>([...state, ['weight', Float32Array.of(1, 2)]]),
      /loadStateDict: weight isn't { shape, data }/,
    ],
    [new Map<string, unknown>([...state, ['weight', null]]), /loadStateDict: weight is missing/],
  ];
  for (const [given, message] of wrong) {
    assert.throws(() => Reflect.apply(layer.loadStateDict, layer, [given]), message);
  }
  assert.throws(() => Reflect.apply(layer.train, layer, ['no']), /train: on is 'no', expected true or false/);
});

test("backward's gradient is a tensor, too", async () => {
  const loss = core.mean(tensor([1, 2], { device, requiresGrad: true }));
  for (const wrong of [null, 1, 'text', [1], Promise.resolve(loss)]) {
    const error = await failure(() => Reflect.apply(loss.backward, loss, [wrong]));
    assert.instance(error, core.ArgumentError);
    assert.match(String(error), /backward: gradient is .*, expected a Tensor/);
  }
});

test.run();
