/**
 * Queries, each with the images nearest to it, a row each: the paper's Figure 4, right.
 */
import type { Picture } from '../../data/images/resize.js';
import { svgFile, svgPicture, svgText } from './svg.js';

/** A picture with a few lines below it. */
export interface Captioned {
  readonly picture: Picture;
  readonly caption: readonly string[];
}

/** A query and what was found for it. */
interface GalleryRow {
  readonly query: Captioned;
  readonly found: readonly Captioned[];
}

const side = 112;
const gap = 12;
const lineHeight = 14;

/** An SVG file: the query at the left, apart from what was found. */
export function drawGallery(rows: readonly GalleryRow[]): string {
  const cell = side + gap;
  const columns = Math.max(...rows.map(({ found }) => found.length));
  const lines = Math.max(
    ...rows.flatMap(({ query, found }) => [query, ...found]).map((x) => x.caption.length),
  );
  const rowHeight = side + lines * lineHeight + 6 + gap;
  const body = rows.flatMap(({ query, found }, i) => {
    const top = gap + i * rowHeight;
    const at = ({ picture, caption }: Captioned, left: number): string[] => [
      svgPicture(picture, left, top, side),
      ...caption.map((line, n) => svgText(line, left, top + side + lineHeight * (n + 1), side)),
    ];
    return [...at(query, gap), ...found.flatMap((item, n) => at(item, 3 * gap + (n + 1) * cell))];
  });
  return svgFile(4 * gap + (columns + 1) * cell, gap + rows.length * rowHeight, body);
}
