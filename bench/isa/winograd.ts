/**
 * `npm run bench:winograd`: what Winograd's method would take on a GPU for AlexNet's 3x3 convolutions, by counting, beside
 * the direct product. Nothing is compiled or run.
 *
 * With tiles of m x m results and t = m + 2, through memory: pixels are read and written at their t^2 points, t^2 matrix
 * products read those and write results at points, which are read and written as results. Each of the three kernels takes
 * as long as its arithmetic or its bytes, whichever is longer; one waits for the other.
 */
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { placeLayers } from '../../src/alexnet/architecture.js';
import { alexnet, twoTowers } from '../../src/alexnet/networks.js';
import { type Matrix, type Method, matricesOf, methods } from '../../src/backends/winograd.js';

/** A convolution of 3x3 taps and stride 1. */
export interface ConvShape {
  readonly name: string;
  readonly images: number;
  readonly groups: number;
  /** Channels of a group, that come in and that go out. */
  readonly depth: number;
  readonly rows: number;
  /** Pixels that come in, results that go out. */
  readonly from: readonly [height: number, width: number];
  readonly to: readonly [height: number, width: number];
}

/** What a way of doing it takes, of all images. */
export interface Taken {
  /** Of the products. */
  readonly multiplyAdds: number;
  /** Instructions of the steps to and from points. */
  readonly transforms: number;
  /** Bytes that must come from memory or go there, each operand of a kernel once. */
  readonly bytes: number;
  /** Of these the ones of numbers at points, which a cache might hold instead. */
  readonly pointBytes: number;
  /** Bytes to hold for the numbers at points. */
  readonly held: number;
  /** Seconds at least. */
  readonly seconds: number;
}

/** A GPU: instructions of multiply-adds a second, and bytes a second. */
export interface Card {
  readonly multiplyAdds: number;
  readonly bytes: number;
  /** Bytes a second of numbers at points, where a cache holds them; else `bytes`. */
  readonly pointBytes: number;
  /** Multiply-adds of the instructions that products issue (docs/results.md). */
  readonly share: number;
}

const sizeOf = ([height, width]: readonly [number, number]): number => height * width;

/** Instructions of both sides of `matrix x matrixT` for x of `n` x `n`: one for each factor that isn't 0. */
export function transformCost(matrix: Matrix): number {
  const [m, n] = [matrix.length, matrix[0]!.length];
  const factors = matrix.flat().filter((factor) => factor !== 0).length;
  return factors * (n + m);
}

/** The direct product: operands and results once, everything else from caches. */
export function direct(c: ConvShape, card: Card): Taken {
  const { images, groups, depth, rows, from, to } = c;
  const multiplyAdds = images * groups * rows * depth * 9 * sizeOf(to);
  const bytes = 4 * groups * (images * (depth * sizeOf(from) + rows * sizeOf(to)) + 9 * rows * depth);
  const seconds = Math.max(multiplyAdds / card.share / card.multiplyAdds, bytes / card.bytes);
  return { multiplyAdds, transforms: 0, bytes, pointBytes: 0, held: 0, seconds };
}

/** Winograd's, in the three kernels told above; kernels of the network go to their points once, which is little. */
export function winograd(c: ConvShape, method: Method, card: Card): Taken {
  const { images, groups, depth, rows, from, to } = c;
  const { results: m, taps } = method;
  const points = (m + taps - 1) ** 2;
  const tiles = images * Math.ceil(to[0] / m) * Math.ceil(to[1] / m);
  const { BT, AT, G } = matricesOf(method);
  const multiplyAdds = points * groups * tiles * rows * depth;
  const [kernels, ins, outs] = [rows * depth, tiles * depth, tiles * rows].map(
    (n) => 4 * points * groups * n,
  );
  const image = 4 * groups * images * depth * sizeOf(from);
  const result = 4 * groups * images * rows * sizeOf(to);
  const weights = 4 * groups * 9 * rows * depth;
  const steps = [
    {
      work: groups * (tiles * depth * transformCost(BT) + rows * depth * transformCost(G)),
      far: image + weights,
      near: ins! + kernels!,
    },
    { work: multiplyAdds / card.share, far: 0, near: ins! + kernels! + outs! },
    { work: groups * tiles * rows * transformCost(AT), far: result, near: outs! },
  ];
  const total = (of: (step: (typeof steps)[number]) => number): number =>
    steps.reduce((sum, step) => sum + of(step), 0);
  return {
    multiplyAdds,
    transforms: steps[0]!.work + steps[2]!.work,
    bytes: total(({ far, near }) => far + near),
    pointBytes: total(({ near }) => near),
    held: ins! + outs! + kernels!,
    seconds: total(({ work, far, near }) =>
      Math.max(work / card.multiplyAdds, far / card.bytes + near / card.pointBytes),
    ),
  };
}

