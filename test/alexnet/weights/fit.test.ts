/**
 * Weights of other libraries: each kind's net against PyTorch's logits (reference.py), from tensors and from files that
 * torch.save wrote; what is refused, and how it is said.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Classifier } from '../../../src/alexnet/classifier.js';
import { readWeights } from '../../../src/alexnet/weights/files.js';
import { type FittedWeights, fitWeights } from '../../../src/alexnet/weights/fit.js';
import { isWeightKind, weightKinds } from '../../../src/alexnet/weights/kinds.js';
import { ArgumentError, DataError } from '../../../src/core/errors.js';
import type { HostTensor, StateDict } from '../../../src/nn/module.js';
import { root } from '../../../support/root.js';
import { withDevices } from '../../support/devices.js';
import { thrown } from '../../support/errors.js';
import { pythonWith, runPython } from '../../support/python.js';
import { narrowFile, narrowImages, narrowState, referenceLogits } from './narrow.js';

const test = suite('weights of other libraries');
const kinds = Object.keys(weightKinds).filter(isWeightKind);

/** The largest difference from the reference, as a share of the largest logit. */
function distance(logits: ArrayLike<number>, reference: readonly number[]): number {
  const largest = Math.max(...reference.map(Math.abs));
  return Math.max(...reference.map((value, i) => Math.abs(value - logits[i]!))) / largest;
}

async function logitsOf(fitted: FittedWeights, devices = 1): Promise<Float32Array> {
  const { net, classes, parameters, mean } = fitted;
  let logits = new Float32Array();
  await withDevices(
    Array.from({ length: devices }, () => ({ threads: 1 })),
    async (...opened) => {
      const common = { net, recipe: net.recipe, classes, parameters, mean, seed: 0 };
      const classifier = new Classifier({ ...common, devices: opened });
      const scores = classifier.predict({ images: narrowImages(net.architecture.size) });
      logits = Float32Array.from(await scores.data());
    },
  );
  return logits;
}

for (const kind of kinds) {
  test(`${kind}: logits as PyTorch has them`, async () => {
    const named = kind === 'torchvision' || kind === 'onnx-zoo' ? {} : { kind };
    const fitted = fitWeights({ file: 'w', tensors: narrowFile(kind) }, named);
    assert.is(fitted.kind, kind);
    assert.is(fitted.classes, 10);
    assert.equal(fitted.left, []);
    const off = distance(await logitsOf(fitted), referenceLogits[kind].flat());
    assert.ok(off < 1e-5, `${off}`);
  });
}

test('alexnet: the same on a device for each tower', async () => {
  const fitted = fitWeights({ file: 'w', tensors: narrowFile('alexnet') }, { kind: 'alexnet' });
  assert.ok(distance(await logitsOf(fitted, 2), referenceLogits.alexnet.flat()) < 1e-5);
});

