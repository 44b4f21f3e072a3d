/**
 * Variants of a network: the paper's ablations, and the points where the 2012 code differs from the paper's text.
 *
 * A variant is data; applying it is a pure transformation of the network's tables, so a run that stores its variant is
 * built again exactly. What a variant says of a layer counts for every layer that has such a thing: any network of the
 * catalogue can lose its normalization, but only one with two towers can stop them from communicating.
 */
import { ArgumentError } from '../core/errors.js';
import type { Architecture, LayerPlacement, LayerSpec, Placement, Stage } from './architecture.js';
import type { Net } from './recipes.js';

/** What is done differently; what isn't named stays as the network has it. */
export interface Variant {
  /** Non-linearity of all layers that have one: max(0, x), tanh x, or |tanh x|. */
  readonly activation?: 'relu' | 'tanh' | 'abs-tanh';
  /** Across adjacent maps of the tower or of all towers (one device), or no response normalization at all. */
  readonly lrn?: 'tower' | 'all' | 'off';
  /** alpha on the plain sum of squares over adjacent maps. */
  readonly lrnAlpha?: number;
  /** Windows of 3 pixels, 2 apart, or of 2 pixels, 2 apart. */
  readonly pooling?: 'overlapping' | 'plain';
  /**
   * One tower keeps the first tower's kernels in all convolutions but the last, and has all those of the last and of
   * the fully connected layers: the paper's one-GPU net (section 3.2).
   */
  readonly towers?: 1;
  /** 'none': each tower reads its own maps alone, up to the last layer. */
  readonly communication?: 'none';
  /** Stages of conv1: as in the text, or norm, pool, ReLU as in the code that was run. */
  readonly conv1Order?: 'relu-norm-pool' | 'norm-pool-relu';
  /** Whether conv2's maps are also normalized each over 5x5 pixels, before they are pooled. */
  readonly spatialNorm?: boolean;
  /** Standard deviation of the initial weights of conv3, conv4 and conv5. */
  readonly middleStd?: number;
  /** No dropout anywhere. */
  readonly dropout?: 'off';
  /** The middle layer left out: of three, the one that neither hears the other tower nor is pooled (section 7). */
  readonly without?: 'conv4';
}

const kindOf = { relu: 'relu', tanh: 'tanh', 'abs-tanh': 'absTanh' } as const;
const activations: readonly string[] = Object.values(kindOf);

/** The as-run code's `rnorm` in layer 2: 0.001 divided by the 25 pixels, beta 0.75. */
const pixelNorm: Stage = {
  kind: 'norm',
  across: 'pixels',
  options: { size: 5, alpha: 0.001, beta: 0.75, k: 1, scaling: 'mean' },
};

/**
 * The network with a variant applied.
 * @throws {ArgumentError} when it has nothing the variant could change.
 */
export function applyVariant(net: Net, variant: Variant): Net {
  const { architecture } = net;
  const fail = (what: string): never => {
    throw new ArgumentError(`${architecture.name}: ${what}`);
  };
  const stages = architecture.layers.flatMap((layer) => layer.stages);
  const norms = stages.flatMap((stage) => (stage.kind === 'norm' ? [stage.across] : []));
  if (variant.lrn === 'off' && norms.length === 0) fail('has no response normalization');
  const ofMaps = variant.lrnAlpha !== undefined || (variant.lrn ?? 'off') !== 'off';
  if (ofMaps && !norms.some((across) => across !== 'pixels')) fail('has no normalization across maps');
  if (variant.communication && (net.towers < 2 || variant.towers === 1)) {
    fail('has one tower, which has nobody to communicate with');
  }
  if (variant.dropout && !stages.some(({ kind }) => kind === 'dropout')) fail('has no dropout');
  const kept = architecture.layers.filter(({ name }) => name !== variant.without);
  if (variant.without && kept.length === architecture.layers.length)
    fail(`has no ${variant.without} to leave out`);
  const layers = kept.map((layer) => varyLayer(layer, variant));
  const needs = (name: string, given: unknown): void => {
    if (given !== undefined && !layers.some((layer) => layer.name === name)) fail(`has no ${name} to vary`);
  };
  needs('conv1', variant.conv1Order);
  needs('conv2', variant.spatialNorm);
  needs('conv5', variant.middleStd);
  const varied: Architecture = { ...architecture, layers };
  return {
    ...net,
    architecture: varied,
    towers: variant.towers ?? net.towers,
    placement: (classes) => varyPlacement(varied, net.placement(classes), variant),
  };
}

function varyLayer(layer: LayerSpec, variant: Variant): LayerSpec {
  let stages = layer.stages.flatMap((stage) => varyStage(stage, variant));
  if (layer.name === 'conv1' && variant.conv1Order) stages = reorder(stages, variant.conv1Order);
  if (layer.name === 'conv2' && variant.spatialNorm !== undefined) {
    stages = stages.filter((stage) => !(stage.kind === 'norm' && stage.across === 'pixels'));
    const pool = stages.findIndex((stage) => stage.kind === 'pool');
    if (variant.spatialNorm) stages.splice(pool < 0 ? stages.length : pool, 0, pixelNorm);
  }
  const middle = variant.middleStd !== undefined && /^conv[345]$/.test(layer.name);
  return { ...layer, stages, std: middle ? variant.middleStd : layer.std };
}

function varyStage(stage: Stage, { activation, lrn, lrnAlpha, pooling, dropout }: Variant): Stage[] {
  if (dropout && stage.kind === 'dropout') return [];
  if (activation && activations.includes(stage.kind)) return [{ kind: kindOf[activation] }];
  if (stage.kind === 'pool' && pooling) return [{ ...stage, stride: 2, kernel: pooling === 'plain' ? 2 : 3 }];
  if (stage.kind !== 'norm') return [stage];
  if (lrn === 'off') return [];
  if (stage.across === 'pixels') return [stage];
  const options = lrnAlpha === undefined ? stage.options : { ...stage.options, alpha: lrnAlpha };
  return [{ ...stage, options, across: lrn ?? stage.across }];
}

/** The same stages in another order; stages the order doesn't name stay at the end. */
function reorder(stages: readonly Stage[], order: NonNullable<Variant['conv1Order']>): Stage[] {
  const names = order.split('-');
  const rank = ({ kind }: Stage): number => {
    const at = names.indexOf(activations.includes(kind) ? 'relu' : kind);
    return at < 0 ? names.length : at;
  };
  return [...stages].sort((a, b) => rank(a) - rank(b));
}

function varyPlacement(
  { layers }: Architecture,
  placement: Placement,
  { towers, communication }: Variant,
): Placement {
  const lastConv = layers.findLastIndex((layer) => layer.conv);
  const entries = layers.map(({ name }, index): [string, LayerPlacement] => {
    const place = placement[name]!;
    const sum = place.kernels.reduce((a, b) => a + b, 0);
    if (towers === 1) {
      const kernels = index < lastConv ? place.kernels[0]! : sum;
      return [name, { kernels: [kernels], reads: index === 0 ? 'image' : 'own' }];
    }
    const alone = communication === 'none' && place.reads === 'all' && index < layers.length - 1;
    return [name, alone ? { ...place, reads: 'own' } : place];
  });
  return Object.fromEntries(entries);
}
