/**
 * The narrow AlexNets of reference.py, number for number, under the names that each kind's files have; and PyTorch's
 * logits for two images.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WeightKindName } from '../../../src/alexnet/weights/kinds.js';
import { torchvisionName } from '../../../src/alexnet/weights/names.js';
import { type Shape, sizeOf } from '../../../src/core/shape.js';
import type { HostTensor, StateDict } from '../../../src/nn/module.js';
import { root } from '../../../support/root.js';

/** s <- 1664525 s + 1013904223 mod 2^32; the upper 24 bits of s. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(1664525, state) + 1013904223) >>> 0;
    return state >>> 8;
  };
}

const layers = 'conv1 conv2 conv3 conv4 conv5 fc6 fc7 fc8'.split(' ');
const torchvision: Shape[] = [
  ...[
    [8, 3, 11, 11],
    [12, 8, 5, 5],
    [16, 12, 3, 3],
    [12, 16, 3, 3],
    [8, 12, 3, 3],
  ],
  ...[
    [32, 288],
    [24, 32],
    [10, 24],
  ],
];
const grouped: Shape[] = [
  ...[
    [8, 3, 11, 11],
    [16, 4, 5, 5],
    [20, 16, 3, 3],
    [16, 10, 3, 3],
    [8, 8, 3, 3],
  ],
  ...[
    [32, 288],
    [24, 32],
    [10, 24],
  ],
];

/** The parameters of a kind's net under our names, as its files hold them. */
export function narrowState(kind: WeightKindName): Map<string, HostTensor> {
  const next = generator(1);
  const draw = (shape: Shape, bound: number): HostTensor => ({
    shape,
    data: Float32Array.from({ length: sizeOf(shape) }, () => (next() / 2 ** 24 - 0.5) * 2 * bound),
  });
  return new Map(
    (kind === 'torchvision' ? torchvision : grouped).flatMap((shape, i): [string, HostTensor][] => {
      const bound = 2 ** Math.floor(Math.log2(Math.sqrt(6 / sizeOf(shape.slice(1)))));
      return [
        [`${layers[i]}.weight`, draw(shape, bound)],
        [`${layers[i]}.bias`, draw([shape[0]!], 1 / 16)],
      ];
    }),
  );
}

/** The same under a kind's own names. */
export function narrowFile(kind: WeightKindName): StateDict {
  const named = (name: string): string => {
    if (kind === 'torchvision') return torchvisionName(name);
    return kind === 'onnx-zoo' ? name.replace('.weight', '_w_0').replace('.bias', '_b_0') : name;
  };
  return new Map([...narrowState(kind)].map(([name, tensor]) => [named(name), tensor]));
}

/** The two images `[2, 3, side, side]`, 0-255. */
export function narrowImages(side: number): Uint8Array {
  const next = generator(2);
  return Uint8Array.from({ length: 2 * 3 * side * side }, () => next() >>> 16);
}

/** PyTorch's logits of the two images. */
export const referenceLogits: Readonly<Record<WeightKindName, readonly (readonly number[])[]>> = JSON.parse(
  readFileSync(join(root, 'test/alexnet/weights/reference.json'), 'utf8'),
);