test('files of torch.save, and the reference itself, where there is PyTorch', async () => {
  const python = pythonWith('torch', 'state dicts saved by PyTorch');
  if (python === null) return;
  const folder = await mkdtemp(join(tmpdir(), 'tandem-weights-'));
  try {
    const printed = runPython(python, join(root, 'test/alexnet/weights/reference.py'), folder);
    const logits: typeof referenceLogits = JSON.parse(printed);
    for (const kind of kinds) {
      assert.ok(distance(logits[kind].flat(), referenceLogits[kind].flat()) < 1e-5, kind);
      const file = await readWeights(join(folder, `${kind}.pt`));
      const named = kind === 'torchvision' ? 'torchvision' : kind === 'onnx-zoo' ? 'bvlc-alexnet' : kind;
      const { parameters } = fitWeights(file, { kind: named });
      const tensors = named === 'torchvision' ? narrowFile(kind) : narrowState(kind);
      assert.equal(parameters, fitWeights({ file: 'w', tensors }, { kind: named }).parameters);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

const prefixed = (tensors: StateDict, prefix: string): StateDict =>
  new Map([...tensors].map(([name, tensor]) => [prefix + name, tensor]));

test('names with a common beginning, and with tensors beside them', () => {
  const tensors = new Map([
    ...prefixed(narrowFile('torchvision'), 'state_dict.module.'),
    ['optimizer.state.0.momentum_buffer', { shape: [1], data: new Float32Array(1) }],
  ]);
  const { kind, left } = fitWeights({ file: 'w', tensors });
  assert.is(kind, 'torchvision');
  assert.equal(left, ['optimizer.state.0.momentum_buffer']);
});

test("Caffe's oldest shapes lose their axes of 1", () => {
  const tensors = new Map(
    [...narrowFile('caffenet')].map(([name, { shape, data }]): [string, HostTensor] => {
      const ones = Array.from({ length: 4 - shape.length }, () => 1);
      return [name, { shape: [...ones, ...shape], data }];
    }),
  );
  const { parameters } = fitWeights({ file: 'w', tensors }, { kind: 'caffenet' });
  const plain = fitWeights({ file: 'w', tensors: narrowFile('caffenet') }, { kind: 'caffenet' });
  assert.equal(parameters, plain.parameters);
});

test('a mean of whole images, in the order of the kind', () => {
  const data = Float32Array.from({ length: 3 * 256 * 256 }, (_, i) => i % 251);
  const given = { kind: 'caffenet', mean: { shape: [3, 256, 256], data } } as const;
  const { mean } = fitWeights({ file: 'w', tensors: narrowFile('caffenet') }, given);
  const area = 256 * 256;
  assert.equal(mean.subarray(0, area), data.subarray(2 * area));
  assert.equal(mean.subarray(2 * area), data.subarray(0, area));
  const wrong = thrown(() =>
    fitWeights(
      { file: 'w', tensors: narrowFile('caffenet') },
      { kind: 'caffenet', mean: { shape: [3, 2, 2], data: new Float32Array(12) } },
    ),
  );
  assert.instance(wrong, ArgumentError);
  assert.match(wrong.message, /the mean is 3x2x2, expected \[3\] or 3x256x256/);
});

test('what fits no kind, several, or another than the one named is refused with the way out', () => {
  const changed = (name: string, tensor: HostTensor | null): StateDict => {
    const tensors = new Map(narrowFile('torchvision'));
    if (tensor) tensors.set(name, tensor);
    else tensors.delete(name);
    return tensors;
  };
  const zeros = (...shape: number[]): HostTensor => ({
    shape,
    data: new Float32Array(shape.reduce((a, b) => a * b)),
  });
  const cases: [StateDict, typeof DataError | typeof ArgumentError, RegExp][] = [
    [
      new Map([['layer1.0.weight', zeros(1)]]),
      DataError,
      /w\.pt: its names \(layer1\.0\.weight\) are no AlexNet's/,
    ],
    [
      narrowFile('caffenet'),
      ArgumentError,
      /of several kinds.*say which of bvlc-alexnet, caffenet, alexnet$/,
    ],
    [changed('features.3.weight', null), DataError, /w\.pt: conv2\.weight is missing/],
    [changed('classifier.1.weight', zeros(32, 200)), ArgumentError, /fc6\.weight is 32x200, expected 32x288/],
    [changed('features.3.weight', zeros(12, 3, 5, 5)), DataError, /conv2\.weight is 12x3x5x5; after 8 maps/],
    [
      changed('b.features.0.weight', zeros(1)),
      DataError,
      /two nets: features\.0\.weight and b\.features\.0\.weight/,
    ],
    [changed('conv1.weight', null), ArgumentError, /its names are no caffenet's but torchvision's/],
  ];
  for (const [i, [tensors, type, message]] of cases.entries()) {
    const options = i === cases.length - 1 ? ({ kind: 'caffenet' } as const) : {};
    const error = thrown(() => fitWeights({ file: 'w.pt', tensors }, options));
    assert.instance(error, type);
    assert.match(error.message, message);
  }
});

test.run();
