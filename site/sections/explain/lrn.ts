/**
 * Response normalization on sliders: the answers of nine neighbouring maps at one place, before and after.
 *
 * `b[i] = a[i] / (k + alpha * sum over j of a[j]^2)^beta`, j over the n maps around i. With the mean taken off first, the
 * sum is of deviations from the window's mean: contrast instead of brightness.
 */
import { byId, svgElement } from '../../page/dom.js';
import { say } from '../../page/language.js';
import { sliders } from '../../page/sliders.js';

/** As large as answers to pixels of 0-255 are. */
let answers = [12, 60, 24, 150, 40, 8, 90, 30, 110];

interface Settings {
  readonly k: number;
  readonly n: number;
  readonly alpha: number;
  readonly beta: number;
  readonly contrast: boolean;
}

/** The answers as they come out. */
export function normalized(a: readonly number[], { k, n, alpha, beta, contrast }: Settings): number[] {
  const half = Math.floor(n / 2);
  return a.map((x, i) => {
    const window = a.slice(Math.max(0, i - half), Math.min(a.length, i - half + n));
    const mean = contrast ? window.reduce((s, y) => s + y, 0) / window.length : 0;
    const squares = window.reduce((s, y) => s + (y - mean) ** 2, 0);
    return (x - mean) / (k + alpha * squares) ** beta;
  });
}

/** Starts the sliders. */
export function startLrn(): void {
  const holder = byId('lrn-chart', HTMLElement);
  const contrast = byId('lrn-contrast', HTMLInputElement);
  const again = sliders(
    'lrn',
    {
      k: (x) => x.toFixed(1),
      n: (x) => x.toFixed(0),
      alpha: (x) => (10 ** x).toExponential(0),
      beta: (x) => x.toFixed(2),
    },
    ({ k, n, alpha, beta }) => {
      const settings = { k, n, alpha: 10 ** alpha, beta, contrast: contrast.checked };
      draw(holder, answers, normalized(answers, settings));
    },
  );
  contrast.addEventListener('change', again);
  byId('lrn-others', HTMLButtonElement).addEventListener('click', () => {
    answers = answers.map(() => Math.round(200 * Math.random() ** 2));
    again();
  });
}

const [width, height, middle] = [560, 190, 140];

function draw(holder: HTMLElement, before: readonly number[], after: readonly number[]): void {
  const svg = svgElement('svg', {
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': say('lrnChart'),
  });
  const step = width / before.length;
  const most = Math.max(...before, 1);
  const reach = Math.max(...after.map(Math.abs), 1e-9);
  const bar = (x: number, share: number, kind: string): SVGElement => {
    const tall = Math.abs(share) * 120;
    const short = Math.min(tall, height - middle);
    return share >= 0
      ? svgElement('rect', { x, y: middle - tall, width: step * 0.34, height: tall, class: kind })
      : svgElement('rect', { x, y: middle, width: step * 0.34, height: short, class: kind });
  };
  for (const [i, a] of before.entries()) {
    svg.append(bar(i * step + step * 0.12, a / most, 'before'));
    svg.append(bar(i * step + step * 0.52, (after[i] ?? 0) / reach, 'after'));
  }
  svg.append(svgElement('line', { x1: 0, x2: width, y1: middle, y2: middle, class: 'axis' }));
  holder.replaceChildren(svg);
}
