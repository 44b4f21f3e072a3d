/**
 * What images go through before the network: mean, colour and scale against arithmetic on the host; ten crops as the
 * average of ten single ones; hidden vectors that the last layer turns into the scores.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { averageOverCrops, Classifier, type Input } from '../../src/alexnet/classifier.js';
import { answersOf, reportOf, validate } from '../../src/alexnet/evaluation.js';
import { type Net, nets, type Recipe } from '../../src/alexnet/recipes.js';
import { openDevice } from '../../src/backends/open.js';
import { HostRandom } from '../../src/backends/threefry.js';
import type { Device } from '../../src/core/device.js';
import { tensor } from '../../src/core/ops/create.js';
import { drawOf } from '../../src/core/random.js';
import { scope } from '../../src/core/scope.js';
import { noGrad } from '../../src/core/tape.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import { meanCrops, tenCrops } from '../../src/data/images/cuts.js';
import { softwareDriver } from '../../support/driver.js';
import { openEachKind } from '../core/devices.js';
import { assertClose, onHost, withDevices } from '../support/devices.js';

const test = suite('classifier');
const random = new HostRandom(drawOf(5, 0));
const side = 40;
const size = 32;
const classes = 7;
const bytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.integer(256));
const mean = Float32Array.from({ length: 3 * side * side }, () => 255 * random.uniform());
const net: Net = nets.small;

function classifierOn(devices: readonly Device[], changes: Partial<Recipe> = {}): Classifier {
  const recipe = { ...net.recipe, imageSize: side, batchSize: 20, ...changes };
  return new Classifier({ net, recipe, classes, devices, seed: 1, mean });
}

/** (pixels - mean + colour) * scale, image by image; the scale is one for all channels, or one for each. */
function expected(input: Required<Input>, means: Float32Array, scale: number | readonly number[]): number[] {
  const area = size * size;
  return Array.from(input.images, (pixel, i) => {
    const m = means.length === input.images.length ? i : i % means.length;
    const plane = Math.floor(i / area);
    const factor = typeof scale === 'number' ? scale : scale[plane % 3]!;
    return (pixel - means[m]! + input.colour[plane]!) * factor;
  });
}

const input: Required<Input> = {
  images: bytes(3 * 3 * size * size),
  offsets: Int32Array.of(0, 8, 3, 1, 4, 4),
  mirrored: Uint8Array.of(0, 1, 1),
  colour: Float32Array.from({ length: 9 }, () => 20 * random.normal()),
};

const driver = await softwareDriver();

test('a grey image into three channels is refused with the way out', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const classifier = classifierOn([device]);
    assert.throws(
      () => classifier.upload({ images: bytes(size * size) }),
      /1024 bytes aren't whole images of 3x32x32; a grey image gives its one channel 3 times/,
    );
    classifier.dispose();
  });
});

test('subtracts the mean under each crop, mirrored as it is, and adds the colour, on every kind of device', async () => {
  await withDevices([{ threads: 1 }], async (cpu) => {
    const gpu = driver === null ? null : await openDevice('webgpu:0', { driver, checkPrograms: true });
    try {
      const colourNoise = { form: 'sqrt', deviation: 0.1, divisor: 1.1, until: null } as const;
      const devices = gpu ? [cpu, gpu] : [cpu];
      const means = meanCrops(mean, side, size, input);
      for (const inputScale of [0.5, [0.5, 0.25, 2]]) {
        const classifier = classifierOn(devices, { mean: 'crop', inputScale, colourNoise });
        const scale = typeof inputScale === 'number' ? inputScale / 1.1 : inputScale.map((s) => s / 1.1);
        const data = expected(input, means, scale);
        for (const x of classifier.upload(input)) {
          assertClose(await onHost(x), { shape: [3, 3, size, size], data }, `input on ${x.device.name}`);
          x.dispose();
        }
        classifier.dispose();
      }
      for (const device of devices) assert.is(device.memory().buffers, 0, device.name);
    } finally {
      await gpu?.close();
    }
  });
});

test('subtracts the centre of the mean from every crop when so told', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const classifier = classifierOn([device], { mean: 'centre', inputScale: 2 });
    const still = { ...input, colour: new Float32Array(9) };
    const [x] = classifier.upload({ images: input.images, offsets: input.offsets, mirrored: input.mirrored });
    const middle = { offsets: Int32Array.of(4, 4), mirrored: Uint8Array.of(0) };
    const data = expected(still, meanCrops(mean, side, size, middle), 2);
    assertClose(await onHost(x!), { shape: [3, 3, size, size], data }, 'input');
    x!.dispose();
    classifier.dispose();
  });
});

