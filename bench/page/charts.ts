/**
 * Plots of the page as SVG text: what they share, the roofline, and where a network's time goes.
 */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { escapeText } from '../../src/alexnet/figures/svg.js';
import type { Row } from '../rows.js';
import { quantile } from '../stats.js';

const { document } = parseHTML('<html><body></body></html>');

/** Pixels of a plot. */
const width = 900;
const margins = { marginTop: 20, marginLeft: 60, marginRight: 30, marginBottom: 42 };

/** A plot as text, under a name for those who don't see it, in a frame that scrolls where the page is narrow. */
export function svg(name: string, options: Plot.PlotOptions): string {
  return wide(name, Plot.plot({ document, width, ...margins, ariaLabel: name, ...options }).outerHTML);
}

/** What may be wider than the page, in a frame that scrolls, by keys as well. */
export function wide(name: string, content: string): string {
  return `<div class="wide" role="region" tabindex="0" aria-label="${escapeText(name)}">${content}</div>`;
}

/** A text beside a point of a plot, which is given in pixels. */
interface Label {
  readonly x: number;
  readonly y: number;
  readonly text: string;
}

type Side = 'right' | 'left';

/** Labels as far as there is room: right of their points or else left, over no earlier one, and within the plot. */
function placed<T extends Label>(labels: readonly T[]): (T & { side: Side })[] {
  const [letter, line, gap] = [6, 13, 7];
  const boxOf = ({ x, text }: Label, side: Side): [from: number, to: number] => {
    const far = gap + letter * text.length;
    return side === 'right' ? [x - gap, x + far] : [x - far, x + gap];
  };
  const found: (T & { side: Side })[] = [];
  for (const label of labels) {
    const fits = (side: Side): boolean => {
      const [from, to] = boxOf(label, side);
      const meets = (other: T & { side: Side }): boolean => {
        const [start, end] = boxOf(other, other.side);
        return Math.abs(other.y - label.y) < line && start < to && from < end;
      };
      return from > margins.marginLeft && to < width && !found.some(meets);
    };
    const side = (['right', 'left'] as const).find(fits);
    if (side) found.push({ ...label, side });
  }
  return found;
}

