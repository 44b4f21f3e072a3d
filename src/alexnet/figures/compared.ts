/**
 * Several runs in one picture: a colour for each, its validation error solid and its training error dashed, by epoch. Names
 * stand at the ends of validation's curves.
 */
import type { LogLine } from '../log.js';
import { curveNames, frame } from './curves.js';
import { epochTicks, type Plotter } from './plot.js';

/** A run's log, under the name that it has in the picture. */
export interface NamedLog {
  readonly name: string;
  readonly lines: readonly LogLine[];
}

/** The picture as an SVG file. */
export function plotCompared({ plots, draw }: Plotter, runs: readonly NamedLog[]): string {
  const points = (of: (line: LogLine) => number) =>
    runs.flatMap(({ name, lines }) =>
      lines.map((line) => ({ epoch: line.epoch, value: of(line), curve: name })),
    );
  const validation = points(({ valError }) => valError);
  const training = points(({ trainError }) => trainError);
  const epochs = validation.map(({ epoch }) => epoch);
  const longestName = Math.max(...runs.map(({ name }) => name.length));
  const line = { x: 'epoch', y: 'value', z: 'curve', stroke: 'curve' } as const;
  return draw({
    ...frame,
    marginRight: 30 + 7 * longestName,
    x: { label: 'epoch', labelAnchor: 'center', ...epochTicks(Math.min(...epochs), Math.max(...epochs)) },
    y: { label: 'error (%)', percent: true, zero: true, grid: true },
    color: { domain: runs.map(({ name }) => name), scheme: 'Observable10' },
    marks: [
      plots.text(['solid: validation, dashed: training'], {
        frameAnchor: 'top-right',
        textAnchor: 'end',
        dy: -20,
        fill: '#777777',
      }),
      plots.lineY(training, { ...line, strokeWidth: 1.2, strokeDasharray: '4 3' }),
      plots.lineY(validation, { ...line, strokeWidth: 2 }),
      curveNames(plots, validation),
    ],
  });
}
