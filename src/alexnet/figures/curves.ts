/**
 * How training went: errors and losses by epoch, and where the rate dropped; behind them where it dropped in 2012, and a
 * published curve.
 */
import type { Markish } from '@observablehq/plot';
import type { LogLine } from '../log.js';
import type { PublishedTraining } from '../published.js';
import { epochTicks, type Plotter } from './plot.js';

/** A point of a curve. */
interface Point {
  readonly epoch: number;
  readonly value: number;
  readonly curve: string;
}

/** Sizes and margins of a plot by epoch; on the right it has room for the curves' names. */
export const frame = { width: 640, height: 360, marginTop: 40, marginBottom: 45, marginLeft: 50 } as const;

const colours = ['#7f7f7f', '#3b6fb6', '#e08214'];

/** Of what others published: the rates noted in 2012 (lines, and words that are read), and the curve. */
const noted = { line: '#d9c4e6', text: '#8a63a3' };
const published = '#3f8f5b';

/**
 * Plots of errors and of losses, SVG files by their names.
 * @param beside what is drawn behind: the axis then has as many epochs as the net of 2012
 */
export function plotCurves(
  plotter: Plotter,
  lines: readonly LogLine[],
  beside?: PublishedTraining,
): ReadonlyMap<string, string> {
  const points = (curves: Readonly<Record<string, (line: LogLine) => number | null>>): Point[] =>
    Object.entries(curves).flatMap(([curve, of]) =>
      lines.flatMap((line) => {
        const value = of(line);
        return value === null ? [] : [{ epoch: line.epoch, value, curve }];
      }),
    );
  const errors = points({
    training: (line) => line.trainError,
    validation: (line) => line.valError,
    'validation, top 5': (line) => line.valTop5Error,
  });
  const losses = points({ training: (line) => line.trainLoss, validation: (line) => line.valLoss });
  return new Map([
    ['errors.svg', plotLines(plotter, lines, errors, 'error', true, beside)],
    ['losses.svg', plotLines(plotter, lines, losses, 'cross-entropy', false, beside)],
  ]);
}

function plotLines(
  { plots, draw }: Plotter,
  lines: readonly LogLine[],
  points: readonly Point[],
  label: string,
  percent: boolean,
  beside: PublishedTraining | undefined,
): string {
  const drops = lines.filter((line, i) => i > 0 && line.learningRate < lines[i - 1]!.learningRate);
  const theirs = beside && marksOf(plots, beside, percent);
  const curves = [...new Set(points.map(({ curve }) => curve))];
  return draw({
    ...frame,
    marginRight: 120,
    x: {
      label: 'epoch',
      labelAnchor: 'center',
      ...epochTicks(lines[0]?.epoch ?? 1, Math.max(lines.at(-1)?.epoch ?? 1, beside?.noted.ended ?? 1)),
    },
    y: { label: percent ? `${label} (%)` : label, percent, zero: true, grid: true },
    color: { domain: curves, range: colours },
    marks: [
      ...(theirs?.behind ?? []),
      plots.ruleX(drops, { x: 'epoch', stroke: '#bbbbbb', strokeDasharray: '3 3' }),
      plots.text(drops, {
        x: 'epoch',
        frameAnchor: 'top',
        dx: 4,
        textAnchor: 'start',
        fill: '#777777',
        text: ({ learningRate }) => `rate ${Number(learningRate.toPrecision(2))}`,
      }),
      plots.lineY(points, { x: 'epoch', y: 'value', z: 'curve', stroke: 'curve', strokeWidth: 2 }),
      plots.dot(points, { x: 'epoch', y: 'value', fill: 'curve', r: 2.5 }),
      curveNames(plots, points),
      ...(theirs?.before ?? []),
    ],
  });
}

/**
 * The marks of what was published: lines behind the run's, and words before them with a legend above the frame. The curve
 * is there only where errors are drawn.
 */
function marksOf(
  { ruleX, text, lineY }: Plotter['plots'],
  { noted: { net, rates, ended }, curve }: PublishedTraining,
  errors: boolean,
): { readonly behind: Markish[]; readonly before: Markish[] } {
  const changes = [
    ...rates.map(({ epoch, rate, layer }) => ({ epoch, name: layer ? `${layer} ${rate}` : `${rate}` })),
    { epoch: ended, name: 'end' },
  ];
  const legend = (words: string, fill: string, dy: number): Markish =>
    text([words], { frameAnchor: 'top-right', textAnchor: 'end', dy, fill });
  const behind = [ruleX(changes, { x: 'epoch', stroke: noted.line, strokeWidth: 2 })];
  const before = [
    text(changes, {
      x: 'epoch',
      frameAnchor: 'bottom',
      textAnchor: 'start',
      rotate: -90,
      dx: -6,
      dy: -4,
      fontSize: 10,
      text: 'name',
      fill: noted.text,
      stroke: 'white',
    }),
    legend(`light lines: rates of net ${net}, noted in 2012`, noted.text, -28),
  ];
  if (errors) {
    const { points, name } = curve;
    behind.push(
      lineY(points, {
        x: 'epoch',
        y: 'error',
        stroke: published,
        strokeWidth: 1.5,
        strokeDasharray: '5 2',
      }),
    );
    before.push(legend(`broken line: ${name}`, published, -14));
  }
  return { behind, before };
}

/** The curves' names at their ends, outlined, since a longer run's curve may pass behind a shorter one's name. */
export function curveNames({ text }: Plotter['plots'], points: readonly Point[]): Markish {
  return text(endLabels(points), {
    x: 'epoch',
    y: 'value',
    fill: 'curve',
    stroke: 'white',
    text: 'curve',
    textAnchor: 'start',
    dx: 8,
  });
}

/** Where the curves' names go: at their ends, moved apart so that none covers another. */
function endLabels(points: readonly Point[]): Point[] {
  const last = new Map(points.map((point) => [point.curve, point]));
  const top = Math.max(...points.map(({ value }) => value));
  const labels: Point[] = [];
  for (const point of [...last.values()].sort((a, b) => a.value - b.value)) {
    const below = labels.at(-1)?.value ?? Number.NEGATIVE_INFINITY;
    labels.push({ ...point, value: Math.max(point.value, below + top / 19) });
  }
  return labels;
}
