/** A variational auto-encoder (Kingma and Welling 2014) of drawn images, or a folder of IDX files such as Fashion-MNIST:
 * `node dist/examples/vae.js RUN [FOLDER] [EPOCHS]` writes RUN/samples.png, images that never were. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encode } from 'fast-png';
import {
  add,
  bceWithLogitsLoss,
  exp,
  mul,
  noGrad,
  openDevice,
  randn,
  scope,
  sigmoid,
  split,
  sub,
  sum,
  tensor,
} from 'tandem-ts';
import { type Batch, imageBatches, openData } from 'tandem-ts/data';
import { Adam, Linear, Module, Sequential } from 'tandem-ts/nn';
import { eventPrinter, fit } from 'tandem-ts/train';

const [folder = 'runs/vae', path, epochs = '6'] = process.argv.slice(2);
const side = 28;
const pixels = side * side;
const latent = 16;
const [data, device] = [await openData(path, { imageSize: side }), await openDevice('cpu:0')];

class AutoEncoder extends Module {
  readonly encoder = new Sequential(
    new Linear(pixels, 256, { device, relu: true }),
    new Linear(256, 2 * latent, { device }),
  );
  readonly decoder = new Sequential(
    new Linear(latent, 256, { device, relu: true }),
    new Linear(256, pixels, { device }),
  );
}
const model = new AutoEncoder();

/** Grey levels from 0 to 1, `[N, pixels]`: the mean of the three colours. */
function greyLevels({ images, labels }: Batch) {
  const grey = Float32Array.from({ length: labels.length * pixels }, (_, i) => {
    const at = 3 * pixels * Math.floor(i / pixels) + (i % pixels);
    return (images[at]! + images[at + pixels]! + images[at + 2 * pixels]!) / 765;
  });
  return tensor(grey, { shape: [labels.length, pixels], device });
}

/** Minus the evidence's lower bound, of one image: what its code costs, and what its pixels cost given the code. */
function step(batch: Batch) {
  const x = greyLevels(batch);
  const count = batch.labels.length;
  const [mean, logVariance] = split(model.encoder.forward(x), latent, 1);
  const code = add(mean!, mul(exp(mul(0.5, logVariance!)), randn([count, latent], { device })));
  const pixelLoss = bceWithLogitsLoss(model.decoder.forward(code), x, 'sum');
  const codeLoss = mul(0.5, sum(sub(add(exp(logVariance!), mul(mean!, mean!)), add(logVariance!, 1))));
  return { loss: mul(add(pixelLoss, codeLoss), 1 / count), count };
}

await fit({
  model,
  optimizer: new Adam(model.parameters(), { learningRate: 1e-3 }),
  data: imageBatches(data.train, { batchSize: 64, shuffle: true }),
  validation: imageBatches(data.validation, { batchSize: 64 }),
  step,
  epochs: Number(epochs),
  folder,
  on: eventPrinter(process.stdout),
});

const [columns, rows] = [16, 8];
const drawn = await scope(() =>
  noGrad(() => sigmoid(model.decoder.forward(randn([columns * rows, latent], { device })))),
).data();
const [width, height] = [columns * side, rows * side];
const sheet = new Uint8Array(width * height);
drawn.forEach((level, i) => {
  const [image, at] = [Math.floor(i / pixels), i % pixels];
  const x = (image % columns) * side + (at % side);
  const y = Math.floor(image / columns) * side + Math.floor(at / side);
  sheet[y * width + x] = 255 * level;
});
const file = join(folder, 'samples.png');
await writeFile(file, encode({ data: sheet, width, height, channels: 1 }));
console.log(`${columns * rows} images from the decoder alone: ${file}`);
await Promise.all([device.close(), data.close()]);
