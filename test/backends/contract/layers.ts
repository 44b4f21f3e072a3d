/**
 * Arguments of pooling, response normalization and softmax cross-entropy, and of their gradients.
 */
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import type { PoolGeometry } from '../../../src/core/backend.js';
import { type Shape, sizeOf } from '../../../src/core/shape.js';
import { type Case, dot, type Held, type Maker } from './maker.js';

/** Windows of a pooling, the image they lie on, and how many there are. */
interface Windows extends PoolGeometry {
  readonly image: Shape;
  readonly output: Shape;
}

/** Windows that are clipped, overhang and overlap; max and mean in turns. */
function* windows(make: Maker): Generator<Windows> {
  for (let round = 0; round < 12; round++) {
    const kernel = [1 + make.upTo(3), make.upTo(3)] as const;
    const stride = [make.upTo(3), make.upTo(3)] as const;
    const side = (k: number): number => make.random.integer(Math.floor(k / 2) + 1);
    const padding = [side(kernel[0]), side(kernel[1]), side(kernel[0]), side(kernel[1])] as const;
    const image = [make.upTo(2), make.upTo(3), make.upTo(9) + 4, make.upTo(9) + 4];
    // Ceil mode, but the last window begins inside the image or the padding before it.
    const count = (axis: 0 | 1): number => {
      const padded = image[2 + axis]! + padding[axis] + padding[2 + axis]!;
      const n = Math.ceil((padded - kernel[axis]) / stride[axis]) + 1;
      return (n - 1) * stride[axis] >= image[2 + axis]! + padding[axis] ? n - 1 : n;
    };
    yield {
      mode: round % 2 === 0 ? 'max' : 'avg',
      kernel,
      stride,
      padding,
      countIncludePad: round % 4 < 2,
      image,
      output: [image[0]!, image[1]!, count(0), count(1)],
    };
  }
}

export function* pool2d(make: Maker): Generator<Case<'pool2d'>> {
  for (const { image, output, ...geometry } of windows(make)) {
    const numbers = make.numbers(sizeOf(image) + 1);
    if (geometry.mode === 'max') numbers[make.random.integer(numbers.length)] = Number.NaN;
    const x = make.put(numbers, image, 1);
    const out = make.result(output);
    const indices = geometry.mode === 'max' ? make.result(output, 'int32') : null;
    yield { args: { ...geometry, x, out, indices }, outs: indices ? [out, indices] : [out] };
  }
}

export function* pool2dGrad(make: Maker): Generator<Case<'pool2dGrad'>> {
  for (const { image, output, ...geometry } of windows(make)) {
    const by = make.normals(image);
    const forward = make.result(output);
    const places = new Int32Array(sizeOf(output));
    const host = { data: places, shape: output, strides: forward.strides, offset: 0 };
    const value = (): number => {
      loops.pool2d({ ...geometry, x: by, out: forward, indices: null });
      return dot(grad, forward);
    };
    loops.pool2d({ ...geometry, x: by, out: forward, indices: geometry.mode === 'max' ? host : null });
    const indices = geometry.mode === 'max' ? make.put(places, output) : null;
    const grad = make.normals(output, 1);
    const out = make.result(image);
    yield { args: { ...geometry, grad, indices, out }, outs: [out], derivative: { by, value } };
  }
}

/** Windows of maps, even and odd, larger than the channels too. */
const lrnSizes = [5, 4, 1, 9];

export function* lrn(make: Maker): Generator<Case<'lrn'>> {
  for (const size of lrnSizes) {
    const shape = [make.upTo(2), make.upTo(8), make.upTo(5), make.upTo(5)];
    const out = make.result(shape);
    yield { args: { size, alpha: 0.3, beta: 0.75, k: 2, x: make.normals(shape, 2), out }, outs: [out] };
  }
}

export function* lrnGrad(make: Maker): Generator<Case<'lrnGrad'>> {
  for (const size of lrnSizes) {
    const shape = [make.upTo(2), make.upTo(8), make.upTo(5), make.upTo(5)];
    const geometry = { size, alpha: 0.3, beta: 0.75, k: 2 };
    const [x, grad, out] = [make.normals(shape), make.normals(shape, 1), make.result(shape)];
    const forward = make.result(shape);
    const value = (): number => {
      loops.lrn({ ...geometry, x, out: forward });
      return dot(grad, forward);
    };
    yield { args: { ...geometry, x, grad, out }, outs: [out], derivative: { by: x, value } };
  }
}

/** Logits that are large, and large together; classes, one of them not there where `odd`. */
function* scores(make: Maker, odd: boolean): Generator<{ logits: Held; labels: Held }> {
  for (const [C, shift] of [
    [1, 0],
    [10, 0],
    [10, 1000],
    [200, 0],
  ] as const) {
    const N = 3 + make.upTo(3);
    const numbers = make.numbers(N * C, () => shift + (odd ? 30 : 3) * make.random.normal());
    const classes = Int32Array.from({ length: N }, (_, n) => (odd && n === 3 ? C : make.random.integer(C)));
    yield { logits: make.put(numbers, [N, C]), labels: make.put(classes, [N]) };
  }
}

export function* crossEntropy(make: Maker): Generator<Case<'crossEntropy'>> {
  for (const { logits, labels } of scores(make, true)) {
    const N = logits.shape[0]!;
    const [losses, peaks] = [make.result([N]), make.result([N, 2], 'float', 1)];
    yield { args: { logits, labels, losses, peaks }, outs: [losses, peaks] };
  }
}

export function* crossEntropyGrad(make: Maker): Generator<Case<'crossEntropyGrad'>> {
  for (const odd of [true, false]) {
    for (const { logits, labels } of scores(make, odd)) {
      const [N, C] = [logits.shape[0]!, logits.shape[1]!];
      const [losses, found] = [make.result([N]), make.result([N, 2])];
      const value = (): number => {
        loops.crossEntropy({ logits, labels, losses, peaks: found });
        return dot(grad, losses);
      };
      const grad = make.normals([N]);
      value();
      const peaks = make.put(found.data.slice(0, 2 * N), [N, 2]);
      const out = make.result([N, C]);
      const args = { logits, labels, peaks, grad, out };
      yield { args, outs: [out], tolerance: 1e-8, ...(!odd && { derivative: { by: logits, value } }) };
    }
  }
}
