/**
 * What the parts are worth: a line for each ablation, how many percentage points its top-1 error lies above the base's
 * over the seeds (a dot, filled where that is larger than chance) with its interval of 95 %, and the published
 * increases as open marks.
 */
import type { changeBetween } from '../chance.js';
import { type Plotter, pairColours } from './plot.js';

/** How an ablation's top-1 error differs from the base's: as a fraction here, in percentage points elsewhere. */
interface ChangedRow {
  readonly name: string;
  readonly change: ReturnType<typeof changeBetween>;
  readonly paper: number | undefined;
  readonly log: number | undefined;
}

/** The rows that differ from the base, as an SVG file. */
export function plotAblations({ plots, draw }: Plotter, rows: readonly ChangedRow[]): string {
  const [ours, theirs] = pairColours;
  const points = rows.map(({ name, change, paper, log }) => {
    const mean = 100 * change.mean;
    // A single seed has no interval.
    const half = Number.isNaN(change.halfWidth) ? 0 : 100 * change.halfWidth;
    const fill = change.beyondChance ? ours : 'white';
    return { name, mean, low: mean - half, high: mean + half, fill, paper, log };
  });
  return draw({
    width: 640,
    height: 90 + 32 * points.length,
    marginLeft: 130,
    marginTop: 40,
    marginBottom: 45,
    x: { label: 'increase of the top-1 error (percentage points)', grid: true, nice: true },
    y: { label: null, type: 'point', domain: points.map(({ name }) => name), padding: 0.6 },
    marks: [
      plots.ruleX([0], { stroke: '#777777' }),
      plots.ruleY(points, { x1: 'low', x2: 'high', y: 'name', stroke: ours, strokeWidth: 2.2 }),
      plots.dot(points, { x: 'mean', y: 'name', fill: 'fill', stroke: ours, strokeWidth: 1.8, r: 5 }),
      plots.dot(
        points.filter(({ paper }) => paper !== undefined),
        { x: 'paper', y: 'name', dy: -9, symbol: 'diamond', stroke: theirs, strokeWidth: 1.6, r: 4 },
      ),
      plots.dot(
        points.filter(({ log }) => log !== undefined),
        { x: 'log', y: 'name', dy: 9, symbol: 'triangle', stroke: theirs, strokeWidth: 1.6, r: 4 },
      ),
      plots.text(
        ['dot: here, filled where larger than chance; diamond: the paper; triangle: the log of 2012'],
        {
          frameAnchor: 'top-left',
          dy: -28,
        },
      ),
    ],
  });
}
