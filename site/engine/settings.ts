/**
 * What a run of the page depends on, and the network it trains: the eight layers of `small` with conv1's kernels 7x7
 * instead of 5x5, which start at a deviation of 0.06 and decay by 0.03, so that edges and colours show in them within a
 * minute, and a schedule that is through in three.
 */
import { ArgumentError } from 'tandem-ts';
import { type Architecture, applyVariant, type Net, nets, type Variant } from 'tandem-ts/alexnet';

/** The paper's sections that can be switched. */
export interface Switches {
  /** Section 3.1. */
  readonly activation: 'relu' | 'tanh';
  /** Section 3.3. */
  readonly normalization: boolean;
  /** Section 3.4. */
  readonly overlapping: boolean;
  /** Section 4.2. */
  readonly dropout: boolean;
  /** Section 3.2: both towers as in Figure 2, the half-size net of one tower, or two that never talk. */
  readonly towers: 'two' | 'one' | 'apart';
}

/** The paper's net. */
export const asPublished: Switches = {
  activation: 'relu',
  normalization: true,
  overlapping: true,
  dropout: true,
  towers: 'two',
};

/** All that a run depends on besides its images. */
export interface Settings {
  /** Draws the images, the weights, the order and the dropped units. */
  readonly seed: number;
  /** Of weights and biases, until the schedule lowers it. */
  readonly learningRate: number;
  readonly switches: Switches;
  readonly device: 'cpu' | 'webgpu';
}

/** Seed, rate and switches of a first visit. */
export const defaultSettings: Settings = {
  seed: 0,
  learningRate: 0.02,
  switches: asPublished,
  device: 'cpu',
};

const conv1 = { conv: { kernel: 7, padding: 3 }, std: 0.06, weightDecay: 0.03 };

/** The network of some settings. @throws {ArgumentError} for a rate that isn't above 0 */
export function netFor({ learningRate, switches }: Settings): Net {
  if (!(learningRate > 0 && learningRate <= 1)) {
    throw new ArgumentError(`the rate is ${learningRate}, expected a number above 0, at most 1`);
  }
  const { architecture, recipe } = nets.small;
  const layers = architecture.layers.map((layer) => ({
    ...(layer.name === 'conv1' ? { ...layer, ...conv1 } : layer),
    stages: layer.stages.filter(({ kind }) => switches.dropout || kind !== 'dropout'),
  }));
  const varied: Architecture = { ...architecture, layers };
  const schedule = { kind: 'step', milestones: [4, 7], factor: 0.1 } as const;
  const own = { learningRate, biasRate: learningRate, epochs: 8, schedule };
  return applyVariant(
    { ...nets.small, architecture: varied, recipe: { ...recipe, ...own } },
    variantOf(switches),
  );
}

function variantOf({ activation, normalization, overlapping, towers }: Switches): Variant {
  return {
    activation,
    ...(!normalization && { lrn: 'off' }),
    ...(!overlapping && { pooling: 'plain' }),
    ...(towers === 'one' && { towers: 1 }),
    ...(towers === 'apart' && { communication: 'none' }),
  };
}
