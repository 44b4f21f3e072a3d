/**
 * What moves between host and device, and between devices. Rates count the payload once, though a copy reads and
 * writes it.
 */
import type { Device } from '../src/core/device.js';
import { randn } from '../src/core/ops/create.js';
import { exchange, to } from '../src/core/ops/transfer.js';
import { drawOf } from '../src/core/random.js';
import { scope } from '../src/core/scope.js';
import { type Shape, sizeOf } from '../src/core/shape.js';
import { Tensor } from '../src/core/tensor.js';
import { type Work, workOnOne } from './work.js';

function payload(shape: Shape): { flops: number; bytes: number } {
  return { flops: 0, bytes: 4 * sizeOf(shape) };
}

/** Transfers of a batch of images, and the crossings of the two towers. */
export function transferRows(batch: number): Work[] {
  const images = [batch, 3, 224, 224];
  const maps = [batch, 128, 13, 13];
  const size = (shape: Shape): string => shape.join('x');
  const random = (shape: Shape, device: Device, seed: number): Tensor =>
    randn(shape, { device, draw: drawOf(seed, 0) });
  return [
    workOnOne(`upload ${size(images)}`, (device) => {
      const data = new Float32Array(sizeOf(images)).fill(1);
      const run = (): void => Tensor.from('upload', device, data, images).dispose();
      return { cost: payload(images), run, dispose: () => {} };
    }),
    workOnOne(`read ${size(images)}`, (device, seed) => {
      const x = random(images, device, seed);
      const run = async (): Promise<void> => void (await x.data());
      return { cost: payload(images), run, dispose: () => x.dispose() };
    }),
    {
      name: `to ${size(maps)}`,
      devices: 2,
      prepare([device, other], seed) {
        const x = random(maps, device!, seed);
        const run = (): void => to(x, other!).dispose();
        return { cost: payload(maps), run, dispose: () => x.dispose() };
      },
    },
    {
      name: `exchange 2 of ${size(maps)}`,
      devices: 2,
      prepare(devices, seed) {
        const parts = devices.map((device) => random(maps, device, seed));
        const run = (): void => scope(() => void exchange(parts));
        const cost = { flops: 0, bytes: 2 * payload(maps).bytes };
        const dispose = (): void => {
          for (const part of parts) part.dispose();
        };
        return { cost, run, dispose };
      },
    },
  ];
}
