/**
 * Pictures side by side on a canvas.
 */
import { toPixels } from '../engine/picture.js';
import { contextOf } from './dom.js';

/** Draws square pictures side by side in rows. */
export function drawTiles(
  canvas: HTMLCanvasElement,
  pictures: readonly ArrayLike<number>[],
  side: number,
  columns: number,
  gap = 1,
): void {
  const rows = Math.ceil(pictures.length / columns);
  const [width, height] = [columns * (side + gap) - gap, Math.max(1, rows * (side + gap) - gap)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = contextOf(canvas);
  for (const [i, picture] of pictures.entries()) {
    context.putImageData(
      toPixels(picture, side),
      (i % columns) * (side + gap),
      Math.floor(i / columns) * (side + gap),
    );
  }
}
