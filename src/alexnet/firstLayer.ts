/**
 * Another first layer for a network of the catalogue: kernels of another size, number, start or decay. The paper's
 * kernels of 11x11 pixels show what they look for; the 5x5 of networks for small images are too small for that.
 */
import { ArgumentError } from '../core/errors.js';
import type { Net } from './recipes.js';

/** What a first layer has differently; what isn't named stays as the network has it. */
export interface FirstLayer {
  /** Height and width of the kernels, odd: their input is padded by half of it on every side. */
  readonly kernel?: number | undefined;
  readonly stride?: number | undefined;
  /** Kernels of each tower. */
  readonly kernels?: number | undefined;
  /** Standard deviation of the initial weights. */
  readonly std?: number | undefined;
  readonly weightDecay?: number | undefined;
}

/** The network with its first layer changed. @throws {ArgumentError} for an even size, or a network without a convolution */
export function withFirstLayer(net: Net, { kernel, stride, kernels, std, weightDecay }: FirstLayer): Net {
  const { architecture } = net;
  const [first, ...others] = architecture.layers;
  if (!first?.conv) throw new ArgumentError(`${architecture.name}: its first layer is no convolution`);
  if (kernel !== undefined && kernel % 2 !== 1)
    throw new ArgumentError(
      `${architecture.name}: kernels of ${kernel}x${kernel} have no middle pixel; expected an odd size`,
    );
  const changed = {
    ...first,
    conv: {
      ...first.conv,
      ...(kernel !== undefined && { kernel, padding: (kernel - 1) / 2 }),
      ...(stride !== undefined && { stride }),
    },
    std: std ?? first.std,
    ...(weightDecay !== undefined && { weightDecay }),
  };
  return {
    ...net,
    architecture: { ...architecture, layers: [changed, ...others] },
    placement: (classes) => {
      const placement = net.placement(classes);
      const place = placement[first.name];
      if (kernels === undefined || !place) return placement;
      return { ...placement, [first.name]: { ...place, kernels: place.kernels.map(() => kernels) } };
    },
  };
}
