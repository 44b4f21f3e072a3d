/** A small network on a folder of images, a folder for each class: `node dist/examples/folders.js IMAGES RUN`. Ctrl-C saves
 * and stops, the same command goes on; RUN holds the log, the last and the best weights. */
import { openDevice, tensor } from 'tandem-ts';
import { imageBatches, openData } from 'tandem-ts/data';
import { Conv2d, Dropout, Flatten, Linear, MaxPool2d, Sequential, SGD, StepSchedule } from 'tandem-ts/nn';
import { classification, eventPrinter, fit } from 'tandem-ts/train';

const [images, folder = 'runs/folders', epochs = '12'] = process.argv.slice(2);
const [data, device] = [await openData(images, { imageSize: 36 }), await openDevice('cpu:0')];
const model = new Sequential(
  new Conv2d(3, 32, 5, { device, padding: 2, relu: true }),
  new MaxPool2d(2),
  new Conv2d(32, 64, 5, { device, padding: 2, relu: true }),
  new MaxPool2d(2),
  new Flatten(),
  new Dropout(0.5),
  new Linear(64 * 8 * 8, data.classes.length, { device }),
);
const optimizer = new SGD([{ params: model.parameters(), learningRate: 0.01 }]);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const { history, interrupted } = await fit({
  model,
  optimizer,
  schedule: new StepSchedule(optimizer, { milestones: [8, 10] }),
  data: imageBatches(data.train, { batchSize: 64, shuffle: true, crop: 32, augment: true }),
  validation: imageBatches(data.validation, { batchSize: 64, crop: 32 }),
  step: ({ images, labels }) => {
    const pixels = Float32Array.from(images, (byte) => byte / 128 - 1);
    const x = tensor(pixels, { shape: [labels.length, 3, 32, 32], device });
    return classification(model.forward(x), labels);
  },
  epochs: Number(epochs),
  folder,
  signal: stop.signal,
  on: eventPrinter(process.stdout),
});
console.log(interrupted ? 'stopped; the same command goes on' : `error ${history.at(-1)?.validation?.error}`);
await Promise.all([device.close(), data.close()]);
