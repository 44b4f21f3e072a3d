/**
 * The paper's network as an ONNX model: input `images` `[N, C, H, W]`, which is what the network reads (mean
 * subtracted), output `logits` `[N, classes]`.
 *
 * Of a network on one device towers are groups; on several, each tower is a branch of its own, and what they exchange
 * is a Concat.
 */
import { openDevice } from '../backends/open.js';
import type { Device } from '../core/device.js';
import { exportOnnx, onnxRule } from '../formats/onnx/export.js';
import type { GraphValue } from '../formats/onnx/graph.js';
import type { StateDict } from '../nn/module.js';
import { differsApart, placeLayers } from './architecture.js';
import { Network, type NetworkOptions } from './network.js';

const networkRule = onnxRule(Network, (network, images, graph) => {
  let values: (GraphValue | null)[] = network.devices.map(() => images);
  for (const { placed, parts } of network.layers) {
    const present = values.filter((x) => x !== null);
    const [first] = present;
    let joined = first ?? images;
    if (placed.reads === 'all' && present.length > 1) {
      const channels = present.reduce((sum, { shape }) => sum + (shape[0] ?? 0), 0);
      joined = graph.node('Concat', present, { axis: 1 }, [channels, ...joined.shape.slice(1)]);
    }
    values = parts.map((part, i) => {
      const x = placed.reads === 'all' ? joined : values[i];
      const name = network.merged ? placed.spec.name : `${placed.spec.name}.${i}`;
      return part && x ? graph.add(part.chain, x, name) : null;
    });
  }
  return values[0] ?? images;
});

/** The bytes of an ONNX file of a network. @throws {ArgumentError} as `exportOnnx` does */
export function exportNetwork(network: Network): Promise<Uint8Array> {
  const { name, channels, size } = network.architecture;
  return exportOnnx(network, {
    name,
    input: [channels, size, size],
    inputName: 'images',
    outputName: 'logits',
    rules: [networkRule],
  });
}

/**
 * As `exportNetwork`, of the tables of a network and its parameters with towers joined, as checkpoints hold them: it is
 * built on one device, or on one for each tower where towers of different sizes are kept apart.
 * @param options `state`: the parameters
 * @throws {ArgumentError} for parameters that don't fit as well
 */
export async function exportState({
  architecture,
  placement,
  state,
  dropoutForm,
}: Pick<NetworkOptions, 'architecture' | 'placement' | 'dropoutForm'> & {
  readonly state: StateDict;
}): Promise<Uint8Array> {
  const placed = placeLayers(architecture, placement);
  const count = placed.some(differsApart) ? (placed[0]?.towers.length ?? 1) : 1;
  const devices: Device[] = [];
  try {
    for (let i = 0; i < count; i++) devices.push(await openDevice(`cpu:${i}`, { threads: 1 }));
    const options = { architecture, placement, dropoutForm, devices, seed: 0 };
    return await exportNetwork(new Network({ ...options, parameters: state }));
  } finally {
    await Promise.all(devices.map((device) => device.close()));
  }
}
