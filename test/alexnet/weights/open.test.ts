/**
 * Weights from elsewhere as trained networks: formats by their endings, names of classes in all their forms, what is
 * exported comes back, and both forms of dropout give the same answers.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loadClassifier } from '../../../src/alexnet/evaluation.js';
import { small } from '../../../src/alexnet/networks.js';
import { withDropoutForm } from '../../../src/alexnet/weights/exported.js';
import { weightKinds } from '../../../src/alexnet/weights/kinds.js';
import { parseLabels } from '../../../src/alexnet/weights/labels.js';
import { openWeights } from '../../../src/alexnet/weights/open.js';
import { DataError } from '../../../src/core/errors.js';
import { encodeNpy } from '../../../src/formats/npy.js';
import { encodeNpz } from '../../../src/formats/npz.js';
import { encodeSafetensors } from '../../../src/formats/safetensors.js';
import type { HostTensor, StateDict } from '../../../src/nn/module.js';
import { field, message } from '../../formats/protobufWriter.js';
import { withDevices } from '../../support/devices.js';
import { rejection, thrown } from '../../support/errors.js';
import { narrowFile, narrowImages, narrowState, referenceLogits } from './narrow.js';

const test = suite('weights from files');
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-open-'));
});
test.after(() => rm(folder, { recursive: true, force: true }));

const put = async (name: string, ...pieces: readonly (Uint8Array | string)[]): Promise<string> => {
  const path = join(folder, name);
  await writeFile(path, Buffer.concat(pieces.map((piece) => Buffer.from(piece))));
  return path;
};
const safetensors = (tensors: StateDict): Uint8Array[] => encodeSafetensors({ tensors, metadata: {} });

test('one file, a set of files, an archive of arrays: the same network', async () => {
  const state = narrowFile('torchvision');
  const expected = await openWeights(await put('one.safetensors', ...safetensors(state)));
  assert.is(expected.kind, 'torchvision');
  // A file of that name that no export wrote says nothing.
  await put('one.json', '{"about": "something else"}');
  assert.equal(await openWeights(join(folder, 'one.safetensors')), expected);
  assert.match(
    expected.input,
    /^shorter side to 256 pixels, 224 x 224 of the centre, RGB \/ 255, less 0\.485/,
  );
  const [first, second] = [[...state].slice(0, 5), [...state].slice(5)].map((part) => new Map(part));
  await put('m-1.safetensors', ...safetensors(first!));
  await put('m-2.safetensors', ...safetensors(second!));
  const places = [...state.keys()].map((name) => [
    name,
    first!.has(name) ? 'm-1.safetensors' : 'm-2.safetensors',
  ]);
  const index = await put(
    'model.safetensors.index.json',
    JSON.stringify({ weight_map: Object.fromEntries(places) }),
  );
  for (const path of [index, await put('a.npz', ...encodeNpz(state))])
    assert.equal((await openWeights(path)).parameters, expected.parameters);
  const error = await rejection(openWeights(await put('a.h5', 'x')));
  assert.instance(error, DataError);
  assert.match(error.message, /a\.h5: weights are read from files ending in \.pt, \.pth/);
});

/** The layers of a grouped net, as Caffe's files list them: conv1 and what comes after it by type, then the others. */
const caffeLayers = (order: readonly string[]): [name: string, type: string][] => [
  ['conv1', 'Convolution'],
  ...order.map((type): [string, string] => [`${type}1`, type]),
  ...['conv2', 'conv3', 'conv4', 'conv5'].map((name): [string, string] => [name, 'Convolution']),
  ...['fc6', 'fc7', 'fc8'].map((name): [string, string] => [name, 'InnerProduct']),
];

/** Numbers of types in Caffe's older files. */
const v1Types: Readonly<Record<string, number>> = {
  Convolution: 4,
  InnerProduct: 14,
  LRN: 15,
  Pooling: 17,
  ReLU: 18,
};

/** A `.caffemodel` of a narrow net: newer with shapes, or older with four sizes each. */
function caffemodel(state: StateDict, order: readonly string[], older: boolean): Uint8Array {
  const blob = ({ shape, data }: HostTensor): number[][] => {
    const four = [...Array.from({ length: 4 - shape.length }, () => 1), ...shape];
    const sizes = older
      ? four.map((n, i) => field.int(i + 1, n))
      : [field.message(7, field.packedInts(1, shape))];
    return [...sizes, field.packedFloats(5, [...data])];
  };
  const [name, type, blobs] = older ? [4, 5, 6] : [1, 2, 7];
  return message(
    field.text(1, 'net'),
    ...caffeLayers(order).map(([layer, kind]) =>
      field.message(
        older ? 2 : 100,
        field.text(name!, layer),
        older ? field.int(type!, v1Types[kind]!) : field.text(type!, kind),
        ...['weight', 'bias'].flatMap((what) => {
          const tensor = state.get(`${layer}.${what}`);
          return tensor ? [field.message(blobs!, ...blob(tensor))] : [];
        }),
      ),
    ),
  );
}

test("Caffe's files tell by the order of their layers which net they are, old and new", async () => {
  const state = narrowFile('bvlc-alexnet');
  for (const [kind, order] of [
    ['bvlc-alexnet', ['ReLU', 'LRN', 'Pooling']],
    ['caffenet', ['ReLU', 'Pooling', 'LRN']],
  ] as const) {
    const expected = await openWeights(await put('state.npz', ...encodeNpz(state)), { kind });
    for (const older of [false, true]) {
      const opened = await openWeights(await put('net.caffemodel', caffemodel(state, order, older)));
      assert.is(opened.kind, kind);
      assert.equal(opened.parameters, expected.parameters);
    }
  }
  const bare = await put('bare.caffemodel', caffemodel(state, [], false));
  assert.match((await rejection(openWeights(bare))).message, /say which of bvlc-alexnet, caffenet, alexnet/);
});

