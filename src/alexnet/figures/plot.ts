/**
 * Plots as SVG files, by Observable Plot on linkedom's document: no browser takes part. Both are development
 * dependencies of this package, for others to install beside it, loaded when a plot is drawn.
 */
import type { PlotOptions } from '@observablehq/plot';
import { TandemError } from '../../core/errors.js';

/** Observable Plot. */
type Plots = typeof import('@observablehq/plot');

/** What draws. */
export interface Plotter {
  readonly plots: Plots;
  /** A plot as the text of an SVG file. */
  draw(options: PlotOptions): string;
}

/** @throws {TandemError} when the libraries aren't installed. */
export async function openPlotter(): Promise<Plotter> {
  const [plots, { parseHTML }] = await Promise.all([import('@observablehq/plot'), import('linkedom')]).catch(
    (error: unknown) => {
      throw new TandemError(
        'figures: plots need @observablehq/plot and linkedom, which could not be loaded: npm install @observablehq/plot linkedom',
        { cause: error },
      );
    },
  );
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const draw = (options: PlotOptions): string => {
    const svg = plots.plot({ ...options, document });
    svg.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
    svg.setAttribute('style', 'background: white');
    svg.setAttribute('font-size', '11.5');
    return `${svg.outerHTML}\n`;
  };
  return { plots, draw };
}

/** The colours of towers, or of whatever comes in a pair; kept apart by people who see colours differently. */
export const pairColours = ['#3b6fb6', '#e08214'] as const;

/** Ticks of an axis of epochs: at most about ten, all of them whole. */
export function epochTicks(
  first: number,
  last: number,
): { ticks: number[]; tickFormat: (epoch: number) => string } {
  const count = last - first + 1;
  const step = [1, 2, 5, 10, 20, 50].find((n) => count / n <= 10) ?? Math.ceil(count / 10);
  const ticks = Array.from({ length: Math.max(0, count) }, (_, i) => first + i).filter((n) => n % step === 0);
  return { ticks, tickFormat: String };
}
