/**
 * A layer of the tables on one device: a chain of modules, its product first, then its stages.
 *
 * Parameters are drawn, or given as a state dict. Either way a tower's are rows of the whole layer's, from row `start`
 * on, and its dropout masks are the whole layer's at its maps' places, so that a network holds the same numbers
 * wherever its towers sit.
 */
import type { Device } from '../core/device.js';
import type { Draw } from '../core/random.js';
import { contiguousStrides, hostArray, type Shape, sizeOf } from '../core/shape.js';
import { Tensor } from '../core/tensor.js';
import {
  Abs,
  AvgPool2d,
  Conv2d,
  Dropout,
  Flatten,
  type Layer,
  Linear,
  LocallyConnected2d,
  LocalResponseNorm,
  MaxPool2d,
  ReLU,
  Sequential,
  SpatialResponseNorm,
  Tanh,
} from '../nn/index.js';
import { constant, normal } from '../nn/layer.js';
import type { StateDict } from '../nn/module.js';
import { type JoinedParameter, joinedParameters, type PlacedLayer, type Stage } from './architecture.js';

/** A layer's share on one device: a tower's, or on a single device all towers' as groups. */
export interface Part {
  readonly device: Device;
  /** The layer with the parameters. */
  readonly product: Conv2d | LocallyConnected2d | Linear;
  /** All that the layer does, the product included. */
  readonly chain: Sequential;
}

/** Makes a parameter of a layer whose first row is row `start` of all towers' together. */
type Maker = (what: 'weight' | 'bias', shape: Shape, device: Device, start: number) => Tensor;

/** Makes initial values, drawn by their place in the whole. */
export function drawn({ spec }: PlacedLayer, draw: Draw): Maker {
  return (what, shape, device, start) => {
    if (what === 'bias') return constant(spec.bias)(shape, device);
    return normal(spec.std)(shape, device, { ...draw, offset: start * sizeOf(shape.slice(1)) });
  };
}

/** Takes rows of a state dict that was checked to fit. */
export function given(layer: PlacedLayer, state: StateDict): Maker {
  const all = joinedParameters(layer);
  return (what, shape, device, start) => {
    // The one that holds these rows: of all towers, or of the tower that begins with them.
    const starts = ({ towers }: JoinedParameter): number => layer.towers[towers[0] ?? 0]!.start;
    const held = all.findLast((one) => one.what === what && starts(one) <= start)!;
    const row = sizeOf(shape.slice(1));
    const first = (start - starts(held)) * row;
    const rows = state.get(held.name)!.data.subarray(first, first + shape[0]! * row);
    return Tensor.from('parameters', device, hostArray('parameters', 'float32', rows), shape);
  };
}

/** How a layer drops its outputs. */
interface Dropping {
  readonly form: 'paper' | 'inverted';
  /** The random numbers of a stage, by its number, in the step under way: the same for all towers. */
  readonly draw: (stage: number) => Draw;
}

/** A layer's part on a device that holds `tower`, or all towers; null where that has no kernels. */
export function buildPart(
  layer: PlacedLayer,
  device: Device,
  tower: number | null,
  make: Maker,
  dropping: Dropping,
): Part | null {
  const { spec, stride, padding } = layer;
  const present = layer.towers.filter(({ kernels }, i) => kernels > 0 && (tower === null || i === tower));
  const [first] = present;
  if (!first) return null;
  const { input, start } = first;
  const kernels = present.reduce((sum, t) => sum + t.kernels, 0);
  const groups = layer.reads === 'own' ? present.length : 1;
  const fused = spec.stages[0]?.kind === 'relu';
  const making = {
    device,
    relu: fused,
    weightInit: (shape: Shape) => make('weight', shape, device, start),
    biasInit: (shape: Shape) => make('bias', shape, device, start),
  };
  const product = productOf();
  function productOf(): Part['product'] {
    if (!spec.conv) return new Linear(groups * sizeOf(input), kernels, { ...making, groups });
    const [{ kernel, local }, [channels, ...size]] = [spec.conv, input];
    if (local) return new LocallyConnected2d(channels, kernels, size, kernel, { ...making, stride, padding });
    return new Conv2d(groups * channels, kernels, kernel, { ...making, groups, stride, padding });
  }
  const all = layer.towers.reduce((sum, t) => sum + t.kernels, 0);
  const stages = spec.stages.flatMap((stage, i): Layer[] => {
    if (i === 0 && fused) return [];
    if (stage.kind !== 'dropout') return stageLayers(stage, present.length);
    const draw = ([n = 0, , ...map]: Shape) => ({
      ...dropping.draw(i),
      offset: start * sizeOf(map),
      strides: contiguousStrides([n, all, ...map]),
    });
    return [new Dropout(stage.p, { form: dropping.form, draw })];
  });
  const chain = new Sequential(...(spec.conv ? [] : [new Flatten()]), product, ...stages);
  return { device, product, chain };
}

/** What a stage does to the maps of so many towers. */
function stageLayers(stage: Exclude<Stage, { kind: 'dropout' }>, towers: number): Layer[] {
  switch (stage.kind) {
    case 'relu':
      return [new ReLU()];
    case 'tanh':
      return [new Tanh()];
    case 'absTanh':
      return [new Tanh(), new Abs()];
    case 'pool': {
      const { mode, kernel, stride, ceilMode } = stage;
      if (mode === 'max') return [new MaxPool2d(kernel, { stride, ceilMode })];
      return [new AvgPool2d(kernel, { stride, ceilMode, countIncludePad: false })];
    }
    case 'norm': {
      const { across, options } = stage;
      if (across === 'pixels') return [new SpatialResponseNorm(options)];
      return [new LocalResponseNorm({ ...options, groups: across === 'all' ? 1 : towers })];
    }
  }
}
