/**
 * The three non-linearities and their slopes at a place.
 */
import { byId, setText, svgElement } from '../../page/dom.js';
import { say } from '../../page/language.js';
import { sliders } from '../../page/sliders.js';

const functions = [
  { kind: 'path', f: (x: number) => Math.max(0, x), slope: (x: number) => (x > 0 ? 1 : 0) },
  { kind: 'second', f: Math.tanh, slope: (x: number) => 1 - Math.tanh(x) ** 2 },
  {
    kind: 'third',
    f: (x: number) => Math.abs(Math.tanh(x)),
    slope: (x: number) => Math.sign(x) * (1 - Math.tanh(x) ** 2),
  },
] as const;

const [width, height] = [560, 220];
const px = (x: number): number => 280 + 64 * x;
const py = (y: number): number => 160 - 44 * y;

/** Starts the slider. */
export function startShapes(): void {
  const holder = byId('shapes-chart', HTMLElement);
  sliders('shapes', { x: (x) => x.toFixed(1) }, ({ x }) => {
    const svg = svgElement('svg', {
      viewBox: `0 0 ${width} ${height}`,
      role: 'img',
      'aria-label': say('shapesChart'),
    });
    svg.append(svgElement('path', { d: `M0 ${py(0)}H${width}M${px(0)} 0V${height}`, class: 'axis' }));
    for (const { kind, f } of functions) {
      const points = Array.from({ length: 81 }, (_, i) => i / 10 - 4).map(
        (at) => `${px(at)},${py(f(at)).toFixed(1)}`,
      );
      svg.append(svgElement('polyline', { points: points.join(' '), class: kind }));
      svg.append(svgElement('circle', { cx: px(x), cy: py(f(x)), r: 4, class: `dot ${kind}` }));
    }
    holder.replaceChildren(svg);
    const [relu = 0, tanh = 0, absTanh = 0] = functions.map(({ slope }) => slope(x));
    const values = { relu: relu.toFixed(2), tanh: tanh.toFixed(2), absTanh: absTanh.toFixed(2) };
    setText(byId('shapes-result', HTMLElement), say('shapesResult', values));
  });
}
