/**
 * Plots of how costs scale: images in a batch, threads, elements of an op; and the steps of a start.
 */
import * as Plot from '@observablehq/plot';
import type { Row } from '../rows.js';
import { digits } from '../table.js';
import { distinct, svg, where } from './charts.js';

/** Colours of settings, in the order they were measured. */
function colours(points: readonly { readonly setting: string }[]): Plot.ScaleOptions {
  return { legend: true, domain: distinct(points.map(({ setting }) => setting)) };
}

/** A curve for each setting. */
function curves<T extends { readonly setting: string }>(
  points: T[],
  x: keyof T & string,
  y: keyof T & string,
  options: Plot.LineOptions = { marker: true },
): Plot.Markish {
  return Plot.line(points, { x, y, stroke: 'setting', z: 'setting', ...options });
}

/** The number at the end of each curve. */
function ends<T extends { readonly setting: string }>(
  points: T[],
  x: keyof T & string,
  y: keyof T & string,
  text: (point: T) => string,
): Plot.Markish {
  const place = { x, y, z: 'setting', text, textAnchor: 'start', dx: 7 } as const;
  return Plot.text(points, Plot.selectLast(place));
}

/** Milliseconds for an image over the batch, for each setting. Nothing for a single batch. */
export function batchCurves(rows: readonly Row[], work: string): string {
  const points = rows.flatMap((row) =>
    row.network && row.name.includes(work)
      ? [{ batch: row.network.images, ms: row.network.msPerImage, setting: where(row) }]
      : [],
  );
  const ticks = distinct(points.map(({ batch }) => batch));
  if (ticks.length < 2) return '';
  const most = Math.max(...points.map(({ ms }) => ms));
  return svg(`Milliseconds for each image over the batch: ${work}`, {
    height: 320,
    x: { type: 'log', base: 2, label: 'images in a batch →', ticks, tickFormat: 'd' },
    y: { label: '↑ ms for each image', domain: [0, 1.1 * most], grid: true },
    color: colours(points),
    marks: [
      Plot.ruleY([0]),
      curves(points, 'batch', 'ms'),
      ends(points, 'batch', 'ms', ({ ms }) => digits(ms)),
    ],
  });
}

/**
 * Images a second over CPU threads, for each batch of the paper's kind and for one device or two; dashed what so many
 * times one thread would give. Nothing where only one number of threads was measured.
 */
export function threadCurves(rows: readonly Row[], work: string): string {
  const points = rows.flatMap(({ name, network, threads, device }) =>
    network && threads !== null && name.includes(work) && [1, 16, 128].includes(network.images)
      ? [{ threads, rate: 1000 / network.msPerImage, setting: `${device}, batch ${network.images}` }]
      : [],
  );
  const ticks = distinct(points.map(({ threads }) => threads));
  if (ticks.length < 2) return '';
  const ideal = points
    .filter(({ threads }) => threads === 1)
    .flatMap(({ rate, setting }) => ticks.map((threads) => ({ threads, rate: rate * threads, setting })));
  return svg(`Images a second over threads: ${work}`, {
    height: 320,
    x: { label: 'threads →', ticks, tickFormat: 'd', inset: 20 },
    y: { label: '↑ images a second', zero: true, grid: true },
    color: colours(points),
    marks: [
      Plot.ruleY([0]),
      curves(ideal, 'threads', 'rate', { strokeDasharray: '3 4', strokeOpacity: 0.6 }),
      curves(points, 'threads', 'rate'),
      ends(points, 'threads', 'rate', ({ rate }) => digits(rate)),
    ],
  });
}

/** Tiny ops a second, and microseconds of an add over its elements. */
export function opPlots(rows: readonly Row[]): string {
  const ops = rows.flatMap((row) => {
    const [, op = '', side] = /^op (\w+) of (\d+)x/.exec(row.name) ?? [];
    const us = 1000 * row.medianMs;
    return side === undefined
      ? []
      : [{ op, elements: Number(side) ** 2, us, rate: 1e6 / us, setting: where(row) }];
  });
  const tiny = ops.filter(({ elements }) => elements === 64);
  const adds = ops.filter(({ op }) => op === 'add').sort((a, b) => a.elements - b.elements);
  const place = { x: 'rate', y: 'setting', fy: 'op' };
  const rates = svg('Tiny operations a second', {
    height: 70 + 18 * tiny.length,
    marginLeft: 80,
    marginRight: 60,
    x: { label: 'operations a second, 64 elements each →', tickFormat: '~s', grid: true },
    y: { axis: null, domain: distinct(tiny.map(({ setting }) => setting)) },
    fy: { label: null, domain: distinct(tiny.map(({ op }) => op)), padding: 0.15 },
    color: colours(tiny),
    marks: [
      Plot.barX(tiny, { ...place, fill: 'setting' }),
      Plot.text(tiny, { ...place, text: ({ us }) => `${digits(us)} us`, textAnchor: 'start', dx: 4 }),
      Plot.ruleX([0]),
    ],
  });
  const growth = svg('Microseconds of an add over its elements', {
    height: 300,
    x: { type: 'log', label: 'elements of an add →', tickFormat: '~s' },
    y: { type: 'log', label: '↑ us', grid: true, tickFormat: '~g' },
    color: colours(adds),
    marks: [curves(adds, 'elements', 'us'), ends(adds, 'elements', 'us', ({ us }) => digits(us))],
  });
  const sizes = distinct(adds.map(({ elements }) => elements)).length;
  return (tiny.length > 0 ? rates : '') + (sizes > 1 ? growth : '');
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
  const settings = distinct(steps.map(({ setting }) => setting));
  if (settings.length === 0) return '';
  const readable = steps.filter(({ milliseconds, to }) => milliseconds > to / 25);
  return svg('Milliseconds of the steps of a start', {
    height: 60 + 36 * settings.length,
    marginLeft: 160,
    x: { label: 'ms since the process was asked for →', grid: true },
    y: { label: null, domain: settings },
    color: { legend: true, domain: distinct(steps.map(({ name }) => name)) },
    marks: [
      Plot.barX(steps, { x1: 'from', x2: 'to', y: 'setting', fill: 'name' }),
      Plot.text(readable, {
        x: ({ from, to }) => (from + to) / 2,
        y: 'setting',
        text: ({ milliseconds }) => milliseconds.toFixed(0),
        fill: 'black',
        stroke: 'white',
      }),
      Plot.ruleX([0]),
    ],
  });
}
