/**
 * The first layer's kernels of many runs, a row each: those of the first tower at the left, of the second at the right, both
 * from grey to colourful, and under each kernel a bar as high as the share of it that is colour. Towers that took
 * different parts have low bars on one side and high ones on the other; towers that are alike have the same stairs.
 */
import type { HostTensor } from '../../core/state.js';
import type { Specialization } from '../specialization.js';
import { kernelsOf } from './kernels.js';
import { encodePicture, fileAddress, tile } from './picture.js';
import { pairColours } from './plot.js';
import { svgFile, svgText } from './svg.js';

/** A run. */
interface SpecializationRow {
  readonly title: string;
  /** `[K, 3, k, k]`, of the first layer. */
  readonly weights: HostTensor;
  readonly found: Specialization;
}

/** Pixels of the drawing for a kernel with the gap beside it, and the height of a bar for a kernel all colour. */
const [cell, barHeight, heading, apart] = [18, 24, 20, 20];

/** The rows as an SVG file. */
export function drawSpecialization(rows: readonly SpecializationRow[]): string {
  const widths = rows.map(({ found }) =>
    found.towers.reduce((sum, { kernels }) => sum + kernels.length * cell, apart),
  );
  // Room for the titles.
  const width = Math.max(480, ...widths) + 2 * apart;
  const rowHeight = heading + cell + barHeight + apart;
  const body = rows.flatMap(({ title, weights, found }, i) => {
    const top = i * rowHeight;
    let left = apart;
    const towers = found.towers.flatMap(({ kernels }, t) => {
      const drawn = drawTower(weights, found, t, left, top + heading);
      left += kernels.length * cell + apart;
      return drawn;
    });
    return [svgText(title, apart, top + heading - 6, width - 2 * apart, 'font-weight="600"'), ...towers];
  });
  return svgFile(width, rows.length * rowHeight, body);
}

/** A tower's kernels as one picture, and their bars; a dead kernel has none. */
function drawTower(
  weights: HostTensor,
  { towers }: Specialization,
  t: number,
  left: number,
  top: number,
): string[] {
  const kernels = towers[t]?.kernels ?? [];
  const { pictures = [] } =
    kernelsOf(
      weights,
      towers.map((tower) => tower.kernels.length),
    )[t] ?? {};
  const order = kernels.map((_, i) => i).sort((a, b) => kernels[a]!.share - kernels[b]!.share);
  // One white pixel around each kernel, which the picture's own is taken off at the left.
  const { width, height, planes } = tile(
    order.map((i) => pictures[i]!),
    kernels.length,
    1,
  );
  const scale = cell / ((width - 1) / kernels.length);
  const address = fileAddress(encodePicture({ width, height, planes }));
  const base = top + cell + barHeight;
  const line = `<path d="M${left} ${base}h${kernels.length * cell}" stroke="#777777"/>`;
  const bars = order.flatMap((i, place) => {
    const { share, dead } = kernels[i]!;
    const high = Number((share * barHeight).toFixed(1));
    const x = left + place * cell + 3;
    return dead ? [] : [`<path d="M${x} ${base}v${-high}h${cell - 6}v${high}z" fill="${pairColours[t]}"/>`];
  });
  return [
    `<image x="${left - scale}" y="${top - scale}" width="${width * scale}" height="${height * scale}" style="image-rendering: pixelated" href="${address}"/>`,
    ...bars,
    line,
  ];
}
