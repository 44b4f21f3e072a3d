/**
 * Images with the five classes the network finds likeliest: the paper's Figure 4, left. The true class, where
 * it is known, is named below each image; its bar is green. Bars as wide as the image are certain.
 */
import type { Picture } from '../../data/images/resize.js';
import { escapeText, svgFile, svgPicture, svgText } from './svg.js';

/** An image and what the network says of it. */
export interface Answered {
  readonly picture: Picture;
  /** Said below it: the name of its class, or of its file. */
  readonly caption: string;
  /** The likeliest classes, likeliest first. */
  readonly likeliest: readonly {
    readonly name: string;
    readonly probability: number;
    readonly isTrue: boolean;
  }[];
}

const side = 160;
const gap = 20;
const barHeight = 20;

/** An SVG file of images in rows of `columns`. */
export function drawAnswers(answered: readonly Answered[], columns = 4): string {
  const bars = Math.max(...answered.map(({ likeliest }) => likeliest.length));
  const cardHeight = side + 26 + bars * (barHeight + 2) + gap;
  const body = answered.flatMap(({ picture, caption, likeliest }, i) => {
    const left = gap + (i % columns) * (side + gap);
    const top = gap + Math.floor(i / columns) * cardHeight;
    const middle = `text-anchor="middle" font-weight="600"`;
    return [
      svgPicture(picture, left, top, side),
      svgText(caption, left + side / 2, top + side + 17, side, middle),
      ...likeliest.flatMap(({ name, probability, isTrue }, n) => {
        const y = top + side + 26 + n * (barHeight + 2);
        const colour = isTrue ? '#7fbf6f' : '#c9cdd3';
        const title = `<title>${escapeText(name)}: ${(100 * probability).toFixed(1)} %</title>`;
        const width = Math.max(1, probability * side).toFixed(1);
        return [
          `<rect x="${left}" y="${y}" width="${side}" height="${barHeight}" fill="#f3f3f3"/>`,
          `<rect x="${left}" y="${y}" width="${width}" height="${barHeight}" fill="${colour}">${title}</rect>`,
          svgText(name, left + 5, y + 14, side - 40),
          svgText(`${Math.round(100 * probability)} %`, left + side - 4, y + 14, 40, 'text-anchor="end"'),
        ];
      }),
    ];
  });
  const rows = Math.ceil(answered.length / columns);
  return svgFile(gap + Math.min(columns, answered.length) * (side + gap), gap + rows * cardHeight, body);
}
