/**
 * Networks as tables: what each layer computes (an architecture), and how many of its kernels sit on each tower and
 * what they read (a placement). Everything else follows from the two: parameters, the forward pass on one device or
 * several, the multiply-adds, and the bytes that cross.
 *
 * Sizes: an image is `[channels, size, size]`; a layer's kernels are its output channels (or units).
 */
import type { Padding } from '../core/backend.js';
import { ArgumentError } from '../core/errors.js';
import { outputSize, type PaddingLike, toPadding } from '../core/ops/conv.js';
import type { ResponseNormOptions } from '../core/ops/normalize.js';
import { type Shape, sameShape, sizeOf } from '../core/shape.js';

/** What happens to a layer's output, in order. */
export type Stage =
  | { readonly kind: 'relu' }
  | { readonly kind: 'tanh' }
  | { readonly kind: 'absTanh' }
  | { readonly kind: 'dropout'; readonly p: number }
  | {
      readonly kind: 'pool';
      readonly mode: 'max' | 'avg';
      readonly kernel: number;
      readonly stride: number;
      readonly ceilMode: boolean;
    }
  /** Across adjacent maps of the tower, across those of all towers (one device only), or within each map. */
  | {
      readonly kind: 'norm';
      readonly across: 'tower' | 'all' | 'pixels';
      readonly options: ResponseNormOptions;
    };

/** One layer with weights. */
export interface LayerSpec {
  readonly name: string;
  /** Kernel size, stride and padding of a convolution; absent for a fully connected layer. */
  readonly conv?: {
    readonly kernel: number;
    readonly stride?: number;
    readonly padding?: PaddingLike;
    /** Whether each place has kernels and biases of its own. Default false. */
    readonly local?: boolean;
  };
  readonly stages: readonly Stage[];
  /** Standard deviation of the initial weights. */
  readonly std: number;
  /** Initial biases. */
  readonly bias: number;
  /** Weight decay of the weights, where it differs from the recipe's. */
  readonly weightDecay?: number;
}

/** A network, apart from where its kernels sit. */
export interface Architecture {
  readonly name: string;
  /** Channels of the image, and its height and width. */
  readonly channels: number;
  readonly size: number;
  readonly layers: readonly LayerSpec[];
}

/** Where a layer's kernels sit, a number for each tower, and what they read. */
export interface LayerPlacement {
  readonly kernels: readonly number[];
  /** The image; the maps of the own tower; or those of all towers, which then communicate. */
  readonly reads: 'image' | 'own' | 'all';
}

/** A placement of each layer, by name. */
export type Placement = Readonly<Record<string, LayerPlacement>>;

/** One layer on one tower. */
export interface TowerLayer {
  readonly kernels: number;
  /** Number of the tower's first kernel among all of the layer. */
  readonly start: number;
  /** `[channels, height, width]` read; fully connected layers read them flattened. */
  readonly input: readonly [number, number, number];
  /** `[channels, height, width]` after the stages. */
  readonly output: readonly [number, number, number];
  /** Height and width of the convolution's result, before the stages. */
  readonly positions: readonly [number, number];
  /** Shape of the weights. */
  readonly weight: readonly number[];
}

/** A layer with all sizes worked out. */
export interface PlacedLayer {
  readonly spec: LayerSpec;
  readonly reads: LayerPlacement['reads'];
  /** Stride and four paddings of a convolution. */
  readonly stride: number;
  readonly padding: Padding;
  readonly towers: readonly TowerLayer[];
}

/**
 * Works out all sizes.
 * @throws {ArgumentError} for a layer without a place or a place without a layer, towers that differ in number or have
 * nothing to read, numbers of kernels that are none, or maps that shrink to nothing.
 */
export function placeLayers(architecture: Architecture, placement: Placement): PlacedLayer[] {
  const { channels, size, layers, name } = architecture;
  const fail = (problem: string): never => {
    throw new ArgumentError(`${name}: ${problem}`);
  };
  const known = new Set(layers.map((spec) => spec.name));
  if (known.size < layers.length) fail('two layers have the same name');
  const stray = Object.keys(placement).find((place) => !known.has(place));
  if (stray !== undefined) fail(`the table places ${stray}, but there is no such layer`);
  let previous: readonly (readonly [number, number, number])[] = [];
  return layers.map((spec, index) => {
    const place = placement[spec.name] ?? fail(`layer ${spec.name} has no place in the table`);
    if (index > 0 && place.kernels.length !== previous.length) {
      fail(`${spec.name} has ${place.kernels.length} towers, the layer before ${previous.length}`);
    }
    if ((index === 0) !== (place.reads === 'image'))
      fail(`${spec.name} reads '${place.reads}'; the first layer reads 'image'`);
    if (!place.kernels.every((n) => Number.isInteger(n) && n >= 0) || !place.kernels.some((n) => n > 0)) {
      fail(`${spec.name} has [${place.kernels.join(', ')}] kernels, expected whole numbers, not all 0`);
    }
    const stride = spec.conv?.stride ?? 1;
    const padding = toPadding(name, spec.conv?.padding ?? 0);
    const towers = place.kernels.map((kernels, tower): TowerLayer => {
      const input = inputOf(place.reads, previous, tower, [channels, size, size]);
      if (kernels > 0 && input[0] === 0) {
        fail(`${spec.name} on tower ${tower} reads its own maps, but the layer before has none there`);
      }
      const k = spec.conv?.kernel;
      const positions: readonly [number, number] = k
        ? [
            outputSize(input[1], k, stride, padding[0], padding[2], false),
            outputSize(input[2], k, stride, padding[1], padding[3], false),
          ]
        : [1, 1];
      const units = [kernels, ...(spec.conv?.local ? positions : [])];
      const output = spec.stages.reduce(afterStage, [kernels, ...positions]);
      if (Math.min(output[1], output[2]) < 1)
        fail(`${spec.name}: a ${input[1]}x${input[2]} map is too small for it`);
      return {
        kernels,
        start: place.kernels.slice(0, tower).reduce((a, b) => a + b, 0),
        input,
        output,
        positions,
        weight: k ? [...units, input[0], k, k] : [kernels, input[0] * input[1] * input[2]],
      };
    });
    previous = towers.map((tower) => tower.output);
    return { spec, reads: place.reads, stride, padding, towers };
  });
}

