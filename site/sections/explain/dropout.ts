/**
 * What dropout does to co-adaptation: ten units together answer 1. Where one of them does most of the work, dropping
 * each with probability p scatters the answer; where they share it evenly, it hardly matters which are missing.
 */
import { byId, setText, svgElement } from '../../page/dom.js';
import { say } from '../../page/language.js';
import { sliders } from '../../page/sliders.js';

const units = 10;
const masks = 400;
const bins = 24;

/** Shares of the work, from even to all on one; they add up to 1. */
export function sharesOf(unevenness: number): number[] {
  return Array.from({ length: units }, (_, i) => (1 - unevenness) / units + (i === 0 ? unevenness : 0));
}

/** Starts the sliders. */
export function startDropout(): void {
  const holder = byId('dropout-chart', HTMLElement);
  // The same random numbers each time, so that what moves is what the slider moves.
  let word = 1;
  const draws = Array.from({ length: masks * units }, () => {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    return word / 2 ** 32;
  });
  sliders('dropout', { p: (x) => x.toFixed(1), uneven: (x) => x.toFixed(2) }, ({ p, uneven }) => {
    const shares = sharesOf(uneven);
    const answers = Array.from({ length: masks }, (_, m) =>
      shares.reduce((sum, share, i) => sum + ((draws[m * units + i] ?? 0) >= p ? share / (1 - p) : 0), 0),
    );
    draw(holder, answers);
    const mean = answers.reduce((a, b) => a + b, 0) / masks;
    const spread = Math.sqrt(answers.reduce((sum, x) => sum + (x - mean) ** 2, 0) / masks);
    setText(byId('dropout-result', HTMLElement), say('dropoutResult', { spread: spread.toFixed(2) }));
  });
}

const [width, height, most] = [560, 170, 3];

function draw(holder: HTMLElement, answers: readonly number[]): void {
  const counts = Array.from({ length: bins }, () => 0);
  for (const x of answers) {
    const bin = Math.min(bins - 1, Math.floor((x / most) * bins));
    counts[bin] = (counts[bin] ?? 0) + 1;
  }
  const svg = svgElement('svg', {
    viewBox: `0 0 ${width} ${height}`,
    role: 'img',
    'aria-label': say('dropoutChart'),
  });
  const step = width / bins;
  for (const [i, n] of counts.entries()) {
    const tall = (n / masks) * 260;
    svg.append(
      svgElement('rect', {
        x: i * step + 1,
        y: 140 - Math.min(135, tall),
        width: step - 2,
        height: Math.min(135, tall),
        class: 'after',
      }),
    );
  }
  const at = (x: number): number => (x / most) * width;
  svg.append(svgElement('path', { d: `M0 140H${width}M${at(1)} 0V146`, class: 'axis' }));
  for (const value of [0, 1, 2, 3]) {
    const label = svgElement('text', { x: Math.min(width - 8, at(value) + 4), y: 160 });
    label.textContent = String(value);
    svg.append(label);
  }
  holder.replaceChildren(svg);
}
