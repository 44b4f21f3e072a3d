/**
 * The paper's Figure 1 from the log of a race: training error by epoch, ReLU solid, others dashed, a line a seed. A race
 * that reached the target ends in a dot, one that was given up in a ring, one that diverged in nothing. Across the
 * target's line lies the spread of each non-linearity's races, from the first to the last, and above it all stand their
 * epochs and how many times ReLU's they are.
 */
import { epochsTo, formatEpochs, type RaceLine, racesOf, summarize, timesText } from '../race.js';
import { epochTicks, type Plotter } from './plot.js';

const colours = { relu: '#3b6fb6', tanh: '#e08214', 'abs-tanh': '#6a9f58' } as const;
const names = { relu: 'ReLU', tanh: 'tanh', 'abs-tanh': '|tanh|' } as const;

/** The figure as an SVG file. @param target training error that ends a race */
export function plotRace({ plots, draw }: Plotter, lines: readonly RaceLine[], target: number): string {
  const drawn = lines.filter(({ ended }) => ended !== 'diverged');
  const races = racesOf(drawn);
  const rows = summarize(lines, target);
  const last = Math.max(1, ...drawn.map(({ epoch }) => epoch));
  // The paper's axis ends at 75 %; errors above it show where they are.
  const worst = Math.max(0.75, ...drawn.map(({ trainError }) => trainError));
  const spreads = rows.flatMap(({ activation }) => {
    const own = races.filter((race) => race[0]?.activation === activation);
    const reached = own.flatMap((race) => epochsTo(race, target) ?? []);
    return reached.length > 1 ? [{ activation, from: Math.min(...reached), to: Math.max(...reached) }] : [];
  });
  return draw({
    width: 640,
    height: 360 + 16 * rows.length,
    marginLeft: 50,
    marginTop: 20 + 16 * rows.length,
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
      plots.ruleY(spreads, {
        x1: 'from',
        x2: 'to',
        y: () => target,
        stroke: 'activation',
        strokeWidth: 7,
        strokeOpacity: 0.35,
      }),
      plots.dot(
        drawn.filter(({ ended }) => ended === 'reached'),
        { x: 'epoch', y: 'trainError', fill: 'activation', r: 3.5 },
      ),
      plots.dot(
        drawn.filter(({ ended }) => ended === 'gave up'),
        { x: 'epoch', y: 'trainError', fill: 'white', stroke: 'activation', strokeWidth: 1.8, r: 3.5 },
      ),
      ...rows.map((row, i) => {
        const { activation, epochs, mean, rate } = row;
        const each = epochs.length > 1 ? ` (${epochs.map(formatEpochs).join(', ')})` : '';
        const reached = mean === null ? 'never there' : `${formatEpochs(mean)} epochs`;
        const text = [`${names[activation]} at ${rate}: ${reached}${each}`, timesText(row) ?? []]
          .flat()
          .join(', ');
        return plots.text([text], {
          frameAnchor: 'top-right',
          textAnchor: 'end',
          lineAnchor: 'bottom',
          dy: -4 - 16 * (rows.length - 1 - i),
          fill: colours[activation],
        });
      }),
    ],
  });
}
