/**
 * Arguments of matrix products and of the three directions of convolution.
 */
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import type { ConvGeometry, KernelName, Kernels } from '../../../src/core/backend.js';
import type { Shape } from '../../../src/core/shape.js';
import { type Case, dot, type Held, type Maker } from './maker.js';

/** A matrix for each batch, stored as it is or transposed, its rows perhaps longer than it. */
function matrix(make: Maker, [B, rows, columns]: Shape, turned: boolean, slack: number): Held {
  const [outer, inner] = turned ? [columns!, rows!] : [rows!, columns!];
  const stride = inner + slack;
  const strides = [outer * stride, turned ? 1 : stride, turned ? stride : 1];
  return make.put(make.numbers(B! * outer * stride), [B!, rows!, columns!], 0, strides);
}

/** [B, M, N, K], and the forms to try: bit 0 turns a, bit 1 turns b, bit 2 makes a's rows longer. */
const products: readonly (readonly [shape: Shape, forms: readonly number[]])[] = [
  [
    [2, 12, 16, 20],
    [0, 1, 2, 3, 6],
  ],
  [[1, 67, 12, 9], [1]],
  [
    [1, 9, 13, 11],
    [0, 3],
  ],
  [
    [1, 1, 24, 37],
    [2, 0],
  ],
  [[1, 4, 8, 6], [1]],
  [[2, 17, 3, 8], [2]],
  [[1, 8, 8, 0], [2]],
  [
    [2, 68, 72, 36],
    [0, 3],
  ],
  [
    [1, 65, 67, 19],
    [0, 3],
  ],
  [
    [1, 14, 33, 700],
    [0, 3],
  ],
];

export function* matmul(make: Maker): Generator<Case<'matmul'>> {
  for (const [[B, M, N, K], forms] of products) {
    for (const form of forms) {
      const a = matrix(make, [B!, M!, K!], (form & 1) !== 0, form & 4);
      const b = matrix(make, [B!, K!, N!], (form & 2) !== 0, 0);
      const bias = form % 3 === 0 ? make.normals([N!], 1) : null;
      const out = make.result([B!, M!, N!], 'float', form % 2 === 0 ? 4 : 1);
      yield { args: { a, b, bias, relu: form % 3 === 0, out }, outs: [out] };
    }
  }
  // One matrix for all batches.
  const a = make.put(make.numbers(40), [3, 5, 8], 0, [0, 8, 1]);
  const out = make.result([3, 5, 12]);
  yield { args: { a, b: make.normals([3, 8, 12]), bias: null, relu: false, out }, outs: [out] };
}

/** The shapes of a convolution. */
interface Shapes extends ConvGeometry {
  readonly image: Shape;
  readonly kernels: Shape;
  readonly output: Shape;
}

function shapes(
  [N, C, H, W]: readonly [number, number, number, number],
  [O, KH, KW]: readonly [number, number, number],
  { stride = [1, 1], padding = [0, 0, 0, 0], dilation = [1, 1], groups = 1 }: Partial<ConvGeometry> = {},
): Shapes {
  const OH = Math.floor((H + padding[0] + padding[2] - (KH - 1) * dilation[0] - 1) / stride[0]) + 1;
  const OW = Math.floor((W + padding[1] + padding[3] - (KW - 1) * dilation[1] - 1) / stride[1]) + 1;
  return {
    stride,
    padding,
    dilation,
    groups,
    image: [N, C, H, W],
    kernels: [O, C / groups, KH, KW],
    output: [N, O, OH, OW],
  };
}

