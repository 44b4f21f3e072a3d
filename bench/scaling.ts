/**
 * How training AlexNet would scale over machines, by the model of scalingModel.ts: days for ImageNet's 90 epochs, and what
 * is left of the machines' speed.
 *
 *     node dist/bench/scaling.js [images/s of one machine, default 33.8] [images of a machine in a step, default 128]
 */
import { conv, crossing, full, scaled, schemeNames } from './scalingModel.js';

const [rate = 33.8, batch = 128] = process.argv.slice(2).map(Number);
const { days: alone } = scaled({ scheme: 'towers', machines: 1, rate, batch, gigabits: 1 });
console.log(
  `One machine: ${rate} images/s, ${batch} images in ${(batch / rate).toFixed(2)} s; ${alone.toFixed(1)} days`,
);
console.log(
  `Bytes: gradients ${(conv / 1e6).toFixed(1)} MB of convolutions, ${(full / 1e6).toFixed(1)} MB of fully connected ` +
    `layers; towers ${(crossing / 1e3).toFixed(1)} kB an image each way, forward and again back`,
);
const counts = [2, 4, 8, 16, 32, 64];
for (const gigabits of [1, 10, 100]) {
  console.log(`\n${`${gigabits} Gbit/s`.padEnd(16)}${counts.map((n) => String(n).padStart(15)).join('')}`);
  for (const scheme of schemeNames) {
    const cells = counts.map((machines) => {
      const { days, efficiency } = scaled({ scheme, machines, rate, batch, gigabits });
      return `${days.toPrecision(3)} d (${(100 * efficiency).toFixed(0)} %)`.padStart(15);
    });
    console.log(`${scheme.padEnd(16)}${cells.join('')}`);
  }
}
