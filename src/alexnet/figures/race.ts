/**
 * The paper's Figure 1 from the log of a race: training error by epoch, ReLU solid, others dashed, a line a seed. A race
 * that reached the target ends in a dot, one that was given up in a ring.
 */
import { type RaceLine, racesOf } from '../race.js';
import { epochTicks, type Plotter } from './plot.js';

const colours = { relu: '#3b6fb6', tanh: '#e08214', 'abs-tanh': '#6a9f58' } as const;

/** The figure as an SVG file. @param target training error that ends a race */
export function plotRace({ plots, draw }: Plotter, lines: readonly RaceLine[], target: number): string {
  const races = racesOf(lines);
  // A name stands where its last race ends, with no line beyond it.
  const ends = races.flatMap((race) => race.slice(-1)).sort((a, b) => a.epoch - b.epoch);
  const longest = new Map(ends.map((end) => [end.activation, end]));
  const last = Math.max(...lines.map(({ epoch }) => epoch));
  // The paper's axis ends at 75 %; errors above it show where they are.
  const worst = Math.max(0.75, ...lines.map(({ trainError }) => trainError));
  return draw({
    width: 640,
    height: 360,
    marginLeft: 50,
    marginRight: 70,
    x: { label: 'epochs', domain: [0, last], ...epochTicks(0, last) },
    y: { label: 'training error (%)', percent: true, domain: [0, 5 * Math.ceil(20 * worst)], grid: true },
    color: { domain: Object.keys(colours), range: Object.values(colours) },
    marks: [
      plots.ruleY([target], { stroke: '#777777', strokeDasharray: '2 3' }),
      ...races.map((race) => {
        const dashed = race[0]?.activation === 'relu' ? {} : { strokeDasharray: '6 4' };
        return plots.lineY(race, {
          x: 'epoch',
          y: 'trainError',
          z: 'activation',
          stroke: 'activation',
          strokeWidth: 1.8,
          ...dashed,
        });
      }),
      plots.dot(
        lines.filter(({ ended }) => ended === 'reached'),
        { x: 'epoch', y: 'trainError', fill: 'activation', r: 3.5 },
      ),
      plots.dot(
        lines.filter(({ ended }) => ended === 'gave up'),
        { x: 'epoch', y: 'trainError', fill: 'white', stroke: 'activation', strokeWidth: 1.8, r: 3.5 },
      ),
      plots.text([...longest.values()], {
        x: 'epoch',
        y: 'trainError',
        text: 'activation',
        fill: 'activation',
        // Where a line passes behind it.
        stroke: 'white',
        strokeWidth: 4,
        textAnchor: 'start',
        dx: 8,
      }),
    ],
  });
}
