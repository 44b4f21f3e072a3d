/**
 * The page's plots as SVG text: roofline, curves of scaling, where time goes.
 */
import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import type { Row } from '../rows.js';
import { median } from '../stats.js';

const { document } = parseHTML('<html><body></body></html>');

/** A plot as text. */
export function svg(options: Plot.PlotOptions): string {
  return Plot.plot({ document, width: 900, marginLeft: 60, marginRight: 30, ...options }).outerHTML;
}

/** Where a row ran, in words. */
export const where = ({ device, threads }: Pick<Row, 'device' | 'threads'>): string =>
  threads === null ? device : `${device}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** Kinds of work, with their colours; a point belongs to the first whose pattern its name matches. */
const families: readonly (readonly [name: string, pattern: RegExp])[] = [
  ['products', /^(matmul|fc\d)/],
  ['convolutions', /^conv/],
  ['pooling, normalization', /^(pool|lrn)/],
  ['passes over memory', /^/],
];

const familyOf = (name: string): string => families.find(([, pattern]) => pattern.test(name))![0];

/**
 * Rate over operations per byte, below the roof of the rows' own probes (their medians). Rows of one setting; those
 * without arithmetic, or of less than a tenth of a millisecond, where enqueueing is most, have no place on it.
 */
export function roofline(rows: readonly Row[]): string {
  const points = rows
    .filter((row) => row.gflops > 0 && row.gbps > 0 && row.medianMs > 0.1 && !row.network && !row.start)
    .map((row) => ({ ...row, intensity: row.gflops / row.gbps }));
  if (points.length === 0) return '';
  const peak = median(points.map(({ probe }) => probe.gflops));
  const bandwidth = median(points.map(({ probe }) => probe.gbps));
  const reach = points.map(({ intensity }) => intensity);
  const [low, high] = [Math.min(0.1, ...reach) / 1.5, Math.max(300, ...reach) * 1.5];
  const roof = [low, peak / bandwidth, high].map((x) => ({ x, y: Math.min(peak, x * bandwidth) }));
  const title = (row: Row): string =>
    `${row.name}: ${row.gflops.toPrecision(3)} GFLOP/s, ${percent(row.shareOfPeak)} of the roofline`;
  const floor = Math.min(...points.map(({ gflops }) => gflops), low * bandwidth) / 1.5;
  return svg({
    height: 460,
    x: { type: 'log', label: 'operations for each byte that must move →', domain: [low, high] },
    y: { type: 'log', label: '↑ GFLOP/s', domain: [floor, 1.8 * peak], grid: true },
    color: { legend: true, domain: families.map(([name]) => name) },
    marks: [
      Plot.line(roof, { x: 'x', y: 'y', strokeWidth: 1.5 }),
      Plot.text([`${peak.toFixed(0)} GFLOP/s`], { x: high, y: peak, textAnchor: 'end', dy: -8 }),
      Plot.text([`${bandwidth.toFixed(0)} GB/s`], {
        x: low,
        y: low * bandwidth,
        textAnchor: 'start',
        dx: 8,
        dy: -20,
      }),
      Plot.dot(points, {
        x: 'intensity',
        y: 'gflops',
        fill: (row: Row) => familyOf(row.name),
        fillOpacity: 0.75,
        r: 4,
        title,
      }),
    ],
  });
}

/** Milliseconds for an image over the batch, a curve for each setting. */
export function batchCurves(rows: readonly Row[], work: string): string {
  const points = rows.flatMap((row) =>
    row.network && row.name.includes(work)
      ? [{ batch: row.network.images, ms: row.network.msPerImage, setting: where(row) }]
      : [],
  );
  if (points.length === 0) return '';
  return svg({
    height: 320,
    x: {
      type: 'log',
      base: 2,
      label: 'images in a batch →',
      ticks: [...new Set(points.map(({ batch }) => batch))],
      tickFormat: 'd',
    },
    y: {
      label: '↑ ms for each image',
      domain: [0, 1.1 * Math.max(...points.map(({ ms }) => ms))],
      grid: true,
    },
    color: { legend: true },
    marks: [Plot.ruleY([0]), Plot.line(points, { x: 'batch', y: 'ms', stroke: 'setting', marker: true })],
  });
}

/**
 * Images a second over CPU threads, a curve for each batch and for one device or two; dashed what as many times one
 * thread would give. Nothing where only one number of threads was measured.
 */
export function threadCurves(rows: readonly Row[], work: string): string {
  const points = rows.flatMap(({ name, network, threads, device }) =>
    network && threads !== null && name.includes(work) && [1, 16, 128].includes(network.images)
      ? [{ threads, rate: 1000 / network.msPerImage, batch: network.images, device }]
      : [],
  );
  const most = Math.max(...points.map(({ threads }) => threads));
  if (new Set(points.map(({ threads }) => threads)).size < 2) return '';
  const curve = (point: (typeof points)[number]): string => `${point.device}, batch ${point.batch}`;
  const ideal = points
    .filter(({ threads }) => threads === 1)
    .flatMap((one) => [1, most].map((threads) => ({ ...one, threads, rate: one.rate * threads })));
  return svg({
    height: 320,
    x: {
      label: 'threads →',
      ticks: Array.from({ length: most }, (_, i) => i + 1),
      tickFormat: 'd',
      inset: 20,
    },
    y: { label: '↑ images a second', zero: true, grid: true },
    color: { legend: true },
    marks: [
      Plot.ruleY([0]),
      Plot.line(ideal, {
        x: 'threads',
        y: 'rate',
        stroke: curve,
        strokeDasharray: '3 4',
        strokeOpacity: 0.6,
      }),
      Plot.line(points, { x: 'threads', y: 'rate', stroke: curve, marker: true }),
    ],
  });
}

/** Microseconds of an op over its elements, and ops a second where they are tiny. */
export function opCurves(rows: readonly Row[]): string {
  const ops = rows.flatMap((row) => {
    const [, op = '', side] = /^op (\w+) of (\d+)x/.exec(row.name) ?? [];
    return side === undefined
      ? []
      : [{ op, elements: Number(side) ** 2, us: 1000 * row.medianMs, setting: where(row) }];
  });
  const adds = ops.filter(({ op }) => op === 'add').sort((a, b) => a.elements - b.elements);
  const tiny = ops.filter(({ elements }) => elements === 64);
  if (tiny.length === 0) return '';
  const rates = svg({
    height: 60 + 16 * tiny.length,
    marginLeft: 120,
    marginRight: 60,
    x: { label: 'operations a second, 64 elements each →', tickFormat: '~s', grid: true },
    y: { label: null },
    fy: { label: null, domain: [...new Set(tiny.map(({ op }) => op))] },
    color: { legend: true },
    marks: [
      Plot.barX(tiny, { x: ({ us }) => 1e6 / us, y: 'setting', fy: 'op', fill: 'setting' }),
      Plot.text(tiny, {
        x: ({ us }) => 1e6 / us,
        y: 'setting',
        fy: 'op',
        text: ({ us }) => `${us.toPrecision(2)} us`,
        textAnchor: 'start',
        dx: 4,
      }),
      Plot.ruleX([0]),
    ],
  });
  if (new Set(adds.map(({ elements }) => elements)).size < 2) return rates;
  return (
    rates +
    svg({
      height: 280,
      x: { type: 'log', label: 'elements of an add →', tickFormat: '~s' },
      y: { type: 'log', label: '↑ us', grid: true, tickFormat: '~r' },
      color: { legend: true },
      marks: [Plot.line(adds, { x: 'elements', y: 'us', stroke: 'setting', marker: true })],
    })
  );
}

/** The steps of a start, one after the other. */
export function startBars(rows: readonly Row[]): string {
  const steps = rows.flatMap((row) => {
    let end = 0;
    return (row.start ?? []).map(({ name, milliseconds }) => {
      end += milliseconds;
      return { name, from: end - milliseconds, to: end, milliseconds, setting: where(row) };
    });
  });
  const settings = [...new Set(steps.map(({ setting }) => setting))];
  if (settings.length === 0) return '';
  return svg({
    height: 50 + 36 * settings.length,
    marginLeft: 160,
    x: { label: 'ms since the process was asked for →', grid: true },
    y: { label: null, domain: settings },
    color: { legend: true, domain: [...new Set(steps.map(({ name }) => name))], scheme: 'Observable10' },
    marks: [
      Plot.barX(steps, { x1: 'from', x2: 'to', y: 'setting', fill: 'name' }),
      Plot.text(
        steps.filter(({ milliseconds, to }) => milliseconds > to / 25),
        {
          x: ({ from, to }) => (from + to) / 2,
          y: 'setting',
          text: ({ milliseconds }) => milliseconds.toFixed(0),
          fill: 'white',
        },
      ),
      Plot.ruleX([0]),
    ],
  });
}

/** Where a network's time goes. */
export function breakdown(row: Row): string {
  const parts = row.network?.breakdown.filter(({ share }) => share >= 0.01) ?? [];
  if (parts.length === 0) return '';
  const name = (part: (typeof parts)[number]): string => `${part.layer} ${part.kernel}, ${part.phase}`;
  return svg({
    height: 50 + 18 * parts.length,
    marginLeft: 240,
    x: { label: 'ms →', grid: true },
    y: { label: null, domain: parts.map(name) },
    color: { scheme: 'RdYlGn', domain: [0, 1] },
    marks: [
      Plot.barX(parts, {
        x: 'milliseconds',
        y: name,
        fill: ({ shareOfPeak }) => Math.min(1, shareOfPeak),
      }),
      Plot.text(parts, {
        x: 'milliseconds',
        y: name,
        text: ({ shareOfPeak }) => percent(shareOfPeak),
        textAnchor: 'start',
        dx: 4,
      }),
      Plot.ruleX([0]),
    ],
  });
}
