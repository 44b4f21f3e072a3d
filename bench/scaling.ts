/**
 * How training AlexNet would scale over machines, by the model of scalingModel.ts: days for ImageNet's 90 epochs, and what
 * is left of the machines' speed; then the real run on paper, by cores, with what `prepare` takes before it.
 *
 *     node dist/bench/scaling.js [images/s of one machine] [images of a machine in a step] [cores of a machine]
 *         [images/s that a core prepares]
 *
 * By default a machine is the one that was measured.
 */
import { conv, crossing, full, measured, preparation, scaled, schemeNames } from './scalingModel.js';

const [
  rate = measured.rate,
  batch = measured.batch,
  cores = measured.cores,
  prepares = measured.prepares['jpeg-js'],
] = process.argv.slice(2).map(Number);
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

const machineCounts = [1, 8, 32];
const line = (name: string, cells: readonly string[]): void =>
  console.log(`${name.padEnd(40)}${cells.map((cell) => cell.padStart(12)).join('')}`);
console.log(`\nThe real run, on machines of ${cores} cores with a rank each:`);
line(
  '',
  machineCounts.map((machines) => `${machines * cores} cores`),
);
line(
  'prepare',
  machineCounts.map((machines) => `${preparation(machines * cores, prepares).toPrecision(3)} h`),
);
for (const whole of [false, true]) {
  for (const gigabits of [1, 10, 100]) {
    line(
      `${gigabits} Gbit/s, ${batch} images ${whole ? 'in all' : 'a rank'}`,
      machineCounts.map((machines) => {
        const share = whole ? batch / machines : batch;
        const { days } = scaled({ scheme: 'data parallel', machines, rate, batch: share, gigabits });
        return `${days.toPrecision(3)} d`;
      }),
    );
  }
}
