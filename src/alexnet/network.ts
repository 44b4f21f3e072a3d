/**
 * A network built from its tables, on one device or on one for each tower.
 *
 * On one device the towers are groups: a layer that reads `own` is a grouped convolution, one that reads `all` an
 * ordinary one. On several, each tower is a convolution of its own, and a layer that reads `all` exchanges first.
 * Both hold the same numbers: a tower's weights are rows of the whole, drawn by their place in it, and so are its
 * dropout masks.
 */
import type { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { conv2d } from '../core/ops/conv.js';
import { dropout } from '../core/ops/dropout.js';
import { abs, relu, tanh } from '../core/ops/elementwise.js';
import { linear } from '../core/ops/matmul.js';
import { localResponseNorm, spatialResponseNorm } from '../core/ops/normalize.js';
import { avgPool2d, maxPool2d } from '../core/ops/pool.js';
import { exchange } from '../core/ops/transfer.js';
import { flatten, reshape } from '../core/ops/views.js';
import { type Draw, Generator } from '../core/random.js';
import { scope } from '../core/scope.js';
import { contiguousStrides, sizeOf } from '../core/shape.js';
import type { Tensor } from '../core/tensor.js';
import { inLayer } from '../core/trace.js';
import { checkState, Module, type StateDict } from '../nn/module.js';
import {
  type Architecture,
  type PlacedLayer,
  type Placement,
  placeLayers,
  type Stage,
} from './architecture.js';
import { buildPart, drawn, given, joinedShapes, type Part } from './parts.js';

interface BuiltLayer {
  readonly placed: PlacedLayer;
  /** A part for each device; null where the layer has no kernels. */
  readonly parts: readonly (Part | null)[];
}

/** How to build a network. */
export interface NetworkOptions {
  readonly architecture: Architecture;
  readonly placement: Placement;
  /** One device for all towers, or one for each. */
  readonly devices: readonly Device[];
  /** Seed of the initial weights and of dropout. */
  readonly seed: number;
  /** Parameters as `stateDict` gives them, instead of drawn ones: quicker than drawing first and loading then. */
  readonly parameters?: StateDict | undefined;
  /** See `dropout`. Default 'paper'. */
  readonly dropoutForm?: 'paper' | 'inverted';
}

/** The network. */
export class Network extends Module {
  /** Hands out the dropout masks; its `stream` belongs in a checkpoint. */
  readonly generator: Generator;
  readonly layers: readonly BuiltLayer[];
  readonly devices: readonly Device[];
  private readonly dropoutForm: 'paper' | 'inverted';

  /**
   * @throws {ArgumentError} when the devices are neither one nor as many as the towers, or can't hold the placement:
   * one device needs towers of equal size, several a last layer on the first alone and no norm across all towers; and
   * when `parameters` doesn't fit.
   */
  constructor(options: NetworkOptions) {
    super();
    const { architecture, placement, devices, seed, parameters, dropoutForm = 'paper' } = options;
    const placed = placeLayers(architecture, placement);
    const towers = placed[0]?.towers.length ?? 0;
    this.devices = devices.every((device) => device === devices[0]) ? devices.slice(0, 1) : devices;
    if (this.devices.length !== 1 && this.devices.length !== towers) {
      const names = devices.map((device) => device.name).join(', ');
      throw new ArgumentError(
        `${architecture.name}: ${devices.length} devices (${names}) for ${towers} towers: give one, or one a tower`,
      );
    }
    for (const [i, layer] of placed.entries()) this.check(architecture.name, layer, i === placed.length - 1);
    if (parameters) checkState(architecture.name, joinedShapes(placed), parameters);
    this.dropoutForm = dropoutForm;
    this.generator = new Generator(seed);
    this.layers = placed.map((layer) => {
      const draw = this.generator.next();
      const make = parameters ? given(layer, parameters) : drawn(layer, draw);
      return {
        placed: layer,
        parts: this.devices.map((device, i) => buildPart(layer, device, this.merged ? null : i, make)),
      };
    });
  }

  /** @throws {ArgumentError} for what these devices can't do. */
  private check(name: string, { spec, reads, towers }: PlacedLayer, last: boolean): void {
    const fail = (problem: string): never => {
      throw new ArgumentError(`${name}: ${spec.name} ${problem}`);
    };
    const norms = spec.stages.flatMap((stage) => (stage.kind === 'norm' ? [stage.across] : []));
    if (this.merged) {
      // Groups: as many channels to as many kernels in each.
      const groups = towers.filter((t) => t.kernels > 0 || (reads === 'own' && t.input[0] > 0));
      const sizes = new Set(groups.map(({ kernels, input }) => `${input[0]} to ${kernels}`));
      if (sizes.size > 1 && (reads === 'own' || norms.includes('tower'))) {
        fail('keeps towers of different sizes apart: that needs a device for each tower');
      }
      return;
    }
    if (norms.includes('all')) fail('normalizes across all towers: that needs one device for all');
    if (last && towers.some(({ kernels }, i) => (i === 0) !== kernels > 0)) {
      fail('is the last layer: on several devices it must sit on the first tower alone');
    }
  }

  /** Whether all towers sit on one device. */
  get merged(): boolean {
    return this.devices.length === 1;
  }

  /** Parameters by name: `conv1.weight` on one device, `conv1.0.weight` for tower 0 on several. */
  override namedParameters(): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    for (const { parts } of this.layers) {
      for (const part of parts) {
        if (part) for (const x of [part.weight, part.bias]) found.set(x.name, x);
      }
    }
    return found;
  }

  /**
   * The output of the last layer, on the device that holds it (the first).
   * @param images `[N, C, H, W]`, one for each device
   */
  forward(images: readonly Tensor[]): Tensor {
    const hidden = this.features(images);
    const scores = this.classify(hidden);
    if (hidden !== images[0]) hidden.dispose();
    return scores;
  }

  /**
   * What the last layer reads: the hidden layer before it, joined where it reads all towers (fc7's `[N, 4096]` of
   * AlexNet), on the device that holds the last layer.
   * @param images `[N, C, H, W]`, one for each device
   */
  features(images: readonly Tensor[]): Tensor {
    if (images.length !== this.devices.length || images.some((x, i) => x.device !== this.devices[i])) {
      const names = this.devices.map((device) => device.name).join(', ');
      throw new ArgumentError(`forward: expected the images on each of ${names}, in this order`);
    }
    const last = this.layers.at(-1)!;
    let parts: readonly (Tensor | null)[] = images;
    // Inputs are the caller's; others are let go as soon as they were read.
    const dispose = (inputs: readonly (Tensor | null)[], but: readonly (Tensor | null)[]): void => {
      if (inputs !== images) for (const x of inputs) if (!but.includes(x)) x?.dispose();
    };
    for (const layer of this.layers) {
      parts = inLayer(layer.placed.spec.name, () => {
        const read = this.gather(layer, parts);
        const outputs = layer === last ? read.slice(0, 1) : this.compute(layer, read);
        dispose(parts, outputs);
        if (read !== parts) dispose(read, outputs);
        return outputs;
      });
    }
    return parts[0]!;
  }

  /** The last layer's output for what `features` gave. */
  classify(hidden: Tensor): Tensor {
    const last = this.layers.at(-1)!;
    return inLayer(last.placed.spec.name, () => this.compute(last, [hidden])[0]!);
  }

  /** What a layer reads on each device: its inputs, or what all towers exchanged. */
  private gather(
    { placed, parts }: BuiltLayer,
    inputs: readonly (Tensor | null)[],
  ): readonly (Tensor | null)[] {
    if (placed.reads !== 'all' || this.merged) return inputs;
    const present = inputs.filter((x) => x !== null);
    const readers = [...new Set(parts.flatMap((part) => (part ? [part.device] : [])))];
    const joined = exchange(present, { devices: readers });
    return parts.map((part) => (part ? joined[readers.indexOf(part.device)]! : null));
  }

  /** A layer's output on each device. */
  private compute({ placed, parts }: BuiltLayer, read: readonly (Tensor | null)[]): (Tensor | null)[] {
    const draws = placed.spec.stages.map((stage) =>
      stage.kind === 'dropout' && this.training ? this.generator.next() : null,
    );
    return parts.map((part, i) => {
      const x = read[i];
      return part && x ? this.computePart(placed, part, x, draws) : null;
    });
  }

  /** A layer's share on one device: the product with its weights, then the stages. */
  private computePart(placed: PlacedLayer, part: Part, x: Tensor, draws: readonly (Draw | null)[]): Tensor {
    const { spec, reads, stride, padding } = placed;
    const groups = reads === 'own' ? part.towers : 1;
    const fused = spec.stages[0]?.kind === 'relu';
    const options = { bias: part.bias, relu: fused };
    const product = (): Tensor => {
      if (spec.conv) return conv2d(x, part.weight, { ...options, stride, padding, groups });
      const flat = flatten(x);
      if (groups === 1) return linear(flat, part.weight, options);
      // Towers that don't communicate, on one device: a grouped product is a grouped 1x1 convolution.
      const [n = 0, features = 0] = flat.shape;
      const weight = reshape(part.weight, [...part.weight.shape, 1, 1]);
      return flatten(conv2d(reshape(flat, [n, features, 1, 1]), weight, { ...options, groups }));
    };
    let result = scope(product);
    for (const [i, stage] of spec.stages.entries()) {
      if (i === 0 && fused) continue;
      const input = result;
      result = scope(() => this.apply(stage, input, part, placed, draws[i] ?? null));
      if (result !== input) input.dispose();
    }
    return result;
  }

  private apply(stage: Stage, x: Tensor, part: Part, placed: PlacedLayer, draw: Draw | null): Tensor {
    switch (stage.kind) {
      case 'relu':
        return relu(x);
      case 'tanh':
        return tanh(x);
      case 'absTanh':
        return abs(tanh(x));
      case 'pool': {
        const { kernel, stride, ceilMode } = stage;
        if (stage.mode === 'max') return maxPool2d(x, { kernel, stride, ceilMode });
        return avgPool2d(x, { kernel, stride, ceilMode, countIncludePad: false });
      }
      case 'norm': {
        if (stage.across === 'pixels') return spatialResponseNorm(x, stage.options);
        if (stage.across === 'all' || part.towers === 1) return localResponseNorm(x, stage.options);
        // [N, towers * C, H, W] seen as [N * towers, C, H, W]: the window stays within a tower.
        const [n = 0, c = 0, h = 0, w = 0] = x.shape;
        const towers = reshape(x, [n * part.towers, c / part.towers, h, w]);
        return reshape(localResponseNorm(towers, stage.options), x.shape);
      }
      case 'dropout': {
        // Counted by their place among all kernels of the layer.
        const all = placed.towers.reduce((sum, tower) => sum + tower.kernels, 0);
        const [n = 0, , ...map] = x.shape;
        const place = { offset: part.start * sizeOf(map), strides: contiguousStrides([n, all, ...map]) };
        return dropout(x, stage.p, {
          training: draw !== null,
          form: this.dropoutForm,
          draw: draw ? { ...draw, ...place } : undefined,
        });
      }
    }
  }

  /** Parameters by name, towers joined: `conv1.weight` is the same whatever the devices. */
  override joinedParameters(): Map<string, readonly Tensor[]> {
    const found = new Map<string, readonly Tensor[]>();
    for (const { placed, parts } of this.layers) {
      const present = parts.filter((part) => part !== null);
      for (const what of ['weight', 'bias'] as const) {
        found.set(
          `${placed.spec.name}.${what}`,
          present.map((part) => part[what]),
        );
      }
    }
    return found;
  }
}
