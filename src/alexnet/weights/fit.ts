/**
 * Weights of other libraries as this one's networks: recognised by their names and shapes, placed on towers, and their
 * conventions turned into ours.
 *
 * How many kernels a layer has is what its weight `[O, I, k, k]` says, and how many groups: I is a group's share of the
 * layer before. Two groups are two towers. Kernels of conv1 that read B, G, R are turned round to read R, G, B; linear
 * layers with axes of 1 before theirs (Caffe's `[1, 1, 4096, 9216]`) lose them.
 */
import { ArgumentError, DataError } from '../../core/errors.js';
import { formatShape, type Shape } from '../../core/shape.js';
import type { HostTensor, StateDict } from '../../core/state.js';
import { fromBgr } from '../../formats/conventions.js';
import { checkState } from '../../nn/module.js';
import { type Architecture, joinedShapes, type Placement, placeLayers } from '../architecture.js';
import type { Net } from '../recipes.js';
import { isWeightKind, type WeightKind, type WeightKindName, weightKinds } from './kinds.js';
import { type FoundNames, findNames } from './names.js';

/** What a file of weights holds. */
export interface WeightsFile {
  /** Its name, for messages. */
  readonly file: string;
  readonly tensors: StateDict;
  /** The kind that its format tells of, by the order of its layers, say. */
  readonly told?: WeightKindName | undefined;
}

/** How weights are fitted. */
export interface FitOptions {
  /** The kind they are taken for; default: the one that their names and shapes tell of. */
  readonly kind?: WeightKindName | undefined;
  /** Mean to subtract instead of the kind's, channels in its order: `[3]`, or `[3, side, side]` of whole images. */
  readonly mean?: HostTensor | undefined;
}

/** Weights as a network of ours. */
export interface FittedWeights {
  readonly kind: WeightKindName;
  /** Its placement is that of the file, whatever the number of classes it is asked for. */
  readonly net: Net;
  readonly classes: number;
  /** Under our names, towers joined, kernels of conv1 in the order R, G, B. */
  readonly parameters: StateDict;
  /** `[3, imageSize, imageSize]`, R, G, B, 0-255. */
  readonly mean: Float32Array;
  /** Names of the file that nothing was made of. */
  readonly left: readonly string[];
}

/**
 * Recognises the weights of an AlexNet.
 * @throws {DataError} for names or shapes of no AlexNet that is known
 * @throws {ArgumentError} where they are those of several kinds, and none is named; or of another than the one named
 */
export function fitWeights({ file, tensors, told }: WeightsFile, options: FitOptions = {}): FittedWeights {
  const found = findNames(tensors.keys());
  if (typeof found === 'string') throw new DataError(`${file}: ${found}`);
  const kind = options.kind ?? told ?? onlyKind(file, found);
  const chosen: WeightKind = weightKinds[kind];
  if (!chosen.styles.includes(found.style)) {
    throw new ArgumentError(`${file}: its names are no ${kind}'s but ${kindsOf(found).join("'s or ")}'s`);
  }
  const { architecture, colours } = chosen;
  const given = new Map(
    [...found.names].map(([name, theirs]): [string, HostTensor] => [
      name,
      trimmed(name, tensors.get(theirs)!),
    ]),
  );
  const placement = placementOf(file, architecture, given);
  const placed = placeLayers(architecture, placement);
  checkState(`${file}, taken for ${kind}`, joinedShapes(placed), given);
  const first = `${architecture.layers[0]?.name}.weight`;
  const parameters = colours === 'BGR' ? fromBgr(first)(given) : given;
  const towers = placed[0]?.towers.length ?? 1;
  const { about, recipe } = chosen;
  return {
    kind,
    net: { about, architecture, placement: () => placement, towers, recipe },
    classes: given.get('fc8.bias')?.data.length ?? 0,
    parameters,
    mean: meanImage(chosen, options.mean),
    left: found.left,
  };
}

const kindNames = Object.keys(weightKinds).filter(isWeightKind);

/** The kinds whose files have such names. */
function kindsOf({ style }: FoundNames): WeightKindName[] {
  return kindNames.filter((name) => {
    const { styles }: WeightKind = weightKinds[name];
    return styles.includes(style);
  });
}

function onlyKind(file: string, found: FoundNames): WeightKindName {
  const kinds = kindsOf(found);
  const [only] = kinds;
  if (only !== undefined && kinds.length === 1) return only;
  throw new ArgumentError(
    `${file}: its names are those of several kinds, which differ in more than names: say which of ${kinds.join(', ')}`,
  );
}

/** A bias or a linear layer's weight without axes of 1 before its own: Caffe's oldest files give each four. */
function trimmed(name: string, { shape, data }: HostTensor): HostTensor {
  const rank = name.endsWith('.bias') ? 1 : name.startsWith('fc') ? 2 : 4;
  const extra = shape.slice(0, Math.max(0, shape.length - rank));
  return { shape: extra.every((n) => n === 1) ? shape.slice(extra.length) : shape, data };
}

/** Where the kernels of a file sit: each layer that reads a group of the layer before has two towers. */
function placementOf(file: string, { layers, channels }: Architecture, given: StateDict): Placement {
  const shapeOf = (name: string): Shape => {
    const shape = given.get(`${name}.weight`)?.shape;
    if (shape) return shape;
    throw new DataError(`${file}: ${name}.weight is missing`);
  };
  const convolutions = layers.filter(({ conv }) => conv);
  const groups = new Map<string, number>();
  for (const [i, { name }] of convolutions.entries()) {
    const shape = shapeOf(name);
    const before = i === 0 ? channels : (shapeOf(convolutions[i - 1]!.name)[0] ?? 0);
    const share = before / (shape[1] ?? 0);
    if (shape.length !== 4 || !(share === 1 || (share === 2 && i > 0 && shape[0]! % 2 === 0))) {
      throw new DataError(
        `${file}: ${name}.weight is ${formatShape(shape)}; after ${before} maps it reads them all, or half of them`,
      );
    }
    groups.set(name, share);
  }
  const two = [...groups.values()].includes(2);
  const places = layers.map(({ name }, i): [string, Placement[string]] => {
    const kernels = shapeOf(name)[0] ?? 0;
    const reads = i === 0 ? 'image' : groups.get(name) === 2 ? 'own' : 'all';
    if (!two) return [name, { kernels: [kernels], reads: i === 0 ? 'image' : 'own' }];
    const half = Math.floor(kernels / 2);
    return [name, { kernels: i === layers.length - 1 ? [kernels, 0] : [kernels - half, half], reads }];
  });
  return Object.fromEntries(places);
}

/** The mean image, R, G, B. */
function meanImage({ architecture, colours, mean, recipe }: WeightKind, given?: HostTensor): Float32Array {
  const { channels } = architecture;
  const side = recipe.imageSize;
  const area = side * side;
  const { shape, data }: HostTensor = given ?? { shape: [channels], data: Float32Array.from(mean) };
  const whole = shape.length === 3 && shape[0] === channels && shape[1] === side && shape[2] === side;
  const each = shape.length === 1 && shape[0] === channels;
  if (!whole && !each) {
    throw new ArgumentError(
      `the mean is ${formatShape(shape)}, expected ${formatShape([channels])} or ${formatShape([channels, side, side])}`,
    );
  }
  return Float32Array.from({ length: channels * area }, (_, i) => {
    const c = Math.floor(i / area);
    const channel = colours === 'BGR' ? channels - 1 - c : c;
    return data[each ? channel : channel * area + (i % area)]!;
  });
}