/** Fixed shapes that reach every path of the backends, then random ones. */
function* convolutions(make: Maker): Generator<Shapes> {
  // Strides and four-sided padding.
  yield shapes([2, 3, 19, 21], [10, 5, 3], { stride: [4, 3], padding: [2, 1, 0, 3] });
  // Groups.
  yield shapes([3, 6, 7, 6], [12, 3, 3], { padding: [1, 1, 1, 1], groups: 3 });
  // A product in disguise; few channels; strides that leave pixels out.
  yield shapes([1, 16, 5, 5], [32, 1, 1]);
  yield shapes([1, 3, 5, 5], [5, 2, 2]);
  yield shapes([2, 4, 6, 6], [4, 2, 2], { stride: [3, 3], groups: 2 });
  // Enough channels for tiles in workgroup memory, and for Winograd's method.
  yield shapes([2, 18, 9, 8], [20, 3, 3], { padding: [1, 0, 1, 2] });
  yield shapes([2, 36, 9, 8], [36, 3, 2], { stride: [2, 1], padding: [1, 1, 1, 1], groups: 2 });
  yield shapes([2, 24, 13, 13], [24, 3, 3], { padding: [1, 1, 1, 1] });
  yield shapes([1, 16, 12, 11], [16, 5, 5], { padding: [2, 2, 2, 2] });
  // Taps apart, with strides that share a factor with the distance or don't, and leave phases without taps.
  yield shapes([2, 8, 12, 13], [8, 3, 3], { dilation: [2, 3], padding: [2, 3, 1, 0] });
  yield shapes([1, 4, 15, 14], [6, 3, 4], {
    dilation: [2, 2],
    stride: [2, 4],
    padding: [1, 0, 2, 3],
    groups: 2,
  });
  yield shapes([2, 3, 17, 19], [4, 3, 2], { dilation: [4, 3], stride: [6, 2], padding: [0, 1, 1, 0] });
  for (let round = 0; round < 8; round++) {
    const groups = make.upTo(2);
    const side = (): number => make.random.integer(3);
    yield shapes(
      [make.upTo(3), groups * 2, 7 + make.upTo(6), 7 + make.upTo(6)],
      [groups * (2 + make.upTo(3)), make.upTo(4), make.upTo(4)],
      {
        stride: [make.upTo(3), make.upTo(3)],
        padding: [side(), side(), side(), side()],
        dilation: round < 4 ? [1, 1] : [make.upTo(2), make.upTo(2)],
        groups,
      },
    );
  }
}

/** Whether a call is one that WebGPU can do by Winograd's method: 3x3 taps side by side, stride 1, forward or by the input. */
export function takesWinograd(args: Kernels[KernelName]): boolean {
  if (!('weight' in args && 'stride' in args)) return false;
  const [, , KH, KW] = args.weight.shape;
  return KH === 3 && KW === 3 && [...args.stride, ...args.dilation].every((step) => step === 1);
}

export function* conv2d(make: Maker): Generator<Case<'conv2d'>> {
  for (const { image, kernels, output, ...geometry } of convolutions(make)) {
    const bias = output[1]! % 2 === 0 ? make.normals([output[1]!], 1) : null;
    const out = make.result(output, 'float', 1);
    const inputs = { x: make.normals(image, 2), weight: make.normals(kernels, 1), bias, relu: bias !== null };
    yield { args: { ...geometry, ...inputs, out }, outs: [out] };
  }
}

export function* conv2dInputGrad(make: Maker): Generator<Case<'conv2dInputGrad'>> {
  for (const { image, kernels, output, ...geometry } of convolutions(make)) {
    const [grad, weight] = [make.normals(output, 1), make.normals(kernels)];
    const out = make.result(image, 'float', 1);
    const [by, forward] = [make.normals(image), make.result(output)];
    const value = (): number => {
      loops.conv2d({ ...geometry, x: by, weight, bias: null, relu: false, out: forward });
      return dot(grad, forward);
    };
    yield { args: { ...geometry, grad, weight, out }, outs: [out], derivative: { by, value } };
  }
}

export function* conv2dWeightGrad(make: Maker): Generator<Case<'conv2dWeightGrad'>> {
  for (const { image, kernels, output, ...geometry } of convolutions(make)) {
    const [x, grad] = [make.normals(image), make.normals(output)];
    const out = make.result(kernels, 'float', 1);
    const [by, forward] = [make.normals(kernels), make.result(output)];
    const value = (): number => {
      loops.conv2d({ ...geometry, x, weight: by, bias: null, relu: false, out: forward });
      return dot(grad, forward);
    };
    yield { args: { ...geometry, x, grad, out }, outs: [out], derivative: { by, value } };
  }
}
