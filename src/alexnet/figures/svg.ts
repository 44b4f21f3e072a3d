/**
 * SVG files put together of pictures and text, for figures that aren't plots.
 */

import type { Picture } from '../../data/images/resize.js';
import { printable } from '../../formats/printable.js';
import { pictureAddress } from './picture.js';

/** Text as it may stand in HTML and SVG; characters that neither can hold are spelt out. */
export function escapeText(text: string): string {
  return printable(text).replace(
    /[&<>"]/g,
    (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c] ?? c,
  );
}

/** A file of `body`, in a coordinate system of pixels. */
export function svgFile(width: number, height: number, body: readonly string[]): string {
  const head = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}"`;
  const style = 'font-family="system-ui, sans-serif" font-size="12" style="background: white"';
  return `${head} ${style}>\n${body.join('\n')}\n</svg>\n`;
}

/** A square picture at a place. */
export function svgPicture(picture: Picture, x: number, y: number, side: number): string {
  // Small pictures are shown by their pixels rather than smeared.
  const pixels = picture.width < side ? ' style="image-rendering: pixelated"' : '';
  const address = pictureAddress(picture, side);
  return `<image x="${x}" y="${y}" width="${side}" height="${side}"${pixels} href="${address}"/>`;
}

/** A line of text, cut to `room` pixels: letters of the widest common fonts take 7.2 on average. */
export function svgText(text: string, x: number, y: number, room: number, attributes = ''): string {
  const most = Math.max(1, Math.floor(room / 7.2));
  const shown = text.length > most ? `${text.slice(0, most - 1)}…` : text;
  return `<text x="${x}" y="${y}"${attributes && ` ${attributes}`}>${escapeText(shown)}</text>`;
}
