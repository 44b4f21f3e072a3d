/**
 * A program for any engine: two steps of `small`'s two towers. Prints the devices and the losses, whose bits are the same
 * on all CPU devices. With the name of a kind as its argument ('webgpu') it multiplies two matrices on the first adapter.
 */
import { Network, nets } from '../../src/alexnet/index.js';
import { crossEntropy, listAdapters, matmul, openDevice, scope, tensor } from '../../src/index.js';
import { SGD } from '../../src/nn/index.js';

const batch = 4;

async function train(): Promise<void> {
  const first = await openDevice('cpu:0', { threads: 2, deterministic: true });
  const devices = [first, await openDevice('cpu:1', { threads: 1, deterministic: true })];
  const { architecture, placement } = nets.small;
  const { channels, size } = architecture;
  const network = new Network({ architecture, placement: placement(10), devices, seed: 1 });
  const optimizer = new SGD([{ params: network.parameters(), learningRate: 0.01 }]);
  const pixels = Float32Array.from(
    { length: batch * channels * size * size },
    (_, i) => (((i * 37) % 11) - 5) / 10,
  );
  for (let step = 0; step < 2; step++) {
    const loss = await scope(() => {
      const images = devices.map((device) =>
        tensor(pixels, { shape: [batch, channels, size, size], device }),
      );
      const labels = tensor(
        Int32Array.from({ length: batch }, (_, i) => i),
        { device: first },
      );
      const loss = crossEntropy(network.forward(images), labels);
      optimizer.zeroGrad();
      loss.backward();
      optimizer.step();
      return loss.item();
    });
    console.log(`loss ${loss}`);
  }
  for (const device of devices) await device.close();
  console.log(devices.map(({ description }) => description.replace(', 256 bits', '')).join('; '));
}

async function multiply(): Promise<void> {
  const [adapter] = await listAdapters();
  if (!adapter) {
    console.log('no adapter');
    return;
  }
  const device = await openDevice('webgpu:0', { adapter: adapter.name });
  const a = tensor([1, 2, 3, 4], { shape: [2, 2], device });
  console.log(`product ${await matmul(a, a).data()}`);
  await device.close();
}

await (process.argv[2] === 'webgpu' ? multiply() : train());
