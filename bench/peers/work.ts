/**
 * The rows that all libraries compute: operands as row-major arrays, images as `[N, C, H, W]`. What a library needs
 * in another layout it rearranges before the clock starts.
 */
import { multiplyAdds, placeLayers, trainingMultiplyAdds } from '../../src/alexnet/architecture.js';
import { alexnet, twoTowers } from '../../src/alexnet/networks.js';
import type { Padding } from '../../src/core/backend.js';
import { type Shape, sizeOf } from '../../src/core/shape.js';

/** Numbers with a shape. */
export interface Operand {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** `a b`: `[m, k]` by `[k, n]`. */
export interface MatmulWork {
  readonly kind: 'matmul';
  readonly name: string;
  readonly flops: number;
  readonly a: Operand;
  readonly b: Operand;
}

/** A convolution without bias, or one of its gradients. */
export interface ConvWork {
  readonly kind: 'conv';
  readonly name: string;
  readonly flops: number;
  readonly direction: 'forward' | 'inputGrad' | 'weightGrad';
  readonly x: Operand;
  readonly weight: Operand;
  /** `[N, O, OH, OW]`. */
  readonly grad: Operand;
  readonly stride: number;
  readonly padding: Padding;
  readonly groups: number;
}

/** AlexNet with the two-tower placement and 1000 classes: scores, or the gradient of a step. */
export interface NetworkWork {
  readonly kind: 'inference' | 'training';
  readonly name: string;
  readonly flops: number;
  readonly images: Operand;
  readonly labels: Int32Array;
  /** By name, as `Network.stateDict` has them. */
  readonly parameters: ReadonlyMap<string, Operand>;
}

/** A row. */
export type Work = MatmulWork | ConvWork | NetworkWork;

/** A row whose operands are made when it is its turn. */
export interface PlannedWork {
  readonly name: string;
  readonly make: () => Work;
}

/** What to compare. */
export interface WorkSizes {
  readonly matmuls: readonly number[];
  readonly convBatch: number;
  readonly inference: readonly number[];
  readonly training: readonly number[];
}

const layers = placeLayers(alexnet, twoTowers());

/** Even numbers of this deviation: a linear congruential generator, since AlexNet has 61 million of them. */
function random(shape: Shape, stream: number, deviation = 1): Operand {
  const scale = (deviation * Math.sqrt(12)) / 2 ** 32;
  const data = new Float32Array(sizeOf(shape));
  let state = Math.imul(stream + 1, 0x9e3779b1);
  for (let i = 0; i < data.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    data[i] = scale * state;
  }
  return { shape, data };
}

function matmulWork(name: string, m: number, k: number, n: number): PlannedWork {
  const flops = 2 * m * k * n;
  return {
    name,
    make: () => ({ kind: 'matmul', name, flops, a: random([m, k], 0), b: random([k, n], 1) }),
  };
}

function convWorks(batch: number): PlannedWork[] {
  return layers.flatMap(({ spec, reads, towers, stride, padding }, index) => {
    const [first] = towers;
    if (!spec.conv || !first) return [];
    const groups = reads === 'own' ? towers.length : 1;
    const [channels, h, w] = first.input;
    const kernels = towers.reduce((sum, tower) => sum + tower.kernels, 0);
    const weight = [kernels, ...first.weight.slice(1)];
    return (['forward', 'inputGrad', 'weightGrad'] as const).map((direction): PlannedWork => {
      const name = `${spec.name} ${direction}, batch ${batch}`;
      const make = (): ConvWork => ({
        kind: 'conv',
        name,
        flops: 2 * batch * sizeOf(weight) * sizeOf(first.positions),
        direction,
        x: random([batch, channels * groups, h, w], 3 * index + 3),
        weight: random(weight, 3 * index + 2),
        grad: random([batch, kernels, ...first.positions], 3 * index + 4),
        stride,
        padding,
        groups,
      });
      return { name, make };
    });
  });
}

/** Weights of deviation that keeps activations alive through all layers. */
function parametersOf(): Map<string, Operand> {
  return new Map(
    layers.flatMap(({ spec, towers }, index): [string, Operand][] => {
      const kernels = towers.reduce((sum, tower) => sum + tower.kernels, 0);
      const shape = [kernels, ...towers[0]!.weight.slice(1)];
      const deviation = Math.sqrt(2 / sizeOf(shape.slice(1)));
      return [
        [`${spec.name}.weight`, random(shape, 100 + 2 * index, deviation)],
        [`${spec.name}.bias`, random([kernels], 101 + 2 * index, 0.1)],
      ];
    }),
  );
}

function networkWork(kind: NetworkWork['kind'], batch: number): PlannedWork {
  const forward = [...multiplyAdds(layers).values()].reduce((a, b) => a + b, 0);
  const name = `AlexNet ${kind === 'training' ? 'gradient' : 'inference'}, batch ${batch}`;
  const make = (): NetworkWork => ({
    kind,
    name,
    flops: 2 * batch * (kind === 'training' ? trainingMultiplyAdds(layers) : forward),
    images: random([batch, 3, 224, 224], 99, 60),
    labels: Int32Array.from({ length: batch }, (_, i) => (i * 37) % 1000),
    parameters: parametersOf(),
  });
  return { name, make };
}

/** All rows. */
export function works({ matmuls, convBatch, inference, training }: WorkSizes): PlannedWork[] {
  return [
    ...matmuls.map((n) => matmulWork(`matmul ${n}`, n, n, n)),
    ...convWorks(convBatch),
    matmulWork('fc7 forward, batch 1', 1, 4096, 4096),
    ...inference.map((batch) => networkWork('inference', batch)),
    ...training.map((batch) => networkWork('training', batch)),
  ];
}
