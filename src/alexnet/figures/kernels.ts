/**
 * The first layer's kernels as pictures, tower by tower, and how colourful each is: the paper's Figure 3, where one
 * tower's kernels came out without colour and the other's with it. The measure stands with `specialization.ts`.
 */

import type { Picture } from '../../data/images/resize.js';
import type { HostTensor } from '../../nn/module.js';
import { colourfulness, randomColourfulness } from '../specialization.js';
import { encodePicture, enlarge, fileAddress, tile } from './picture.js';
import type { Plotter } from './plot.js';
import { svgFile, svgText } from './svg.js';

/** The kernels of a tower. */
interface TowerKernels {
  readonly tower: number;
  readonly pictures: readonly Picture[];
  /** Colourfulness of each, 0-1. */
  readonly colourfulness: readonly number[];
}

/** Parts the weights `[K, 3, k, k]` of a first layer by towers. @param kernels of each tower */
export function kernelsOf({ shape, data }: HostTensor, kernels: readonly number[]): TowerKernels[] {
  const [, , side = 1] = shape;
  const size = 3 * side * side;
  let start = 0;
  return kernels.map((count, tower) => {
    const own = Array.from({ length: count }, (_, i) =>
      data.subarray((start + i) * size, (start + i + 1) * size),
    );
    start += count;
    return {
      tower,
      pictures: own.map((weights) => ({ width: side, height: side, planes: inGrey(weights) })),
      colourfulness: own.map(colourfulness),
    };
  });
}

/** Weights as bytes: 0 is the middle grey, the largest of the kernel black or white. */
function inGrey(weights: ArrayLike<number>): Uint8Array {
  const all = Array.from(weights);
  const most = Math.max(...all.map(Math.abs)) || 1;
  return Uint8Array.from(all, (w) => Math.round(127.5 + (127.5 * w) / most));
}

/** The median of numbers. */
export function median(numbers: readonly number[]): number {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** All kernels in an SVG file, tower below tower under its name, each kernel's pixels enlarged to about 44. */
export function drawKernels(towers: readonly TowerKernels[]): string {
  const side = towers[0]?.pictures[0]?.width ?? 1;
  const factor = Math.max(1, Math.round(44 / side));
  const columns = Math.min(16, Math.max(...towers.map(({ pictures }) => pictures.length)));
  const [gap, heading] = [4, 26];
  // Room for the names.
  const room = Math.max(240, columns * (side * factor + gap) + gap);
  let top = 0;
  const body = towers.flatMap(({ tower, pictures }) => {
    const enlarged = pictures.map((picture) => enlarge(picture, factor));
    const { width, height, planes } = tile(enlarged, columns, gap);
    const name = `tower ${tower}: ${pictures.length} kernels of ${side} x ${side}`;
    const address = fileAddress(encodePicture({ width, height, planes }));
    const lines = [
      svgText(name, gap, top + heading - 8, room, 'font-weight="600"'),
      `<image x="0" y="${top + heading}" width="${width}" height="${height}" href="${address}"/>`,
    ];
    top += heading + height;
    return lines;
  });
  return svgFile(room, top, body);
}

/** Colourfulness of every kernel, a column of dots for each tower; its median is a line, that of random weights dashed. */
export function plotColourfulness({ plots, draw }: Plotter, towers: readonly TowerKernels[]): string {
  const columns = towers.map(({ tower, colourfulness: values }) => ({
    values,
    median: median(values),
    name: `tower ${tower}: median ${median(values).toFixed(2)}`,
  }));
  const dots = columns.flatMap(({ name, values }) =>
    values.map((value, i) => ({ name, value, i: i / values.length })),
  );
  const random = [{ name: columns.at(-1)?.name, value: randomColourfulness(1).mean }];
  return draw({
    width: 560,
    height: 300,
    marginTop: 30,
    marginLeft: 50,
    marginRight: 110,
    x: { axis: null, inset: 8 },
    y: { domain: [0, 1], label: 'share of a kernel that is colour', grid: true },
    fx: { label: null, padding: 0.15 },
    marks: [
      plots.ruleY([random[0]?.value], { stroke: '#555555', strokeDasharray: '4 3' }),
      plots.dot(dots, { fx: 'name', x: 'i', y: 'value', fill: '#3b6fb6', r: 3, fillOpacity: 0.7 }),
      plots.ruleY(columns, { fx: 'name', y: 'median', stroke: '#e08214', strokeWidth: 2 }),
      plots.text(random, {
        fx: 'name',
        y: 'value',
        text: () => 'random weights',
        frameAnchor: 'right',
        textAnchor: 'start',
        dx: 6,
        fill: '#555555',
      }),
    ],
  });
}
