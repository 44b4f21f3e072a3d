/**
 * How training went: errors and losses by epoch, and where the rate dropped.
 */
import type { LogLine } from '../log.js';
import { epochTicks, type Plotter } from './plot.js';

interface Point {
  readonly epoch: number;
  readonly value: number;
  readonly curve: string;
}

const colours = ['#7f7f7f', '#3b6fb6', '#e08214'];

/** Plots of errors and of losses, SVG files by their names. */
export function plotCurves(plotter: Plotter, lines: readonly LogLine[]): ReadonlyMap<string, string> {
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
    ['errors.svg', plotLines(plotter, lines, errors, 'error', true)],
    ['losses.svg', plotLines(plotter, lines, losses, 'cross-entropy', false)],
  ]);
}

function plotLines(
  { plots, draw }: Plotter,
  lines: readonly LogLine[],
  points: readonly Point[],
  label: string,
  percent: boolean,
): string {
  const drops = lines.filter((line, i) => i > 0 && line.learningRate < lines[i - 1]!.learningRate);
  const curves = [...new Set(points.map(({ curve }) => curve))];
  return draw({
    width: 640,
    height: 360,
    marginTop: 40,
    marginBottom: 45,
    marginLeft: 50,
    marginRight: 120,
    x: {
      label: 'epoch',
      labelAnchor: 'center',
      ...epochTicks(lines[0]?.epoch ?? 1, lines.at(-1)?.epoch ?? 1),
    },
    y: { label: percent ? `${label} (%)` : label, percent, zero: true, grid: true },
    color: { domain: curves, range: colours },
    marks: [
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
      plots.text(endLabels(points), {
        x: 'epoch',
        y: 'value',
        fill: 'curve',
        text: 'curve',
        textAnchor: 'start',
        dx: 8,
      }),
    ],
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
