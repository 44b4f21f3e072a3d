/** A small residual network with batch normalization (He 2015) on a folder of images, a folder for each class, or CIFAR-10's
 * own files: `node dist/examples/resnet.js IMAGES RUN [EPOCHS] [DEVICE]`. Ctrl-C saves and stops, the same command goes on. */
import { add, isDeviceName, log, mean, openDevice, reshape, softmax, type Tensor, tensor } from 'tandem-ts';
import { imageBatches, openData, tenCrops } from 'tandem-ts/data';
import {
  BatchNorm2d,
  Conv2d,
  Flatten,
  LambdaSchedule,
  Layer,
  Linear,
  MaxPool2d,
  oneCycle,
  ReLU,
  Sequential,
  SGD,
} from 'tandem-ts/nn';
import { classification, evaluate, eventPrinter, fit } from 'tandem-ts/train';

const [images, folder = 'runs/resnet', epochs = '30', name = 'cpu:0'] = process.argv.slice(2);
if (!isDeviceName(name)) throw new Error(`${name} is no device`);
const [data, device] = [await openData(images, { imageSize: 36 }), await openDevice(name)];

const convolution = (from: number, to: number): Sequential =>
  new Sequential(
    new Conv2d(from, to, 3, { device, padding: 1, bias: false }),
    new BatchNorm2d(to, { device }),
    new ReLU(),
  );

/** x plus what two convolutions make of it. */
class Residual extends Layer {
  readonly branch: Sequential;
  constructor(channels: number) {
    super();
    this.branch = new Sequential(convolution(channels, channels), convolution(channels, channels));
  }
  forward(x: Tensor): Tensor {
    return add(x, this.branch.forward(x));
  }
}

const model = new Sequential(
  convolution(3, 16),
  convolution(16, 32),
  new MaxPool2d(2),
  new Residual(32),
  convolution(32, 64),
  new MaxPool2d(2),
  convolution(64, 128),
  new MaxPool2d(2),
  new Residual(128),
  new MaxPool2d(4),
  new Flatten(),
  new Linear(128, data.classes.length, { device }),
);

const pixels = (images: Uint8Array): Tensor =>
  tensor(
    Float32Array.from(images, (byte) => byte / 64 - 2),
    { shape: [images.length / (3 * 32 * 32), 3, 32, 32], device },
  );

const optimizer = new SGD([
  { params: model.parameters(), learningRate: 0.1, momentum: 0.9, weightDecay: 5e-4 },
]);
const stop = new AbortController();
process.once('SIGINT', () => stop.abort());
const { history, interrupted } = await fit({
  model,
  optimizer,
  schedule: new LambdaSchedule(optimizer, oneCycle(Number(epochs)), { by: 'step' }),
  data: imageBatches(data.train, { batchSize: 128, shuffle: true, crop: 32, augment: true }),
  validation: imageBatches(data.validation, { batchSize: 128, crop: 32 }),
  step: ({ images, labels }) => classification(model.forward(pixels(images)), labels),
  epochs: Number(epochs),
  folder,
  signal: stop.signal,
  on: eventPrinter(process.stdout),
});
if (interrupted) console.log('stopped; the same command goes on');
else {
  // The mean answer to ten crops of each picture, as Krizhevsky 2012 tests (section 4.1).
  const whole = imageBatches(data.validation, { batchSize: 32 });
  const ten = await evaluate(model, whole, ({ images, labels }) => {
    const answers = softmax(model.forward(pixels(tenCrops(images, 36, 32).images)));
    const mean10 = mean(reshape(answers, [labels.length, 10, data.classes.length]), { axes: 1 });
    return classification(log(mean10), labels);
  });
  console.log(`error by the middle ${history.at(-1)?.validation?.error}, by ten crops ${ten?.error}`);
}
await Promise.all([device.close(), data.close()]);
