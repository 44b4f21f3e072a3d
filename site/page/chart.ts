/**
 * A chart of curves over images seen: lines, axes, and a legend beneath that tells the last values.
 */
import { element, svgElement } from './dom.js';
import { count } from './language.js';

/** A curve. */
export interface Series {
  readonly label: string;
  /** A colour of the style sheet, such as '--tower-0'. */
  readonly colour: string;
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** How a chart is drawn. */
export interface ChartOptions {
  readonly series: readonly Series[];
  /** The least range of x; more points make it wider. */
  readonly width: number;
  /** The least range of y; 1 for errors. */
  readonly top: number;
  readonly formatY: (y: number) => string;
  readonly xLabel: string;
}

const margin = { left: 44, right: 10, top: 8, bottom: 34 };
const height = 210;

/** Draws into an element of class `chart`, in place of what was there. */
export function drawChart(
  holder: HTMLElement,
  { series, width: least, top, formatY, xLabel }: ChartOptions,
): void {
  const width = Math.max(280, holder.clientWidth);
  const all = series.flatMap(({ points }) => points);
  const right = Math.max(least, ...all.map(([x]) => x));
  const most = Math.max(top, ...all.map(([, y]) => y));
  const x = (value: number): number => margin.left + (value / right) * (width - margin.left - margin.right);
  const y = (value: number): number =>
    height - margin.bottom - (value / most) * (height - margin.top - margin.bottom);
  const svg = svgElement('svg', { viewBox: `0 0 ${width} ${height}`, width, height, 'aria-hidden': 'true' });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    const at = y(share * most);
    svg.append(
      svgElement('line', { x1: margin.left, x2: width - margin.right, y1: at, y2: at, class: 'grid' }),
    );
    svg.append(label(formatY(share * most), margin.left - 6, at + 4, 'end'));
  }
  for (const share of [0, 0.5, 1]) {
    const anchor = share === 0 ? 'start' : share === 1 ? 'end' : 'middle';
    svg.append(label(count(share * right), x(share * right), height - margin.bottom + 16, anchor));
  }
  svg.append(label(xLabel, width - margin.right, height - 3, 'end'));
  for (const { colour, dashed, points } of series) {
    const path = fewer(points)
      .map(([px, py]) => `${x(px).toFixed(1)},${y(py).toFixed(1)}`)
      .join(' ');
    const line = svgElement('polyline', { points: path, class: dashed ? 'curve dashed' : 'curve' });
    line.style.stroke = `var(${colour})`;
    svg.append(line);
  }
  const legend = element('ul', { class: 'legend' });
  for (const { label: text, colour, dashed, points } of series) {
    const swatch = element('span', { class: dashed ? 'swatch dashed' : 'swatch' });
    swatch.style.borderColor = `var(${colour})`;
    const last = points.at(-1);
    legend.append(element('li', {}, swatch, last ? `${text}: ${formatY(last[1])}` : text));
  }
  holder.replaceChildren(svg, legend);
}

function label(text: string, x: number, y: number, anchor: string): SVGElement {
  const made = svgElement('text', { x, y, 'text-anchor': anchor });
  made.textContent = text;
  return made;
}

/** Points that are drawn of a curve at most; the eye sees no more. */
const most = 300;

function fewer<T>(points: readonly T[]): readonly T[] {
  const every = Math.ceil(points.length / most);
  return every < 2 ? points : points.filter((_, i) => i % every === 0 || i === points.length - 1);
}
