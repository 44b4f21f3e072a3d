/**
 * The two recipes of 2012: `paper`, the text to the letter, and `as-run`, the code that produced the published
 * figures (net 145 of the layer files in the Computer History Museum's release), which differs in many points.
 *
 * One point of the text isn't taken literally: its colour noise is scaled by eigenvalues, which drowns every image
 * (data/pca.ts), so that both presets take their roots.
 *
 * A preset is a variant of AlexNet's tables and a recipe; what belongs to the images at hand (their size and scale)
 * stays the network's own.
 */
import { ArgumentError } from '../core/errors.js';
import { type Net, nets, type Recipe } from './recipes.js';
import { applyVariant, type Variant } from './variants.js';

/** A named way to train AlexNet. */
export interface Preset {
  readonly about: string;
  readonly variant: Variant;
  readonly recipe: Partial<Omit<Recipe, 'imageSize' | 'inputScale'>>;
}

const { imageSize: _, inputScale: __, ...paperRecipe } = nets.alexnet.recipe;

/** The presets by name. */
export const presets = {
  paper: {
    about:
      "the paper's text: plain order of layers, one rate for all, dropped when the validation error stalls",
    variant: {},
    recipe: paperRecipe,
  },
  'as-run': {
    about: 'the code behind the published figures: its order of layers, rates, epochs and noise',
    variant: { conv1Order: 'norm-pool-relu', spatialNorm: true, lrnAlpha: 2e-5, middleStd: 0.03 },
    recipe: {
      ...paperRecipe,
      epochs: 93,
      biasRate: 0.02,
      biasDecay: 0,
      schedule: { kind: 'step', milestones: [23, 51, 78], factor: 0.1 },
      lowered: 'weights',
      slowed: [
        { layer: 'conv1', epoch: 68, factor: 0.1 },
        { layer: 'conv1', epoch: 72, factor: 0 },
      ],
      cropPlaces: 'all',
      cropSharedBy: 32,
      colourNoise: { form: 'sqrt', deviation: 0.1, divisor: 1.1, until: 68 },
      mean: 'centre',
    },
  },
} as const satisfies Record<string, Preset>;

/** A name of a preset. */
export type PresetName = keyof typeof presets;

/** Whether a text names a preset. */
export function isPresetName(text: string): text is PresetName {
  return Object.hasOwn(presets, text);
}

/**
 * A network trained by a preset's recipe; its tables are still the network's own until the variant is applied.
 * @throws {ArgumentError} for a network without AlexNet's five convolutions.
 */
export function withPreset(net: Net, name: PresetName): { readonly net: Net; readonly variant: Variant } {
  const preset: Preset = presets[name];
  const layers = new Set(net.architecture.layers.map((layer) => layer.name));
  if (!['conv1', 'conv2', 'conv3', 'conv4', 'conv5'].every((layer) => layers.has(layer))) {
    throw new ArgumentError(`${net.architecture.name}: presets are for AlexNet's eight layers`);
  }
  const varied = { ...net, recipe: { ...net.recipe, ...preset.recipe } };
  applyVariant(varied, preset.variant); // an error now rather than later
  return { net: varied, variant: preset.variant };
}
