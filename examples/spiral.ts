/** Points on three arms of a spiral, told apart by a network of two hidden layers: `node dist/examples/spiral.js`. */
import { argmax, crossEntropy, manualSeed, noGrad, openDevice, scope, tensor } from 'tandem-ts';
import { Linear, Sequential, SGD, Tanh } from 'tandem-ts/nn';

const [steps = '1000'] = process.argv.slice(2);
const arms = 3;
const perArm = 100;
manualSeed(1);
const device = await openDevice('cpu:0', { threads: 1 });

const points = Array.from({ length: arms * perArm }, (_, i) => {
  const [arm, along] = [i % arms, Math.floor(i / arms) / perArm];
  const angle = 6 * along + (2 * Math.PI * arm) / arms + 0.2 * Math.sin(97 * i);
  return [along * Math.cos(angle), along * Math.sin(angle)];
});
const x = tensor(points, { device });
const arm = tensor(
  Int32Array.from(points, (_, i) => i % arms),
  { device },
);

const model = new Sequential(
  new Linear(2, 32, { device }),
  new Tanh(),
  new Linear(32, 32, { device }),
  new Tanh(),
  new Linear(32, arms, { device }),
);
const optimizer = new SGD([{ params: model.parameters(), learningRate: 0.3 }]);
for (let step = 1; step <= Number(steps); step++) {
  const loss = scope(() => {
    const loss = crossEntropy(model.forward(x), arm);
    optimizer.zeroGrad();
    loss.backward();
    optimizer.step();
    return loss;
  });
  if (step % 250 === 0) console.log(`step ${step}  loss ${(await loss.item()).toFixed(4)}`);
  loss.dispose();
}

// The plane as the network sees it.
const [width, height] = [48, 24];
const grid = Array.from({ length: width * height }, (_, i) => [
  (2 * (i % width)) / (width - 1) - 1,
  1 - (2 * Math.floor(i / width)) / (height - 1),
]);
const seen = await scope(() => noGrad(() => argmax(model.forward(tensor(grid, { device }))))).data();
const picture = Array.from(seen, (arm) => '.o#'[arm]).join('');
for (let row = 0; row < height; row++) console.log(picture.slice(row * width, (row + 1) * width));
await device.close();
