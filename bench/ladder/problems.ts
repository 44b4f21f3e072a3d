/**
 * The two problems that the ladder climbs: a square matrix product, and AlexNet's conv3 on one image. Both are
 * `out[m, n] = sum over k of left[m, k] * right(k, n)`; in the convolution `right` is a pixel of the image, m an
 * output channel, n an output pixel and k an input channel and a place in the kernel.
 */

import { HostRandom } from '../../src/backends/threefry.js';
import type { Device } from '../../src/core/device.js';
import { conv2d } from '../../src/core/ops/conv.js';
import { matmul } from '../../src/core/ops/matmul.js';
import { drawOf } from '../../src/core/random.js';
import { Tensor } from '../../src/core/tensor.js';

/** One of the problems. */
export interface Problem {
  readonly name: string;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** `[m, k]`. */
  readonly left: Float32Array;
  /** What `right` is read from. */
  readonly data: Float32Array;
  /** `right` written out, `[k, columns]`, columns from n on zero. For a convolution that is im2col. */
  writeOut(columns: number): Float32Array;
  /** WGSL: the body of `fn right(k: u32, n: u32) -> f32`, from `data`. */
  readonly wgsl: string;
  /** The op on a device: uploads the operands once; `run` computes into a new tensor. */
  onDevice(device: Device): { run(): Tensor; dispose(): void };
}

function randomNumbers(count: number, stream: number): Float32Array {
  const random = new HostRandom(drawOf(7, stream));
  return Float32Array.from({ length: count }, () => 2 * random.uniform() - 1);
}

/** The product of two n x n matrices. */
export function matmulProblem(n: number): Problem {
  const [left, data] = [randomNumbers(n * n, 0), randomNumbers(n * n, 1)];
  return {
    name: `matmul ${n}`,
    m: n,
    k: n,
    n,
    left,
    data,
    writeOut(columns) {
      if (columns === n) return data;
      const out = new Float32Array(n * columns);
      for (let k = 0; k < n; k++) out.set(data.subarray(k * n, (k + 1) * n), k * columns);
      return out;
    },
    wgsl: `return data[k * ${n}u + n];`,
    onDevice(device) {
      const [a, b] = [left, data].map((x) => Tensor.from('ladder', device, x, [n, n]));
      return operandsOf(a, b, matmul);
    },
  };
}

/** A 3x3 convolution with padding 1 of a `channels x size x size` image to `kernels` maps. */
export function convProblem(channels: number, size: number, kernels: number): Problem {
  const [k, n] = [channels * 9, size * size];
  const left = randomNumbers(kernels * k, 2);
  const data = randomNumbers(channels * n, 3);
  return {
    name: `conv 3x3, ${channels} to ${kernels} maps of ${size}x${size}`,
    m: kernels,
    k,
    n,
    left,
    data,
    writeOut(columns) {
      const out = new Float32Array(k * columns);
      for (let row = 0; row < k; row++) {
        const [channel, i, j] = [Math.floor(row / 9), Math.floor((row % 9) / 3) - 1, (row % 3) - 1];
        for (let y = Math.max(0, -i); y < Math.min(size, size - i); y++) {
          for (let x = Math.max(0, -j); x < Math.min(size, size - j); x++) {
            out[row * columns + y * size + x] = data[(channel * size + y + i) * size + x + j]!;
          }
        }
      }
      return out;
    },
    wgsl: `
      let y = n / ${size}u + (k % 9u) / 3u;
      let x = n % ${size}u + k % 3u;
      if (y < 1u || x < 1u || y > ${size}u || x > ${size}u) { return 0.0; }
      return data[(k / 9u * ${size}u + y - 1u) * ${size}u + x - 1u];`,
    onDevice(device) {
      const image = Tensor.from('ladder', device, data, [1, channels, size, size]);
      const weight = Tensor.from('ladder', device, left, [kernels, channels, 3, 3]);
      return operandsOf(image, weight, (x, w) => conv2d(x, w, { padding: 1 }));
    },
  };
}

function operandsOf(
  a: Tensor | undefined,
  b: Tensor | undefined,
  op: (a: Tensor, b: Tensor) => Tensor,
): { run(): Tensor; dispose(): void } {
  if (!a || !b) throw new Error('two operands are needed');
  return {
    run: () => op(a, b),
    dispose() {
      a.dispose();
      b.dispose();
    },
  };
}