function inputOf(
  reads: LayerPlacement['reads'],
  previous: readonly (readonly [number, number, number])[],
  tower: number,
  image: readonly [number, number, number],
): readonly [number, number, number] {
  if (reads === 'image') return image;
  const own = previous[tower] ?? image;
  return reads === 'own' ? own : [previous.reduce((sum, [c]) => sum + c, 0), own[1], own[2]];
}

function afterStage(
  shape: readonly [number, number, number],
  stage: Stage,
): readonly [number, number, number] {
  if (stage.kind !== 'pool') return shape;
  const pooled = (n: number): number => outputSize(n, stage.kernel, stage.stride, 0, 0, stage.ceilMode);
  return [shape[0], pooled(shape[1]), pooled(shape[2])];
}

/** A parameter as a state dict has it. */
export interface JoinedParameter {
  readonly name: string;
  readonly what: 'weight' | 'bias';
  readonly shape: Shape;
  /** The towers whose rows it holds, in order. */
  readonly towers: readonly number[];
}

/**
 * A layer's parameters as a state dict has them, towers joined: `conv1.weight` has the kernels of all of them as rows.
 * Kernels that read different numbers of maps don't join; they have their tower's number, `conv2.1.weight`.
 */
export function joinedParameters({ spec, towers }: PlacedLayer): JoinedParameter[] {
  const present = towers.flatMap((tower, i) => (tower.kernels > 0 ? [i] : []));
  const rowsOf = (some: readonly number[]): number => some.reduce((sum, i) => sum + towers[i]!.kernels, 0);
  const columnsOf = (i: number | undefined): Shape => (i === undefined ? [] : towers[i]!.weight.slice(1));
  const weightOf = (name: string, some: readonly number[]): JoinedParameter => {
    return { name, what: 'weight', shape: [rowsOf(some), ...columnsOf(some[0])], towers: some };
  };
  const joins = present.every((i) => sameShape(columnsOf(i), columnsOf(present[0])));
  const weights = joins
    ? [weightOf(`${spec.name}.weight`, present)]
    : present.map((i) => weightOf(`${spec.name}.${i}.weight`, [i]));
  const places = spec.conv?.local ? columnsOf(present[0]).slice(0, 2) : [];
  const shape = [rowsOf(present), ...places];
  return [...weights, { name: `${spec.name}.bias`, what: 'bias', shape, towers: present }];
}

/** The shapes of all parameters by name, as `joinedParameters` joins them. */
export function joinedShapes(layers: readonly PlacedLayer[]): Map<string, Shape> {
  return new Map(layers.flatMap(joinedParameters).map(({ name, shape }) => [name, shape]));
}

/** Whether a layer keeps towers of different sizes apart, which takes a device for each: groups are all of one size. */
export function differsApart({ spec, reads, towers }: PlacedLayer): boolean {
  const apart =
    reads === 'own' || spec.stages.some((stage) => stage.kind === 'norm' && stage.across === 'tower');
  const groups = towers.filter((t) => t.kernels > 0 || (reads === 'own' && t.input[0] > 0));
  return apart && new Set(groups.map(({ kernels, input }) => `${input[0]} to ${kernels}`)).size > 1;
}

/** Weights and biases in all. */
export function parameterCount(layers: readonly PlacedLayer[]): number {
  return [...joinedShapes(layers).values()].reduce((sum, shape) => sum + sizeOf(shape), 0);
}

/** Multiply-adds of one image's forward pass, by layer. */
export function multiplyAdds(layers: readonly PlacedLayer[]): Map<string, number> {
  // The weights of a locally connected layer count its places already.
  const macs = ({ weight, positions }: TowerLayer, local = false): number =>
    sizeOf(weight) * (local ? 1 : positions[0] * positions[1]);
  return new Map(
    layers.map(({ spec, towers }) => [
      spec.name,
      towers.reduce((sum, t) => sum + macs(t, spec.conv?.local), 0),
    ]),
  );
}

/** Multiply-adds of one image's training step: three times the forward pass, but no input gradient of the first layer. */
export function trainingMultiplyAdds(layers: readonly PlacedLayer[]): number {
  const forward = [...multiplyAdds(layers).values()];
  return 3 * forward.reduce((a, b) => a + b, 0) - (forward[0] ?? 0);
}

/** What crosses between towers before a layer. */
export interface CrossingFigure {
  readonly layer: string;
  readonly from: number;
  readonly to: number;
  /** Numbers for each image, forward; as many come back as gradients. */
  readonly floats: number;
}

/** Every crossing of a forward pass with a device for each tower. */
export function crossings(layers: readonly PlacedLayer[]): CrossingFigure[] {
  return layers.flatMap(({ spec, reads, towers }, index) => {
    const before = layers[index - 1];
    if (!before || reads !== 'all') return [];
    return before.towers.flatMap(({ output: [c, h, w] }, from) =>
      towers.flatMap(({ kernels }, to) =>
        from !== to && kernels > 0 && c > 0 ? [{ layer: spec.name, from, to, floats: c * h * w }] : [],
      ),
    );
  });
}
