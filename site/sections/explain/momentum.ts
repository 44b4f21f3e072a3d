/**
 * The paper's update on a narrow valley: sixty steps of
 *
 *     v := momentum * v - decay * rate * w - rate * g,   w := w + v
 *
 * down `f(x, y) = ((x - 4)^2 + 14 (y - 1)^2) / 2`, whose lowest point isn't zero, where decay pulls.
 */
import { byId, setText, svgElement } from '../../page/dom.js';
import { say } from '../../page/language.js';
import { sliders } from '../../page/sliders.js';

const steps = 60;
const lowest = [4, 1] as const;
const steepness = [1, 14] as const;
const start: readonly [number, number] = [-6, 3.4];

/** The places of all steps, the start first. */
export function descend(momentum: number, rate: number, decay: number): [x: number, y: number][] {
  let [x, y] = start;
  let [vx, vy] = [0, 0];
  const path: [number, number][] = [[x, y]];
  for (let i = 0; i < steps; i++) {
    vx = momentum * vx - decay * rate * x - rate * steepness[0] * (x - lowest[0]);
    vy = momentum * vy - decay * rate * y - rate * steepness[1] * (y - lowest[1]);
    x += vx;
    y += vy;
    path.push([x, y]);
  }
  return path;
}

/** Starts the sliders. */
export function startMomentum(): void {
  const holder = byId('momentum-chart', HTMLElement);
  sliders(
    'momentum',
    { momentum: (x) => x.toFixed(2), rate: (x) => x.toFixed(3), decay: (x) => x.toFixed(2) },
    ({ momentum, rate, decay }) => {
      const path = descend(momentum, rate, decay);
      draw(holder, path, descend(0, rate, decay));
      const [x, y] = path.at(-1) ?? start;
      const away = Math.hypot(x - lowest[0], y - lowest[1]);
      const text = Number.isFinite(away) && away < 100 ? away.toFixed(2) : '∞';
      setText(byId('momentum-result', HTMLElement), say('momentumResult', { away: text, steps }));
    },
  );
}

const [width, height, scale] = [560, 250, 32];
const px = (x: number): number => 280 + 36 * clamp(x, 60);
const py = (y: number): number => height - 90 - scale * clamp(y, 60);
const clamp = (value: number, most: number): number =>
  Number.isFinite(value) ? Math.max(-most, Math.min(most, value)) : most;

function draw(
  holder: HTMLElement,
  path: readonly [number, number][],
  plain: readonly [number, number][],
): void {
  const svg = svgElement('svg', {
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': say('momentumChart'),
  });
  for (const level of [1, 4, 12, 28, 52, 84]) {
    const [rx, ry] = [
      36 * Math.sqrt((2 * level) / steepness[0]),
      scale * Math.sqrt((2 * level) / steepness[1]),
    ];
    svg.append(svgElement('ellipse', { cx: px(lowest[0]), cy: py(lowest[1]), rx, ry, class: 'level' }));
  }
  svg.append(svgElement('path', { d: `M${px(0) - 5} ${py(0)}h10M${px(0)} ${py(0) - 5}v10`, class: 'axis' }));
  for (const [places, kind] of [
    [plain, 'plain'],
    [path, 'path'],
  ] as const) {
    const points = places.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(' ');
    svg.append(svgElement('polyline', { points, class: kind }));
  }
  for (const [x, y] of path) svg.append(svgElement('circle', { cx: px(x), cy: py(y), r: 2.6, class: 'dot' }));
  holder.replaceChildren(svg);
}
