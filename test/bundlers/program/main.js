/** What a user's page may hold: a step of the two towers of `small`, on two CPU devices, by public entries alone. */
import { crossEntropy, manualSeed, openDevice, randn, scope, tensor } from 'tandem-ts';
import { Network, nets } from 'tandem-ts/alexnet';
import { SyntheticDataset } from 'tandem-ts/data';
import { encodeSafetensors } from 'tandem-ts/formats';
import { SGD } from 'tandem-ts/nn';
import { takeStep } from 'tandem-ts/train';

/** @param options of the devices: esbuild and rollup need `worker` */
export async function run(options = {}) {
  const devices = [
    await openDevice('cpu:0', { threads: 1, deterministic: true, ...options }),
    await openDevice('cpu:1', { threads: 1, deterministic: true, ...options }),
  ];
  const { architecture, placement } = nets.small;
  const network = new Network({ architecture, placement: placement(10), devices, seed: 1 });
  const optimizer = new SGD([{ params: network.parameters(), learningRate: 0.01 }]);
  manualSeed(1);
  const labels = tensor(Int32Array.from([0, 1, 2, 3]), { device: devices[0] });
  const losses = [];
  for (let step = 0; step < 2; step++) {
    losses.push(
      await scope(() => {
        const { channels, size } = architecture;
        const images = devices.map((device) =>
          tensor(
            Float32Array.from({ length: 4 * channels * size * size }, (_, i) => ((i * 37) % 11) - 5),
            { shape: [4, channels, size, size], device },
          ),
        );
        const loss = crossEntropy(network.forward(images), labels);
        optimizer.zeroGrad();
        loss.backward();
        optimizer.step();
        return loss.item();
      }),
    );
  }
  for (const device of devices) await device.close();
  const used = [randn, SyntheticDataset, encodeSafetensors, takeStep].filter(
    (name) => typeof name === 'function',
  );
  return `${devices[0].description}; ${losses.join(' ')}; ${used.length}`;
}
