/**
 * Direct tiles whose lanes share the rows they load, which Mesa's lavapipe gets, against those that load for themselves: the
 * same bits, with rows and columns that fill their tiles and that don't, depths that end between vec4s, and convolutions.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openDevice } from '../../../src/backends/open.js';
import type { Device } from '../../../src/core/device.js';
import { conv2d } from '../../../src/core/ops/conv.js';
import { tensor } from '../../../src/core/ops/create.js';
import { matmul } from '../../../src/core/ops/matmul.js';
import { permute } from '../../../src/core/ops/views.js';
import type { Tensor } from '../../../src/core/tensor.js';
import { lavapipe } from '../../../support/driver.js';

const driver = await lavapipe();
const test = suite('webgpu lanes');

if (driver !== null) {
  const [alone, sharing] = await Promise.all(
    [false, true].map((subgroups) => openDevice('webgpu:0', { driver, tiles: 'direct', subgroups })),
  );
  test.after(async () => {
    await alone?.close();
    await sharing?.close();
  });

  const numbers = (device: Device, shape: readonly number[], seed: number): Tensor => {
    const size = shape.reduce((a, b) => a * b, 1);
    return tensor(
      Float32Array.from({ length: size }, (_, i) => Math.sin(seed + 1.7 * i)),
      { device, shape },
    );
  };

  async function same(what: string, of: (device: Device) => Tensor): Promise<void> {
    const [expected, found] = await Promise.all([of(alone!).data(), of(sharing!).data()]);
    assert.equal(found, expected, what);
  }

  test('products have the same bits, however their operands lie', async () => {
    for (const [M, N, K] of [
      [64, 64, 64],
      [20, 36, 24],
      [49, 75, 21],
      [17, 33, 1000],
    ] as const) {
      await same(`${M}x${N}x${K}`, (device) =>
        matmul(numbers(device, [M, K], 1), numbers(device, [K, N], 2)),
      );
      await same(`${M}x${N}x${K}, the first turned`, (device) =>
        matmul(permute(numbers(device, [K, M], 1), [1, 0]), numbers(device, [K, N], 2)),
      );
      await same(`${M}x${N}x${K}, the second turned`, (device) =>
        matmul(numbers(device, [M, K], 1), permute(numbers(device, [N, K], 2), [1, 0])),
      );
    }
  });

  test('convolutions and their gradients have the same bits', async () => {
    const geometry = { stride: 1, padding: 1, groups: 2 };
    const leaves = (device: Device): [Tensor, Tensor] => {
      const made = [numbers(device, [2, 34, 9, 9], 3), numbers(device, [38, 17, 3, 3], 4)] as const;
      for (const one of made) one.requiresGrad = true;
      return [...made];
    };
    await same('forward', (device) => conv2d(...leaves(device), geometry));
    for (const which of [0, 1] as const) {
      await same(`gradient ${which}`, (device) => {
        const operands = leaves(device);
        const y = conv2d(...operands, geometry);
        y.backward(numbers(device, y.shape, 5));
        return operands[which].grad!;
      });
    }
  });
}

test.run();