test("the constants of the ONNX zoo's model, and numbers in a file beside it", async () => {
  const state = narrowFile('onnx-zoo');
  const tensor = (name: string, { shape, data }: HostTensor, start: number): number[] => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const entry = (key: string, value: string): number[] =>
      field.message(13, field.text(1, key), field.text(2, value));
    const beside = [entry('location', 'numbers.bin'), entry('offset', `${start}`), field.int(14, 1)];
    const inside = [field.message(9, [...bytes])];
    return field.message(
      5,
      ...[...shape.map((n) => field.int(1, n)), field.int(2, 1), field.text(8, name)],
      ...(name.startsWith('fc6') ? beside : inside),
    );
  };
  const outside: Uint8Array[] = [];
  let start = 0;
  const tensors = [...state].map(([name, held]) => {
    const written = tensor(name, held, start);
    if (name.startsWith('fc6')) {
      outside.push(new Uint8Array(held.data.buffer));
      start += held.data.byteLength;
    }
    return written;
  });
  await put('numbers.bin', ...outside);
  const opened = await openWeights(
    await put('zoo.onnx', message(field.message(7, ...tensors), field.message(8, field.int(2, 12)))),
  );
  assert.is(opened.kind, 'onnx-zoo');
  const expected = await openWeights(await put('zoo.npz', ...encodeNpz(state)));
  assert.equal(
    [...opened.parameters].map(([name, { shape, data }]) => [name, { shape, data }]),
    [...expected.parameters],
  );
});

test('a mean of its own, and its classes by name', async () => {
  const path = await put('caffe.npz', ...encodeNpz(narrowFile('caffenet')));
  const mean = await put('mean.npy', ...encodeNpy({ shape: [3], data: Float32Array.of(1, 2, 3) }));
  const numbered = await openWeights(path, { kind: 'caffenet', mean });
  assert.is(numbered.labels, null);
  assert.is(numbered.run.classes[3], 'class 3');
  assert.is(numbered.mean[0], 3, 'R is the last of B, G, R');
  const labels = await put(
    'labels.txt',
    [...'abcdefghij'].map((name, i) => `n0000000${i} ${name}, x\n`).join(''),
  );
  const named = await openWeights(path, { kind: 'caffenet' });
  assert.is(named.labels, labels);
  assert.is(named.run.classes[2], 'n00000002');
  assert.is(named.run.classNames?.[2], 'c, x');
  await rm(labels);
});

test('names of classes: a line each, with ids, as JSON; wrong numbers are refused', () => {
  const read = (text: string, count: number) => parseLabels(new TextEncoder().encode(text), 'l', count);
  assert.equal(read('a b\nb\n', 2), { classes: ['a b', 'b'] });
  assert.equal(read('n01440764 tench, x\nn01443537 goldfish', 2), {
    classes: ['n01440764', 'n01443537'],
    classNames: ['tench, x', 'goldfish'],
  });
  assert.equal(read('["crane", "crane"]', 2), { classes: ['crane (0)', 'crane (1)'] });
  assert.equal(read('{"1": "b", "0": "a"}', 2), { classes: ['a', 'b'] });
  assert.equal(read('{"0": ["n01440764", "tench"]}', 1), { classes: ['n01440764'], classNames: ['tench'] });
  for (const [text, count, message] of [
    ['a\nb', 3, /^l: names 2 classes, the network has 3$/],
    ['{"0": "a", "2": "b"}', 2, /^l: names 2 classes, but none of number 1$/],
    ['[1]', 1, /^l: /],
  ] as const) {
    const error = thrown(() => read(text, count));
    assert.instance(error, DataError);
    assert.match(error.message, message);
  }
});

test('both forms of dropout give the same logits, and halves come back to the bit', async () => {
  const inverted = narrowState('alexnet');
  const { architecture } = weightKinds.alexnet;
  const paper = withDropoutForm(architecture, inverted, 'inverted', 'paper');
  assert.not.equal(paper, inverted);
  assert.equal(paper.get('fc6.weight'), inverted.get('fc6.weight'));
  assert.equal(withDropoutForm(architecture, paper, 'paper', 'inverted'), inverted);
  const path = await put('alexnet.npz', ...encodeNpz(inverted));
  const opened = await openWeights(path, { kind: 'alexnet' });
  const recipe = { ...opened.run.recipe, dropoutForm: 'paper' } as const;
  await withDevices([{ threads: 1 }, { threads: 1 }], async (...devices) => {
    const logits = [];
    for (const each of [opened, { ...opened, run: { ...opened.run, recipe }, parameters: paper }]) {
      const classifier = loadClassifier(each, devices);
      const scores = classifier.predict({ images: narrowImages(224) });
      logits.push(await scores.data());
      scores.dispose();
      classifier.dispose();
    }
    assert.equal(logits[0], logits[1]);
    const [scores] = logits;
    assert.ok(referenceLogits.alexnet.flat().every((value, i) => Math.abs(value - scores![i]!) < 1e-3));
  });
  const early = {
    ...small,
    layers: small.layers.map((layer) => ({
      ...layer,
      stages: [{ kind: 'dropout', p: 0.5 } as const, ...layer.stages],
    })),
  };
  assert.throws(
    () => withDropoutForm(early, new Map(), 'paper', 'inverted'),
    /small: what conv1 drops can't be told/,
  );
});

test.run();
