/**
 * A network built from its tables, on one device or on one for each tower.
 *
 * A layer is a chain of modules on each device (parts.ts). On one device the towers are groups: a layer that reads
 * `own` has a grouped product, one that reads `all` an ordinary one. On several, each tower has a chain of its own, and
 * a layer that reads `all` exchanges first.
 */
import type { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { exchange } from '../core/ops/transfer.js';
import { type Draw, Generator } from '../core/random.js';
import type { Tensor } from '../core/tensor.js';
import { inLayer } from '../core/trace.js';
import { checkState, Module, type StateDict } from '../nn/module.js';
import {
  type Architecture,
  differsApart,
  joinedParameters,
  joinedShapes,
  type PlacedLayer,
  type Placement,
  placeLayers,
} from './architecture.js';
import { buildPart, drawn, given, type Part } from './parts.js';

/** A layer on the network's devices. */
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
  readonly dropoutForm?: 'paper' | 'inverted' | undefined;
}

/** The network. */
export class Network extends Module {
  /** Hands out the dropout masks; its `stream` belongs in a checkpoint. */
  readonly generator: Generator;
  readonly layers: readonly BuiltLayer[];
  readonly devices: readonly Device[];
  readonly architecture: Architecture;
  /** The random numbers of the dropout stage of this number in the layer that runs. */
  private draws: readonly (Draw | null)[] = [];

  /**
   * @throws {ArgumentError} when the devices are neither one nor as many as the towers, or can't hold the placement:
   * one device needs towers of equal size, several a last layer on the first alone and no norm across all towers; and
   * when `parameters` doesn't fit.
   */
  constructor(options: NetworkOptions) {
    super();
    const { architecture, placement, devices, seed, parameters, dropoutForm = 'paper' } = options;
    this.architecture = architecture;
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
    this.generator = new Generator(seed);
    const dropping = {
      form: dropoutForm,
      draw: (stage: number) => this.draws[stage] ?? this.generator.next(),
    };
    this.layers = placed.map((layer) => {
      const draw = this.generator.next();
      const make = parameters ? given(layer, parameters) : drawn(layer, draw);
      const parts = this.devices.map((device, i) =>
        buildPart(layer, device, this.merged ? null : i, make, dropping),
      );
      return { placed: layer, parts };
    });
    this.namedParameters(); // gives them their names
  }

  /** @throws {ArgumentError} for what these devices can't do. */
  private check(name: string, layer: PlacedLayer, last: boolean): void {
    const { spec, towers } = layer;
    const fail = (problem: string): never => {
      throw new ArgumentError(`${name}: ${spec.name} ${problem}`);
    };
    if (this.merged) {
      if (differsApart(layer))
        fail('keeps towers of different sizes apart: that needs a device for each tower');
      if (spec.conv?.local && layer.reads === 'own' && towers.length > 1)
        fail('is locally connected, which has no groups: that needs a device for each tower');
      return;
    }
    const norms = spec.stages.flatMap((stage) => (stage.kind === 'norm' ? [stage.across] : []));
    if (norms.includes('all')) fail('normalizes across all towers: that needs one device for all');
    if (last && towers.some(({ kernels }, i) => (i === 0) !== kernels > 0)) {
      fail('is the last layer: on several devices it must sit on the first tower alone');
    }
  }

  /** Whether all towers sit on one device. */
  get merged(): boolean {
    return this.devices.length === 1;
  }

  /** Parameters are named by layer, `conv1.weight`, on several devices by tower as well, `conv1.0.weight`. */
  override *members(): Iterable<[string, unknown]> {
    for (const { placed, parts } of this.layers) {
      const products = parts.map((part) => part?.product ?? null);
      yield [placed.spec.name, this.merged ? products[0] : products];
    }
    // What has no parameters, for `train()`.
    yield ['chains', this.layers.map(({ parts }) => parts.map((part) => part?.chain ?? null))];
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

  /** A layer's output on each device. Each dropout stage draws once for all towers. */
  private compute({ placed, parts }: BuiltLayer, read: readonly (Tensor | null)[]): (Tensor | null)[] {
    this.draws = placed.spec.stages.map(({ kind }) =>
      kind === 'dropout' && this.training ? this.generator.next() : null,
    );
    return parts.map((part, i) => {
      const x = read[i];
      return part && x ? part.chain.forward(x) : null;
    });
  }

  /** Parameters by name, towers joined (see `joinedParameters`): `conv1.weight` is the same whatever the devices. */
  override joinedParameters(): Map<string, readonly Tensor[]> {
    const found = new Map<string, readonly Tensor[]>();
    for (const { placed, parts } of this.layers) {
      for (const { name, what, towers } of joinedParameters(placed)) {
        const holders = this.merged ? parts : towers.map((i) => parts[i]);
        const pieces = holders.map((part) => part?.product[what] ?? null).filter((x) => x !== null);
        found.set(name, pieces);
      }
    }
    return found;
  }
}
