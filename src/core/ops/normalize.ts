/**
 * Response normalization: across adjacent maps (Krizhevsky 2012, section 3.3), or within each map over a square of
 * pixels (cuda-convnet's `rnorm`).
 *
 * Both divide by `(k + alpha * sum of squares over the window) ^ beta`. Libraries differ in whether their alpha means
 * this factor on the sum or is divided by the window's size first: `scaling` says which.
 */
import { readOptions, requireChoice, requireNumber, requireWhole } from '../arguments.js';
import type { LrnGeometry } from '../backend.js';
import { ArgumentError } from '../errors.js';
import { scope } from '../scope.js';
import type { Tensor } from '../tensor.js';
import { add, mul, pow } from './elementwise.js';
import { computed, recordOne, requireImages } from './launch.js';
import { avgPool2d } from './pool.js';

/** Options of both normalizations; the defaults are the paper's. */
export interface ResponseNormOptions {
  /** Maps in the window (or pixels along its side). Default 5. */
  readonly size?: number | undefined;
  /** Default 1e-4. */
  readonly alpha?: number | undefined;
  /** Default 0.75. */
  readonly beta?: number | undefined;
  /** Default 2. */
  readonly k?: number | undefined;
  /** 'sum': alpha multiplies the plain sum (the paper, TensorFlow); 'mean': alpha / window size does (Caffe, ONNX, PyTorch). Default 'sum'. */
  readonly scaling?: 'sum' | 'mean' | undefined;
}

/** The options of both, spelled out; `mean`: alpha is divided by the window's size. */
export type ResponseNorm = LrnGeometry & { readonly mean: boolean };

/** The paper's. */
export const responseNormDefaults = { size: 5, alpha: 1e-4, beta: 0.75, k: 2, scaling: 'sum' } as const;

/** The options of both, for whoever takes them over. @throws {ArgumentError} for those they can't work with */
export function readResponseNorm(op: string, options: ResponseNormOptions): ResponseNorm {
  const { scaling, ...geometry } = readOptions(op, options, responseNormDefaults);
  for (const [name, value] of Object.entries(geometry)) requireNumber(op, name, value);
  const { size, alpha, k } = geometry;
  requireWhole(op, 'size', size, 1);
  requireChoice(op, 'scaling', scaling, ['sum', 'mean']);
  if (!(k > 0) || !(alpha >= 0))
    throw new ArgumentError(`${op}: k=${k} must be above 0 and alpha=${alpha} not below 0`);
  return { ...geometry, mean: scaling === 'mean' };
}

/** `x / (k + alpha * sum over size adjacent maps of x^2) ^ beta`, the window clipped at the ends. x `[N, C, H, W]`. */
export function localResponseNorm(x: Tensor, options: ResponseNormOptions = {}): Tensor {
  const op = 'localResponseNorm';
  requireImages(op, x);
  const { size, alpha, beta, k, mean } = readResponseNorm(op, options);
  const geometry = { size, alpha: mean ? alpha / size : alpha, beta, k };
  const out = computed(op, x, x.shape, (dense, out) =>
    x.device.run('lrn', { ...geometry, x: dense(x), out }),
  );
  const back = (grad: Tensor, input: Tensor): Tensor =>
    computed(op, input, input.shape, (dense, out) =>
      grad.device.run('lrnGrad', { ...geometry, x: dense(input), grad: dense(grad), out }),
    );
  recordOne(op, x, out, back, x);
  return out;
}

/**
 * `x / (k + alpha * sum over the size x size pixels around it of x^2) ^ beta` within each map, zero outside it.
 * x `[N, C, H, W]`; `size` odd.
 */
export function spatialResponseNorm(x: Tensor, options: ResponseNormOptions = {}): Tensor {
  const op = 'spatialResponseNorm';
  requireImages(op, x);
  const { size, alpha, beta, k, mean } = readResponseNorm(op, options);
  if (size % 2 === 0) throw new ArgumentError(`${op}: size is ${size}, expected an odd number`);
  const factor = mean ? alpha : alpha * size * size;
  return scope(() => {
    const squares = avgPool2d(mul(x, x), { kernel: size, stride: 1, padding: (size - 1) / 2 });
    return mul(x, pow(add(k, mul(squares, factor)), -beta));
  });
}
