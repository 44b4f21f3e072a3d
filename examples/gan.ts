/** A GAN of two small networks with an optimizer each: the generator learns to draw points like those of a ring of eight
 * spots, which the discriminator learns to tell from its own: `node dist/examples/gan.js [STEPS]`. */
import {
  add,
  bceWithLogitsLoss,
  manualSeed,
  noGrad,
  ones,
  openDevice,
  randn,
  scope,
  tensor,
  zeros,
} from 'tandem-ts';
import { Adam, Linear, Sequential } from 'tandem-ts/nn';

const [steps = '4000'] = process.argv.slice(2);
const batch = 128;
manualSeed(2);
const device = await openDevice('cpu:0', { threads: 1 });
const mlp = (from: number, to: number) =>
  new Sequential(
    new Linear(from, 64, { device, relu: true }),
    new Linear(64, 64, { device, relu: true }),
    new Linear(64, to, { device }),
  );
const [generator, discriminator] = [mlp(4, 2), mlp(2, 1)];
const betas = [0.5, 0.99];
const generatorSteps = new Adam(generator.parameters(), { learningRate: 5e-4, betas });
const discriminatorSteps = new Adam(discriminator.parameters(), { learningRate: 5e-4, betas });

const real = ones([batch, 1], { device });
const fake = zeros([batch, 1], { device });
const noise = () => randn([batch, 4], { device });
function drawReal() {
  const spots = Array.from({ length: batch }, (_, i) => [
    Math.cos((i * Math.PI) / 4),
    Math.sin((i * Math.PI) / 4),
  ]);
  return add(tensor(spots, { device }), randn([batch, 2], { device, std: 0.05 }));
}

for (let step = 1; step <= Number(steps); step++) {
  const losses = scope(() => {
    // The discriminator's step: the generator isn't part of it.
    const drawn = noGrad(() => generator.forward(noise()));
    const told = add(
      bceWithLogitsLoss(discriminator.forward(drawReal()), real),
      bceWithLogitsLoss(discriminator.forward(drawn), fake),
    );
    discriminatorSteps.zeroGrad();
    told.backward();
    discriminatorSteps.step();
    // The generator's: through the discriminator, whose gradients are dropped before its next step.
    const fooled = bceWithLogitsLoss(discriminator.forward(generator.forward(noise())), real);
    generatorSteps.zeroGrad();
    fooled.backward();
    generatorSteps.step();
    return [told, fooled];
  });
  if (step % 1000 === 0) {
    const [told, fooled] = await Promise.all(losses.map((loss) => loss.item()));
    console.log(`step ${step}  discriminator ${told?.toFixed(3)}  generator ${fooled?.toFixed(3)}`);
  }
  for (const loss of losses) loss.dispose();
}

const points = await scope(() => noGrad(() => generator.forward(randn([1000, 4], { device })))).data();
const [width, height] = [40, 20];
const counts = new Int32Array(width * height);
for (let i = 0; i < points.length; i += 2) {
  const column = Math.floor(((points[i]! + 1.5) / 3) * width);
  const row = Math.floor(((1.5 - points[i + 1]!) / 3) * height);
  if (column >= 0 && column < width && row >= 0 && row < height) counts[row * width + column]!++;
}
for (let row = 0; row < height; row++) {
  console.log(
    Array.from(
      counts.subarray(row * width, (row + 1) * width),
      (n) => ' .:*#'[Math.min(4, Math.ceil(n / 5))],
    ).join(''),
  );
}
await device.close();
