/**
 * A model of how training AlexNet scales over machines, from what one machine was measured to do.
 *
 * With N machines of R images/s, b images each in a step, and B bytes/s in each direction at once, a step takes b / R
 * and what of the communication isn't hidden behind it:
 *
 *     data parallel  2 (N - 1) / N of all gradients; those of the fully connected layers are first, and go while
 *                    convolutions run backward
 *     towers         two machines hold a tower each and both work on 2 b images; what crosses at conv3, fc6, fc7 and fc8
 *                    goes forward and back, and nothing hides it. Of N / 2 pairs, each tower's gradients are shared too,
 *                    once all has crossed: while conv2 and conv1 run backward
 *     hybrid         Krizhevsky 2014, arXiv 1404.5997: the convolutions' gradients as above; each machine holds 1 / N of
 *                    the fully connected layers and reads all N b images, so conv5's, fc6's and fc7's outputs go to all
 *                    machines, and as many gradients come back
 *
 * A call costs 50 us besides its bytes: of two ranks over TCP on one machine it was measured at 0.03 ms for a number, 0.2 ms for
 * 100 kB. Bandwidths are the network's in full.
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

/**
 * What was measured of a machine of two cores (docs/results.md): images/s of a training step, images in it, and images/s that
 * a core prepares with each decoder.
 */
export const measured = {
  rate: 57,
  batch: 128,
  cores: 2,
  prepares: { 'jpeg-js': 36, 'libjpeg-turbo': 118 },
} as const;

/** Images that ImageNet's 90 epochs go through. */
const images = 90 * 1_281_167;

/** Images that `prepare` converts: ILSVRC-2012's training and validation images. */
const prepared = 1_281_167 + 50_000;

/** Seconds of a call besides its bytes, and calls in a step. */
const latency = 50e-6;
const calls = 10;

const layers = placeLayers(alexnet, twoTowers());
const isFull = ({ spec }: PlacedLayer): boolean => !spec.conv;

/** Bytes of the gradients of some layers. */
function gradients(of: readonly PlacedLayer[]): number {
  return 4 * [...joinedShapes(of).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** The part of a step in which layers run backward: two of three passes, of their share of multiply-adds. */
function hiding(of: readonly PlacedLayer[]): number {
  const macs = multiplyAdds(layers);
  const sum = (some: readonly PlacedLayer[]): number =>
    some.reduce((all, { spec }) => all + macs.get(spec.name)!, 0);
  return (2 / 3) * (sum(of) / sum(layers));
}

const convolutions = layers.filter((layer) => !isFull(layer));
/** Those of one tower's own, below the first crossing. */
const below = layers.slice(
  0,
  layers.findIndex(({ spec }) => spec.name === crossings(layers)[0]?.layer),
);

/** Bytes of the gradients of fully connected layers, and of convolutions. */
export const full = gradients(layers.filter(isFull));
export const conv = gradients(convolutions);
/** Bytes of one image that the busier direction carries between two towers. */
export const crossing =
  4 * crossings(layers).reduce((sum, { from, floats }) => sum + (from === 1 ? floats : 0), 0);
/** Bytes of one image that the fully connected layers read and hand on: conv5's, fc6's and fc7's outputs. */
const activations = 4 * (9216 + 4096 + 4096);

/** Seconds of a step of N machines, each with b images. */
type Scheme = (machines: number, b: number, compute: number, bandwidth: number) => number;

const shared = (bytes: number, machines: number, bandwidth: number): number =>
  (2 * (machines - 1) * bytes) / machines / bandwidth;

const schemes = {
  'data parallel': (n, _, compute, bandwidth) => {
    const hidden = hiding(convolutions) * compute;
    const left = Math.max(0, shared(full, n, bandwidth) - hidden);
    return compute + left + shared(conv, n, bandwidth) + calls * latency;
  },
  towers: (n, b, compute, bandwidth) => {
    const crossed = (2 * 2 * b * crossing) / bandwidth;
    const hidden = hiding(below) * compute;
    const left = Math.max(0, shared(full / 2, n / 2, bandwidth) - hidden);
    return compute + crossed + left + shared(conv / 2, n / 2, bandwidth) + 2 * calls * latency;
  },
  hybrid: (n, b, compute, bandwidth) => {
    const received = ((n - 1) * b * activations) / bandwidth;
    return compute + 2 * received + shared(conv, n, bandwidth) + n * calls * latency;
  },
} as const satisfies Readonly<Record<string, Scheme>>;

/** Ways to share training among machines. */
export type SchemeName = keyof typeof schemes;

/** All of them, in the order of tables. */
export const schemeNames: readonly SchemeName[] = ['data parallel', 'towers', 'hybrid'];

/** What is shared among how many, over what. */
interface Cluster {
  readonly scheme: SchemeName;
  readonly machines: number;
  /** Images a second of one machine, and its images in a step. */
  readonly rate: number;
  readonly batch: number;
  /** Gbit/s in each direction. */
  readonly gigabits: number;
}

/** Hours that `prepare` takes for ImageNet on so many cores, none of which waits, at so many images a second of each. */
export function preparation(cores: number, rate: number): number {
  return prepared / (rate * cores) / 3600;
}

/** Days for ImageNet's 90 epochs, and what is left of the machines' speed, from 0 to 1. */
export function scaled({ scheme, machines, rate, batch, gigabits }: Cluster): {
  readonly days: number;
  readonly efficiency: number;
} {
  const compute = batch / rate;
  const step = machines === 1 ? compute : schemes[scheme](machines, batch, compute, (gigabits * 1e9) / 8);
  return { days: ((images / (machines * batch)) * step) / 86400, efficiency: compute / step };
}
