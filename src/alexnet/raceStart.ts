/**
 * What a net of the race starts from: the deviation of its initial weights, its initial biases, and the scale of its
 * pixels. The table of `four-layers` has the starts of today, sqrt(2 / inputs) and pixels of about 1; in 2012 weights
 * of deviation 0.01 met pixels of 0-255 less their mean, which have a deviation of about 64.
 */
import type { Architecture } from './architecture.js';
import { type Net, nets } from './recipes.js';
import { applyVariant, type Variant } from './variants.js';

/** A corner of the grid. */
export interface Start {
  /** Deviation of the initial weights of conv1 and of all other layers; 'fan-in': as the table has them. */
  readonly std: 'fan-in' | readonly [conv1: number, others: number];
  /** Initial biases of the layers between the first and the last. */
  readonly bias: number;
  /** What pixels 0-255 less the mean image are multiplied by. */
  readonly inputScale: number;
}

const base: Net = nets['four-layers'];

/** The table's own start. */
export const tableStart: Start = { std: 'fan-in', bias: 0, inputScale: 1 / 64 };

/** Every start that the lists come to. */
export function startsOf(
  stds: readonly Start['std'][],
  biases: readonly number[],
  inputScales: readonly number[],
): Start[] {
  return stds.flatMap((std) =>
    biases.flatMap((bias) => inputScales.map((inputScale) => ({ std, bias, inputScale }))),
  );
}

/** The four-layer net with a start and a non-linearity. */
export function startedNet({
  start: { std, bias, inputScale },
  activation,
}: {
  readonly start: Start;
  readonly activation: NonNullable<Variant['activation']>;
}): Net {
  const net = applyVariant(base, { activation });
  const last = net.architecture.layers.length - 1;
  const architecture: Architecture = {
    ...net.architecture,
    layers: net.architecture.layers.map((layer, i) => ({
      ...layer,
      std: std === 'fan-in' ? layer.std : std[i === 0 ? 0 : 1],
      bias: i === 0 || i === last ? 0 : bias,
    })),
  };
  return { ...net, architecture, recipe: { ...net.recipe, inputScale } };
}

/**
 * A rate for a search to begin with: the recipe's where pixels are of about 1, and as many times less as they are larger,
 * since gradients grow with them. At 0-255 that is a third of cuda-convnet's 0.001.
 */
export function firstRate({ inputScale }: Start): number {
  return base.recipe.learningRate * Math.min(1, 1 / 64 / inputScale);
}

/** `1/64` for what is a whole part of 1, else the number. */
function scaleText(scale: number): string {
  const parts = Math.round(1 / scale);
  return scale < 1 && Math.abs(parts * scale - 1) < 1e-9 ? `1/${parts}` : String(scale);
}

/** A start in words: `deviation 0.0001/0.01, bias 0, pixels x 1`. */
export function startText({ std, bias, inputScale }: Start): string {
  return `deviation ${stdText(std)}, bias ${bias}, pixels x ${scaleText(inputScale)}`;
}

/** A deviation in words: `fan-in`, `0.01`, or conv1's and the others': `0.0001/0.01`. */
function stdText(std: Start['std']): string {
  if (std === 'fan-in') return std;
  return std[0] === std[1] ? String(std[0]) : std.join('/');
}
