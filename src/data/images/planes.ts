/**
 * Pixels [N, 3], as decoders give them, to planes [3, N].
 */
import { aligned, layOut, sharedKernels } from './vectors/kernels.js';

/** Pixels at a time, a multiple of 16: what is read and written stays near. */
const most = 2 ** 16;

/** The three planes of pixels. */
export function planesOf(pixels: Uint8Array): Uint8Array {
  const area = pixels.length / 3;
  const planes = new Uint8Array(pixels.length);
  const kernels = sharedKernels();
  const apart = aligned(Math.min(area, most));
  const [to = 0, from = 0, end = 0] = layOut(3 * apart, 3 * apart);
  for (let start = 0; start < area; start += most) {
    const count = Math.min(most, area - start);
    const memory = kernels.room(end);
    memory.set(pixels.subarray(3 * start, 3 * (start + count)), from);
    kernels.split(from, to, apart, Math.ceil(count / 16));
    for (let c = 0; c < 3; c++) {
      const plane = to + c * apart;
      planes.set(memory.subarray(plane, plane + count), c * area + start);
    }
  }
  return planes;
}