test('ten crops: probabilities are the mean of those of the ten', async () => {
  await withDevices([{ threads: 1 }, { threads: 1 }], async (...devices) => {
    const classifier = classifierOn(devices);
    const images = bytes(3 * 3 * side * side);
    const data = new MemoryDataset(
      'three',
      ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
      [3, side, side],
      images,
      Int32Array.of(2, 0, 6),
    );
    const labels: number[] = [];
    const averaged: number[] = [];
    for await (const batch of classifier.scores(data, 10)) {
      averaged.push(...Array.from(batch.scores, Math.exp));
      labels.push(...batch.labels);
    }
    assert.equal(labels, [2, 0, 6]);
    const crops = tenCrops(images, side, size);
    const logits = classifier.predict(crops);
    const each = await onHost(logits);
    logits.dispose();
    const wanted = new Float64Array(3 * classes);
    for (let i = 0; i < 30; i++) {
      const row = Array.from(each.data).slice(i * classes, (i + 1) * classes);
      const total = row.reduce((sum, x) => sum + Math.exp(x), 0);
      for (let c = 0; c < classes; c++)
        wanted[Math.floor(i / 10) * classes + c]! += Math.exp(row[c]!) / total / 10;
    }
    assertClose(
      { shape: [3, classes], data: Float32Array.from(averaged) },
      { shape: [3, classes], data: wanted },
      'p',
    );
    const report = await validate(classifier, data, 10);
    if (!report) return assert.unreachable();
    const loss = [2, 0, 6].reduce((sum, label, i) => sum - Math.log(wanted[i * classes + label]!) / 3, 0);
    assert.is(report.images, 3);
    assert.ok(Math.abs(report.loss / loss - 1) < 1e-6, `loss ${report.loss}, expected ${loss}`);
    const answers = await answersOf(classifier, data, 10);
    assertClose(
      { shape: [3, classes], data: answers.probabilities },
      { shape: [3, classes], data: wanted },
      'p',
    );
    assert.equal(reportOf(answers, data.classes).top1Error, report.top1Error);
    assert.is(await validate(classifier, data, 10, { signal: AbortSignal.abort() }), null);
    classifier.dispose();
  });
});

test('ten crops: classes below the smallest float32 stay finite, on every kind of device', async () => {
  const devices = await openEachKind();
  for (const device of devices) {
    for (const low of [-80, -95, -102, -150, -1000]) {
      const logits = [0, low, -5, 0, low - 1, -7, 0, 1, 2, 0, 1, 2];
      const scores = await scope(() =>
        averageOverCrops(tensor(Float32Array.from(logits), { device, shape: [4, 3] }), 2).data(),
      );
      const [first = 0, second = 0] = [5, 7].map((x) => Math.log1p(Math.exp(-x)));
      const lowest = low + Math.log((Math.exp(-first) + Math.exp(-1 - second)) / 2);
      assert.ok(Math.abs(scores[1]! / lowest - 1) < 1e-6, `${device.name}: ${scores[1]}, expected ${lowest}`);
      const last = -Math.log(1 + Math.exp(-1) + Math.exp(-2));
      assert.ok(Math.abs(scores[5]! / last - 1) < 1e-6, `${device.name}: ${scores[5]}, expected ${last}`);
    }
    await device.close();
  }
});

test('hidden vectors are what the last layer scores, the same on one device and two', async () => {
  await withDevices([{ threads: 1 }, { threads: 1 }], async (one, other) => {
    const found = [];
    for (const devices of [[one], [one, other]]) {
      const classifier = classifierOn(devices);
      const hidden = classifier.features(input);
      assert.equal([...hidden.shape], [3, 128]);
      const scores = classifier.predict(input);
      classifier.network.eval();
      const again = noGrad(() => scope(() => classifier.network.classify(hidden)));
      assertClose(await onHost(again), await onHost(scores), 'scores');
      found.push(await onHost(hidden));
      for (const x of [hidden, scores, again]) x.dispose();
      classifier.dispose();
    }
    assertClose(found[1]!, found[0]!, 'hidden');
  });
});

test.run();
