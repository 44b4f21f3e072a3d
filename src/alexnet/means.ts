/**
 * The part of the mean image that lies under each image's crop, for a whole batch at once: on a GPU a map of each image
 * would be as many dispatches as there are images.
 *
 *     out[n, c, y, x] = mean[c, from[n] + y width + step[n] x]
 *
 * from[n] is the pixel of the mean under the first of image n, step[n] is -1 where it is mirrored.
 */
import { e } from '../core/expr.js';
import { map } from '../core/ops/launch.js';
import { permute } from '../core/ops/views.js';
import { Tensor } from '../core/tensor.js';
import type { Batch } from '../data/loader.js';

const place = e.add(e.input(0), e.mul(e.input(1), e.input(2)));

/**
 * The mean under each crop, `[N, C, size, size]`, not dense.
 * @param mean `[C, side, side]`, dense
 */
export function meansUnder(
  mean: Tensor,
  size: number,
  { offsets, mirrored }: Pick<Batch, 'offsets' | 'mirrored'>,
): Tensor {
  const { device } = mean;
  const [channels = 0, , side = 0] = mean.shape;
  const n = mirrored.length;
  const rows = new Int32Array(n * size);
  const steps = new Int32Array(n);
  for (let i = 0; i < n; i++) {
    const mirror = mirrored[i] === 1;
    const from = offsets[2 * i]! * side + offsets[2 * i + 1]! + (mirror ? size - 1 : 0);
    for (let y = 0; y < size; y++) rows[i * size + y] = from + y * side;
    steps[i] = mirror ? -1 : 1;
  }
  const op = 'normalize';
  const upload = (data: Int32Array, shape: number[]): Tensor => Tensor.from(op, device, data, shape);
  const columns = upload(
    Int32Array.from({ length: size }, (_, x) => x),
    [size],
  );
  const inputs = [upload(rows, [n, size, 1]), upload(steps, [n, 1, 1]), columns];
  const index = map(op, place, inputs, { dtype: 'int32' });
  for (const input of inputs) input.dispose();
  const count = index.size;
  const out = Tensor.empty(op, device, [channels, n, size, size]);
  const dense = { ...out.view(op), shape: [channels, count, 1], strides: [count, 1, 1] };
  device.run('gather', {
    x: { ...mean.view(op), shape: [channels, side * side, 1], strides: [side * side, 1, 1] },
    index: { ...index.view(op), shape: [channels, count, 1], strides: [0, 1, 1] },
    out: dense,
  });
  index.dispose();
  return permute(out, [1, 0, 2, 3]);
}