/** AlexNet's convolutions of 3x3 taps, forward and by the input. */
export function shapes(images: number): ConvShape[] {
  return placeLayers(alexnet, twoTowers())
    .filter(({ spec, towers, stride }) => spec.conv && stride === 1 && towers[0]!.weight[2] === 3)
    .flatMap(({ spec, towers, reads }): ConvShape[] => {
      const groups = reads === 'own' ? towers.length : 1;
      const kernels = towers.reduce((sum, tower) => sum + tower.kernels, 0);
      const [rows, depth] = [kernels / groups, towers[0]!.input[0]!];
      const [, height = 0, width = 0] = towers[0]!.input;
      const [from, to] = [[height, width] as const, towers[0]!.positions];
      return [
        { name: `${spec.name} forward`, images, groups, depth, rows, from, to },
        { name: `${spec.name} by the input`, images, groups, depth: rows, rows: depth, from: to, to: from },
      ];
    });
}

/** The table, as Markdown: each shape direct, by tiles of 4 x 4 results and of 2 x 2. @param cacheBytes a second, of numbers at points */
export function table(images: number, card: Card, cacheBytes: number): string[] {
  const lines = [
    '| | multiply-adds, 1e9 | instructions to and from points, 1e9 | bytes through memory, MB | of these at points | held | ms at least | points in a cache |',
    '|---|---|---|---|---|---|---|---|',
  ];
  const row = (name: string, count: (card: Card) => Taken): void => {
    const [far, near] = [count(card), count({ ...card, pointBytes: cacheBytes })];
    const giga = (n: number): string => (n / 1e9).toFixed(2);
    const mega = (n: number): string => (n / 1e6).toFixed(0);
    const milli = (n: number): string => (1e3 * n).toFixed(2);
    const work = [giga(far.multiplyAdds), giga(far.transforms), mega(far.bytes), mega(far.pointBytes)];
    lines.push(`| ${[name, ...work, mega(far.held), milli(far.seconds), milli(near.seconds)].join(' | ')} |`);
  };
  for (const shape of shapes(images)) {
    row(`${shape.name}, direct`, (on) => direct(shape, on));
    for (const method of methods) {
      const { taps, results, byInput } = method;
      // By the input, tiles of more results are too inexact (the CPU's account of it stands beside the matrices).
      if (taps !== 3 || results === 3 || (shape.name.endsWith('input') && !byInput)) continue;
      row(`${shape.name}, ${results} x ${results} results`, (on) => winograd(shape, method, on));
    }
  }
  return lines;
}

interface Options {
  readonly batch: string;
  readonly tflops: string;
  readonly memory: string;
  readonly cache: string;
  readonly share: string;
}

function main({ batch, tflops, memory, cache, share }: Options): void {
  const bytes = Number(memory) * 1e9;
  const card = { multiplyAdds: (Number(tflops) / 2) * 1e12, bytes, pointBytes: bytes, share: Number(share) };
  for (const line of table(Number(batch), card, Number(cache) * 1e9)) console.log(line);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const command = new Command('npm run bench:winograd --')
    .description(
      "Counts what Winograd's method would take for AlexNet's 3x3 convolutions on a GPU; nothing is run.",
    )
    .option('--batch <images>', 'images', '128')
    .option('--tflops <number>', "the card's, two for each multiply-add", '23')
    .option('--memory <GB/s>', 'of its memory', '512')
    .option('--cache <GB/s>', 'of a cache that might hold what lies between the kernels', '1664')
    .option('--share <number>', 'multiply-adds of the instructions that products issue', '0.88');
  main(command.parse().opts<Options>());
}
