/**
 * How training AlexNet would scale over machines, by a model of its parts: days for ImageNet's 90 epochs.
 *
 *     node dist/bench/scaling.js [images/s of one machine, default 33.8] [images of a machine in a step, default 128]
 *
 * With N machines of R images/s, b images each in a step, and B bytes/s in each direction at once, a step takes b / R
 * and what of the communication isn't hidden behind it:
 *
 *     data parallel  2 (N - 1) / N of all gradients; those of the fully connected layers are first, and go while
 *                    convolutions run backward
 *     towers         two machines hold a tower each and both work on 2 b images; what crosses at conv3, fc6, fc7 and fc8
 *                    goes forward and back, and nothing hides it. Of N / 2 pairs, each tower's gradients are shared too
 *     hybrid         Krizhevsky 2014, arXiv 1404.5997: the convolutions' gradients as above; each machine holds 1 / N of
 *                    the fully connected layers and reads all N b images, so conv5's, fc6's and fc7's outputs go to all
 *                    machines, and as many gradients come back
 */
import {
  crossings,
  joinedShapes,
  multiplyAdds,
  type PlacedLayer,
  placeLayers,
} from '../src/alexnet/architecture.js';
import { alexnet, twoTowers } from '../src/alexnet/networks.js';
import { sizeOf } from '../src/core/shape.js';

/** Images that ImageNet's 90 epochs go through. */
const images = 90 * 1_281_167;

/** Seconds of a call besides its bytes, and calls in a step. */
const latency = 50e-6;
const calls = 10;

const layers = placeLayers(alexnet, twoTowers());
const isFull = ({ spec }: PlacedLayer): boolean => !spec.conv;

/** Bytes of the gradients of some layers. */
function gradients(of: readonly PlacedLayer[]): number {
  return 4 * [...joinedShapes(of).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** The part of a step in which convolutions run backward: two of three passes, of their share of multiply-adds. */
function hiding(): number {
  const macs = multiplyAdds(layers);
  const sum = (of: readonly PlacedLayer[]): number =>
    of.reduce((all, { spec }) => all + macs.get(spec.name)!, 0);
  return (2 / 3) * (sum(layers.filter((layer) => !isFull(layer))) / sum(layers));
}

const full = gradients(layers.filter(isFull));
const conv = gradients(layers.filter((layer) => !isFull(layer)));
/** Bytes of one image that the busier direction carries between two towers. */
const crossing = 4 * crossings(layers).reduce((sum, { from, floats }) => sum + (from === 1 ? floats : 0), 0);
/** Bytes of one image that the fully connected layers read and hand on: conv5's, fc6's and fc7's outputs. */
const activations = 4 * (9216 + 4096 + 4096);

/** Seconds of a step of N machines, each with b images. */
type Scheme = (machines: number, b: number, compute: number, bandwidth: number) => number;

const shared = (bytes: number, machines: number, bandwidth: number): number =>
  (2 * (machines - 1) * bytes) / machines / bandwidth;

const schemes: Readonly<Record<string, Scheme>> = {
  'data parallel': (n, _, compute, bandwidth) => {
    const hidden = hiding() * compute;
    const left = Math.max(0, shared(full, n, bandwidth) - hidden);
    return compute + left + shared(conv, n, bandwidth) + calls * latency;
  },
  towers: (n, b, compute, bandwidth) => {
    if (n === 1) return compute;
    const crossed = (2 * 2 * b * crossing) / bandwidth;
    const hidden = hiding() * compute;
    const left = Math.max(0, shared(full / 2, n / 2, bandwidth) - hidden);
    return compute + crossed + left + shared(conv / 2, n / 2, bandwidth) + 2 * calls * latency;
  },
  hybrid: (n, b, compute, bandwidth) => {
    const received = ((n - 1) * b * activations) / bandwidth;
    return compute + 2 * received + shared(conv, n, bandwidth) + n * calls * latency;
  },
};

const [rate = 33.8, b = 128] = process.argv.slice(2).map(Number);
const compute = b / rate;
console.log(
  `One machine: ${rate} images/s, ${b} images in ${compute.toFixed(2)} s; ${(images / rate / 86400).toFixed(1)} days`,
);
console.log(
  `Bytes: gradients ${(conv / 1e6).toFixed(1)} MB of convolutions, ${(full / 1e6).toFixed(1)} MB of fully connected ` +
    `layers; towers ${(crossing / 1e3).toFixed(1)} kB an image each way, forward and again back`,
);
for (const gigabits of [1, 10, 100]) {
  console.log(
    `\n${gigabits} Gbit/s        ${[1, 2, 4, 8, 16, 32, 64].map((n) => String(n).padStart(14)).join('')}`,
  );
  for (const [name, scheme] of Object.entries(schemes)) {
    const cells = [1, 2, 4, 8, 16, 32, 64].map((n) => {
      const step = n === 1 ? compute : scheme(n, b, compute, (gigabits * 1e9) / 8);
      const days = ((images / (n * b)) * step) / 86400;
      return `${days.toPrecision(3)} d (${((100 * compute) / step).toFixed(0)} %)`.padStart(14);
    });
    console.log(`${name.padEnd(16)}${cells.join('')}`);
  }
}
