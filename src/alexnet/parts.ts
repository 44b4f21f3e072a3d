/**
 * The parameters of a layer on one device, and the two ways to make them: drawn, or given as a state dict.
 *
 * Either way a tower's are rows of the whole layer's, from row `start` on, so that a network holds the same numbers
 * wherever its towers sit.
 */
import type { Device } from '../core/device.js';
import type { Draw } from '../core/random.js';
import { hostArray, type Shape, sizeOf } from '../core/shape.js';
import { Tensor } from '../core/tensor.js';
import { constant, normal } from '../nn/init.js';
import { parameter, type StateDict } from '../nn/module.js';
import type { PlacedLayer } from './architecture.js';

/** A layer's share on one device: a tower's, or on a single device all towers' as groups. */
export interface Part {
  readonly device: Device;
  /** `[kernels, inputs, KH, KW]` or `[kernels, inputs]`. */
  readonly weight: Tensor;
  /** `[kernels]`. */
  readonly bias: Tensor;
  /** Towers held here, as groups of a convolution that reads `own`. */
  readonly towers: number;
  /** Number of the first kernel here among all of the layer. */
  readonly start: number;
}

/** Makes a parameter of a layer whose first row is row `start` of all towers' together. */
export type Maker = (what: 'weight' | 'bias', shape: Shape, device: Device, start: number) => Tensor;

/** Makes initial values, drawn by their place in the whole. */
export function drawn({ spec }: PlacedLayer, draw: Draw): Maker {
  return (what, shape, device, start) => {
    if (what === 'bias') return constant(spec.bias)(shape, device);
    return normal(spec.std)(shape, device, { ...draw, offset: start * sizeOf(shape.slice(1)) });
  };
}

/** Takes rows of a state dict that was checked to fit. */
export function given({ spec }: PlacedLayer, state: StateDict): Maker {
  return (what, shape, device, start) => {
    const row = sizeOf(shape.slice(1));
    const rows = state.get(`${spec.name}.${what}`)!.data.subarray(start * row, (start + shape[0]!) * row);
    return Tensor.from('parameters', device, hostArray('parameters', 'float32', rows), shape);
  };
}

/** A layer's part on a device that holds `tower`, or all towers; null where that has no kernels. */
export function buildPart(
  layer: PlacedLayer,
  device: Device,
  tower: number | null,
  make: Maker,
): Part | null {
  const own = layer.towers.filter((_, i) => tower === null || i === tower);
  const kernels = own.reduce((sum, t) => sum + t.kernels, 0);
  const first = own[0];
  if (!first || kernels === 0) return null;
  const shape = [kernels, ...first.weight.slice(1)];
  const name = tower === null ? layer.spec.name : `${layer.spec.name}.${tower}`;
  return {
    device,
    weight: parameter(make('weight', shape, device, first.start), `${name}.weight`),
    bias: parameter(make('bias', [kernels], device, first.start), `${name}.bias`),
    towers: own.filter((t) => t.kernels > 0).length,
    start: first.start,
  };
}

/** The shapes of all parameters, towers joined, by name. */
export function joinedShapes(layers: readonly PlacedLayer[]): Map<string, Shape> {
  return new Map(
    layers.flatMap(({ spec, towers }): [string, Shape][] => {
      const kernels = towers.reduce((sum, tower) => sum + tower.kernels, 0);
      const first = towers.find((tower) => tower.kernels > 0);
      return [
        [`${spec.name}.weight`, [kernels, ...(first?.weight.slice(1) ?? [])]],
        [`${spec.name}.bias`, [kernels]],
      ];
    }),
  );
}
