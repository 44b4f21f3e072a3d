/**
 * Layers: values, gradients and running statistics are PyTorch's, in double precision on a CPU device, and in
 * single precision on another and on WebGPU; PyTorch's state dicts load.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, mul, sum, type Tensor, tensor } from '../../src/index.js';
import * as nn from '../../src/nn/index.js';
import { type HostTensor, Layer, parameter } from '../../src/nn/index.js';
import { inScope } from '../support/scope.js';
import { assertTorch, fixture, type Held, openWithSingle, place } from '../support/torch.js';

const test = suite('layers as PyTorch');
const devices = await openWithSingle();
test.after(async () => {
  await Promise.all(devices.map((device) => device.close()));
});

/** A test on each device. None may leave buffers behind but WebGPU's convolutions, which keep tables of offsets. */
function onEach(name: string, body: (device: Device) => Promise<void>): void {
  for (const device of devices) {
    test(`${name} (${device.kind})`, async () => {
      await inScope(() => body(device));
      if (device.kind === 'cpu') assert.is(device.memory().buffers, 0, 'buffers left behind');
    });
  }
}

interface ModuleCase {
  readonly layer: string;
  readonly arguments: readonly unknown[];
  readonly options: object;
  readonly training: boolean;
  readonly passes: number;
  readonly state: Readonly<Record<string, Held>>;
  readonly x: Held;
  readonly value: Held;
  readonly weights: Held;
  /** By the input; null for indices. */
  readonly gradient: Held | null;
  readonly gradients: Readonly<Record<string, Held>>;
  readonly after: Readonly<Record<string, Held>>;
}

const camel = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
/** Layers that take no device. */
const without = ['AdaptiveAvgPool2d', 'Softmax', 'LogSoftmax'];

/** A layer by its name. */
function make({ layer: name, arguments: args, options }: ModuleCase, device: Device): Layer {
  const all = without.includes(name) ? args : [...args, { ...options, device }];
  const made: unknown = Reflect.construct(Reflect.get(nn, name), all);
  if (!(made instanceof Layer)) throw new TypeError(`${name} is no layer`);
  return made;
}

onEach('layers: values, gradients and what they keep', async (device) => {
  for (const expected of fixture<ModuleCase>('modules')) {
    const { layer: name, options, training, passes, state, x, gradients, after } = expected;
    const what = `${name} ${JSON.stringify(options)} of ${x.shape}, training=${training}`;
    const layer = make(expected, device);
    assert.equal([...layer.namedParameters().keys()], Object.keys(gradients), what);
    assert.equal(
      [...layer.namedParameters(), ...layer.namedBuffers()].map(([path]) => path),
      Object.keys(state),
      what,
    );
    // The same in double precision, which layers themselves aren't made in.
    const own = new Map([...layer.namedParameters(), ...layer.namedBuffers()]);
    const inner = new Map(
      Object.entries(state).map(([path, held]) => {
        const x = place(device, held);
        return [path, path in gradients ? parameter(x) : x];
      }),
    );
    for (const [path, old] of own) {
      old.dispose();
      Reflect.set(layer, camel(path), inner.get(path));
    }
    layer.train(training);
    let [input, value] = [place(device, x), place(device, x)];
    for (let pass = 0; pass < passes; pass++) {
      layer.zeroGrad();
      input = place(device, x, expected.gradient !== null);
      value = layer.forward(input);
      if (value.requiresGrad) sum(mul(value, place(device, expected.weights))).backward();
    }
    await assertTorch(value, expected.value, what);
    if (expected.gradient) await assertTorch(input.grad, expected.gradient, `${what}: gradient`);
    for (const [path, held] of Object.entries(gradients))
      await assertTorch(inner.get(path)!.grad, held, `${what}: gradient by ${path}`);
    for (const [path, held] of Object.entries(after))
      await assertTorch(inner.get(path)!, held, `${what}: ${path}`);
    for (const x of inner.values()) x.dispose();
  }
});

onEach("layers load PyTorch's state dicts under their names", async (device) => {
  for (const expected of fixture<ModuleCase>('modules')) {
    const layer = make(expected, device);
    const given = Object.entries(expected.after).map(
      ([path, { shape, data, dtype }]): [string, HostTensor] => [
        path,
        { shape, data: dtype === 'int32' ? Int32Array.from(data) : Float32Array.from(data) },
      ],
    );
    layer.loadStateDict(new Map(given));
    assert.equal([...(await layer.stateDict())], given, expected.layer);
    layer.dispose();
  }
});

onEach("an embedding's padding row is zeros and stays so; indices outside give NaN", async (device) => {
  const table = new nn.Embedding(4, 2, { device, paddingIdx: 1 });
  const optimizer = new nn.SGD([table.weight], { learningRate: 1, weightDecay: 0 });
  const before = await table.weight.data();
  sum(table.forward(tensor(Int32Array.of(1, 2, 1), { device }))).backward();
  optimizer.step();
  const after = await table.weight.data();
  assert.equal([...after.slice(2, 4)], [0, 0]);
  assert.not.equal([...after.slice(4, 6)], [...before.slice(4, 6)]);
  const outside = await table.forward(tensor(Int32Array.of(4), { device })).data();
  assert.ok(outside.every(Number.isNaN));
  optimizer.dispose();
  table.dispose();
});

onEach('layers refuse what they were not made for, by name', async (device) => {
  const rows = tensor([[1, 2, 3, 4]], { device });
  const made: Layer[] = [];
  const use = (layer: Layer): Tensor => {
    made.push(layer);
    return layer.forward(rows);
  };
  const wrong: readonly (readonly [() => unknown, RegExp])[] = [
    [() => use(new nn.BatchNorm2d(4, { device })), /BatchNorm2d: x is 1x4, expected 4 axes \[N, C, H, W\]/],
    [() => use(new nn.BatchNorm1d(4, { device })), /batchNorm: x is 1x4, expected more than one element/],
    [() => new nn.GroupNorm(3, 4, { device }), /GroupNorm: groups=3 must divide the 4 input/],
    [() => use(new nn.LayerNorm(3, { device })), /layerNorm: x is 1x4, expected it to end in \[3\]/],
    [
      () => new nn.Embedding(4, 2, { device, paddingIdx: 4 }),
      /Embedding: paddingIdx is 4, expected a row of 4/,
    ],
    [() => use(new nn.Embedding(4, 2, { device })), /Embedding: x is float32, expected int32/],
    [() => new nn.Conv1d(3, 4, 2, { device, groups: 2 }), /Conv1d: groups=2 must divide the 3 input/],
    [() => new nn.ConvTranspose2d(4, 3, 2, { device, groups: 2 }), /ConvTranspose2d: groups=2 must divide/],
  ];
  for (const [f, message] of wrong) assert.throws(f, message);
  for (const layer of made) layer.dispose();
});

test.run();