/** Where a row ran, in words. */
export function where({ device, threads }: Pick<Row, 'device' | 'threads'>): string {
  return threads === null ? device : `${device}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;
}

/** Different values, in the order they came: of axes and colours. */
export function distinct<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** Kinds of work; a row belongs to the first whose pattern its name matches. */
const families: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['products', /^(matmul|fc\d)/],
  ['convolutions', /^conv/],
  ['pooling, normalization', /^(pool|lrn)/],
  ['passes over memory', /^/],
];

const familyOf = ({ name }: Row): string => families.find(([, pattern]) => pattern.test(name))![0];

/**
 * Rate over operations per byte, below the roof of the rows' own probes (their ninth decile: what the machine can,
 * without a lucky one). Rows of kernels on one setting; those without arithmetic, and those of less than 50 us, where
 * enqueueing is most, have no place on it.
 */
export function roofline(rows: readonly Row[], setting: string): string {
  const points = rows
    .filter(({ gflops, gbps, medianMs }) => gflops > 0 && gbps > 0 && medianMs > 0.05)
    .filter(({ name, network, start }) => !network && !start && !name.startsWith('op '))
    .map((row) => ({ ...row, intensity: row.gflops / row.gbps }));
  if (points.length === 0) return '';
  const best = (rate: 'gflops' | 'gflops128' | 'gbps'): number =>
    quantile(
      points.flatMap(({ probe }) => probe[rate] ?? []),
      0.9,
    );
  const [peak, narrow, bandwidth] = [best('gflops'), best('gflops128'), best('gbps')];
  const reach = points.map(({ intensity }) => intensity);
  const [low, high] = [Math.min(0.1, ...reach) / 1.5, Math.max(300, ...reach) * 1.5];
  const roof = [low, peak / bandwidth, high].map((x) => ({ x, y: Math.min(peak, x * bandwidth) }));
  // Where kernels use wider vectors, the roof that 128 bits would leave.
  const lower = Number.isNaN(narrow) ? [] : [narrow / bandwidth, high].map((x) => ({ x, y: narrow }));
  const floor = Math.min(...points.map(({ gflops }) => gflops), low * bandwidth) / 1.5;
  const title = (row: Row): string =>
    `${row.name}: ${row.gflops.toPrecision(3)} GFLOP/s, ${percent(row.shareOfPeak)} of the roofline`;
  const height = 460;
  const top = 1.8 * peak;
  const across = (x: number): number =>
    margins.marginLeft +
    (Math.log(x / low) / Math.log(high / low)) * (width - margins.marginLeft - margins.marginRight);
  const down = (y: number): number =>
    height -
    margins.marginBottom -
    (Math.log(y / floor) / Math.log(top / floor)) * (height - margins.marginTop - margins.marginBottom);
  const names = placed(
    points
      .toSorted((a, b) => b.gflops - a.gflops)
      .map((row) => ({ ...row, text: row.name, x: across(row.intensity), y: down(row.gflops) })),
  );
  const named = (wanted: Side, textAnchor: 'start' | 'end', dx: number): Plot.Markish =>
    Plot.text(
      names.filter(({ side }) => side === wanted),
      { x: 'intensity', y: 'gflops', text: 'text', textAnchor, dx, fontSize: 10 },
    );
  return svg(`Roofline of ${setting}`, {
    height,
    x: {
      type: 'log',
      label: 'operations for each byte that must move →',
      domain: [low, high],
      tickFormat: '~g',
    },
    y: { type: 'log', label: '↑ GFLOP/s', domain: [floor, top], grid: true, tickFormat: '~g' },
    color: { legend: true, domain: families.map(([name]) => name) },
    marks: [
      Plot.line(roof, { x: 'x', y: 'y', strokeWidth: 1.5 }),
      Plot.line(lower, { x: 'x', y: 'y', strokeWidth: 1, strokeDasharray: '4 3' }),
      Plot.text(lower.slice(1), {
        x: 'x',
        y: 'y',
        text: () => `${narrow.toFixed(0)} GFLOP/s with 128 bits`,
        textAnchor: 'end',
        dy: -8,
      }),
      Plot.text([`${peak.toFixed(0)} GFLOP/s`], { x: high, y: peak, textAnchor: 'end', dy: -8 }),
      Plot.text([`${bandwidth.toFixed(0)} GB/s`], {
        x: Math.sqrt((low * peak) / bandwidth),
        y: Math.sqrt(low * peak * bandwidth),
        textAnchor: 'start',
        dx: 6,
        dy: 8,
      }),
      Plot.dot(points, {
        x: 'intensity',
        y: 'gflops',
        fill: familyOf,
        fillOpacity: 0.75,
        r: 4,
        title,
      }),
      named('right', 'start', 7),
      named('left', 'end', -7),
    ],
  });
}

/** Where a network's time goes. */
export function breakdown(row: Row): string {
  const parts = row.network?.breakdown.filter(({ share }) => share >= 0.01) ?? [];
  if (parts.length === 0) return '';
  const bars = parts.map(({ layer, kernel, phase, milliseconds, shareOfPeak }) => ({
    name: `${layer} ${kernel}, ${phase}`.trim(),
    milliseconds,
    shareOfPeak,
  }));
  return svg(`Milliseconds of the kernels of ${row.name}, ${where(row)}`, {
    height: 60 + 18 * bars.length,
    marginLeft: 240,
    marginRight: 50,
    x: { label: 'ms →', grid: true },
    y: { label: null, domain: bars.map(({ name }) => name) },
    color: { scheme: 'RdYlGn', domain: [0, 1] },
    marks: [
      Plot.barX(bars, {
        x: 'milliseconds',
        y: 'name',
        fill: ({ shareOfPeak }) => Math.min(1, shareOfPeak),
      }),
      Plot.text(bars, {
        x: 'milliseconds',
        y: 'name',
        text: ({ shareOfPeak }) => percent(shareOfPeak),
        textAnchor: 'start',
        dx: 4,
      }),
      Plot.ruleX([0]),
    ],
  });
}
