/**
 * Kernels below the roofline: operations a second over operations for each byte, both by powers of ten; the roof is what
 * the machine multiplies and adds at most, and what its memory gives at most.
 */
import type { Row } from '../../../bench/rows.js';
import { svgElement } from '../../page/dom.js';
import { say } from '../../page/language.js';

const [height, left, bottom, top, right] = [320, 52, 40, 12, 16];

/** Draws the rows that compute and take long enough to be told from their start. */
export function drawRoofline(holder: HTMLElement, rows: readonly Row[]): void {
  const points = rows.filter(({ gflops, gbps, medianMs }) => gflops > 0 && gbps > 0 && medianMs > 0.05);
  const width = Math.max(300, holder.clientWidth);
  const svg = svgElement('svg', {
    viewBox: `0 0 ${width} ${height}`,
    width,
    height,
    role: 'img',
    'aria-label': say('machineChart'),
  });
  holder.replaceChildren(svg);
  if (points.length === 0) return;
  const peak = Math.max(...points.map(({ probe }) => probe.gflops));
  const bandwidth = Math.max(...points.map(({ probe }) => probe.gbps));
  const low = Math.min(0.08, ...points.map(({ gflops, gbps }) => gflops / gbps)) / 1.3;
  const high = 1000;
  const floor = Math.min(0.5, ...points.map(({ gflops }) => gflops)) / 1.5;
  const ceiling = peak * 1.6;
  const share = (value: number, from: number, to: number): number =>
    Math.log(value / from) / Math.log(to / from);
  const x = (value: number): number => left + share(value, low, high) * (width - left - right);
  const y = (value: number): number =>
    height - bottom - share(value, floor, ceiling) * (height - top - bottom);
  for (const value of [0.01, 0.1, 1, 10, 100, 1000].filter((each) => each > low)) {
    svg.append(text(String(value), x(value), height - bottom + 16, 'middle'));
    svg.append(
      svgElement('line', { x1: x(value), x2: x(value), y1: top, y2: height - bottom, class: 'grid' }),
    );
  }
  for (const value of [0.1, 1, 10, 100, 1000].filter((each) => each > floor && each < ceiling)) {
    svg.append(text(String(value), left - 6, y(value) + 4, 'end'));
    svg.append(
      svgElement('line', { x1: left, x2: width - right, y1: y(value), y2: y(value), class: 'grid' }),
    );
  }
  const corner = peak / bandwidth;
  const roof = [
    [Math.max(low, floor / bandwidth), Math.max(low * bandwidth, floor)],
    [corner, peak],
    [high, peak],
  ].map(([px = 1, py = 1]) => `${x(px)},${y(py)}`);
  svg.append(svgElement('polyline', { points: roof.join(' '), class: 'roof' }));
  svg.append(text(`${peak.toFixed(0)} GFLOP/s`, width - right, y(peak) - 6, 'end'));
  svg.append(text(say('machineAxis'), width - right, height - 6, 'end'));
  svg.append(text('GFLOP/s', 0, top, 'start'));
  for (const { name, gflops, gbps, shareOfPeak } of points) {
    const dot = svgElement('circle', { cx: x(gflops / gbps), cy: y(gflops), r: 5, class: kindOf(name) });
    const title = svgElement('title');
    title.textContent = `${name}: ${gflops.toPrecision(3)} GFLOP/s, ${(100 * shareOfPeak).toFixed(0)} %`;
    dot.append(title);
    svg.append(dot);
  }
}

function kindOf(name: string): string {
  if (/^(matmul|fc\d)/i.test(name)) return 'products';
  return /^conv/i.test(name) ? 'convolutions' : 'passes';
}

function text(content: string, x: number, y: number, anchor: string): SVGElement {
  const made = svgElement('text', { x, y, 'text-anchor': anchor });
  made.textContent = content;
  return made;
}
