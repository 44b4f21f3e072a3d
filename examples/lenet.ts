/** LeNet on Fashion-MNIST, or any folder of IDX files: `node dist/examples/lenet.js FOLDER RUN [EPOCHS]`. Debian's package
 * dataset-fashion-mnist puts one at /usr/share/datasets/fashion-mnist. Ctrl-C saves and stops, the same command goes on. */
import { openDevice, tensor } from 'tandem-ts';
import { imageBatches, openData } from 'tandem-ts/data';
import { Adam, Conv2d, cosine, Flatten, LambdaSchedule, Linear, MaxPool2d, Sequential } from 'tandem-ts/nn';
import { classification, eventPrinter, fit } from 'tandem-ts/train';

const [path, folder = 'runs/lenet', epochs = '8'] = process.argv.slice(2);
const [data, device] = [await openData(path, { imageSize: 28 }), await openDevice('cpu:0')];
const model = new Sequential(
  new Conv2d(1, 32, 5, { device, padding: 2, relu: true }),
  new MaxPool2d(2),
  new Conv2d(32, 64, 5, { device, relu: true }),
  new MaxPool2d(2),
  new Flatten(),
  new Linear(64 * 5 * 5, 128, { device, relu: true }),
  new Linear(128, data.classes.length, { device }),
);
const optimizer = new Adam(model.parameters(), { learningRate: 0.001 });
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const { history, interrupted } = await fit({
  model,
  optimizer,
  schedule: new LambdaSchedule(optimizer, cosine(Number(epochs)), { by: 'step' }),
  data: imageBatches(data.train, { batchSize: 64, shuffle: true }),
  validation: imageBatches(data.validation, { batchSize: 256 }),
  step: ({ images, labels }) => {
    // Grey pictures have three equal channels: the first is enough.
    const pixels = Float32Array.from({ length: labels.length * 784 }, (_, i) => {
      const picture = Math.floor(i / 784);
      return images[3 * 784 * picture + (i - 784 * picture)]! / 255 - 0.5;
    });
    const x = tensor(pixels, { shape: [labels.length, 1, 28, 28], device });
    return classification(model.forward(x), labels);
  },
  epochs: Number(epochs),
  folder,
  signal: stop.signal,
  on: eventPrinter(process.stdout),
});
console.log(interrupted ? 'stopped; the same command goes on' : `error ${history.at(-1)?.validation?.error}`);
await Promise.all([device.close(), data.close()]);
