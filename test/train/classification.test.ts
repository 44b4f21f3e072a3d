/**
 * Classification's metrics: counted by hand, and the same on the device as on the host, also where scores are equal.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { tensor } from '../../src/core/ops/create.js';
import { batchesOf } from '../../src/data/batchSource.js';
import { Dropout, Linear, Sequential } from '../../src/nn/index.js';
import { classification, lossOf, Tally } from '../../src/train/classification.js';
import { evaluate, inferences } from '../../src/train/inference.js';
import { figuresOf, readFigures } from '../../src/train/step.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { withDevices } from '../support/devices.js';
import { rejection } from '../support/errors.js';

const test = suite('classification');
const classes = ['a', 'b', 'c', 'd', 'e', 'f'];

test('loss, top-1 and top-5 errors, class by class', () => {
  const tally = new Tally(classes);
  const rows: [number[], number][] = [
    [[0.5, 0.1, 0.1, 0.1, 0.1, 0.1], 0], // right
    [[0.05, 0.3, 0.25, 0.2, 0.15, 0.05], 0], // last but one of equals, so the fifth
    [[0.2, 0.3, 0.25, 0.15, 0.08, 0.02], 5], // the sixth
    [[0.2, 0.3, 0.25, 0.15, 0.08, 0.02], 2], // the second
  ];
  for (const [row, label] of rows) tally.add(Float32Array.from(row, Math.log), label);
  const report = tally.report();
  const loss = -[0.5, 0.05, 0.02, 0.25].reduce((sum, p) => sum + Math.log(p), 0) / 4;
  assert.ok(Math.abs(report.loss - loss) < 1e-6);
  assert.equal([report.images, report.top1Error, report.top5Error], [4, 3 / 4, 1 / 4]);
  const [a, b, c, , , f] = report.perClass;
  assert.equal(a, { name: 'a', images: 2, top1Error: 0.5, top5Error: 0, takenFor: { name: 'b', images: 1 } });
  assert.equal([b!.images, c!.top1Error], [0, 1]);
  assert.equal([f!.top1Error, f!.top5Error, f!.takenFor!.name], [1, 1, 'b']);
});

test('five classes have no top-5 error; no images, or a label outside the classes, are an error', () => {
  const tally = new Tally(classes.slice(0, 5));
  assert.throws(() => tally.report(), /no readable image to evaluate/);
  assert.throws(() => tally.add(new Float32Array(5), 5), /label 5 is none of the 5 classes/);
  tally.add(Float32Array.of(1, 0, 0, 0, 0), 0);
  assert.ok(Number.isNaN(tally.report().top5Error));
});

test('losses are exact for large scores, whatever is added to them, and for samples learned well', () => {
  for (const shift of [0, 1e5, -1e5]) {
    const loss = lossOf(Float32Array.of(shift + 1, shift, shift - 2), 1);
    const expected = Math.log(Math.exp(1) + 1 + Math.exp(-2));
    assert.ok(Math.abs(loss - expected) < 1e-9, `${loss} with ${shift}`);
  }
  assert.ok(Math.abs(lossOf(Float32Array.of(40, 0), 0) / Math.exp(-40) - 1) < 1e-9);
  assert.is(lossOf(Float32Array.of(1000, 0), 1), 1000);
  assert.ok(Number.isNaN(lossOf(Float32Array.of(Number.NaN, 0), 0)));
});

test('the device counts what the host counts, ties included', async () => {
  const random = seededRandom('classification');
  await withDevices([{ threads: 1 }], async (device) => {
    for (const width of [2, 5, 6, 9]) {
      const count = 50;
      const scores = Float32Array.from({ length: count * width }, () => random.integer(4));
      const labels = Int32Array.from({ length: count }, () => random.integer(width));
      const logits = tensor(scores, { shape: [count, width], device });
      const result = classification(logits, labels, { top5: true });
      const { sums } = await readFigures(figuresOf(result));
      const tally = new Tally(Array.from({ length: width }, (_, i) => `${i}`));
      for (const [i, label] of labels.entries())
        tally.add(scores.subarray(i * width, (i + 1) * width), label);
      const { loss, top1Error, top5Error } = tally.report();
      assert.is(sums.error! / count, top1Error, `${width} classes`);
      if (width > 5) assert.is(sums.top5Error! / count, top5Error);
      else assert.equal([sums.top5Error, top5Error], [undefined, Number.NaN]);
      assert.ok(Math.abs(sums.loss! / count - loss) < 1e-5);
      assert.equal(Object.keys(classification(logits, labels).sums!), ['error']);
    }
  });
});

test('a model is run without dropout, in order, and left as it was; errors and early ends leave nothing', async () => {
  await withDevices([{ threads: 1 }], async (device) => {
    const model = new Sequential(new Linear(2, 3, { device }), new Dropout(0.9));
    model.train();
    const data = batchesOf('rows', 5, { batchSize: 2 }, (indices) =>
      Array.from(indices, (i) => [i, 1 - i]).flat(),
    );
    const forward = (batch: number[]) =>
      model.forward(tensor(batch, { shape: [batch.length / 2, 2], device }));
    const batches = async function* () {
      for await (const [, batch] of data.epoch(0, 0)) yield batch;
    };
    const found: number[][] = [];
    for await (const { batch, numbers } of inferences(model, batches(), forward)) {
      found.push([batch.length / 2, numbers.length / 3]);
      assert.ok(
        numbers.every((x) => x !== 0),
        'dropout was on',
      );
    }
    assert.equal(found, [
      [2, 2],
      [2, 2],
      [1, 1],
    ]);
    assert.ok(model.training);
    const labels = Int32Array.of(0, 1);
    const step = (batch: number[]) => classification(forward(batch), labels.subarray(0, batch.length / 2));
    const seen: [number, number][] = [];
    const onBatch = (done: number, of: number): void => void seen.push([done, of]);
    const metrics = await evaluate(model, data, step, { onBatch });
    assert.equal(Object.keys(metrics!), ['loss', 'error']);
    assert.equal(seen, [
      [1, 3],
      [2, 3],
      [3, 3],
    ]);
    assert.is(await evaluate(model, data, step, { signal: AbortSignal.abort() }), null);
    for await (const _ of inferences(model, batches(), forward)) break;
    const failing = inferences(model, batches(), (batch) => {
      if (batch.length === 2) throw new Error('no more');
      return forward(batch);
    });
    const all = (async () => {
      for await (const _ of failing);
    })();
    assert.is((await rejection(all)).message, 'no more');
    model.dispose();
    assert.is(device.memory().buffers, 0);
  });
});

test.run();
