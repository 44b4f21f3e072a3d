/**
 * Pictures as planes `[3, side, side]` of bytes, to and from canvases.
 */
import { contextOf } from './dom.js';

/** Planes `[3, height, width]` as canvases take them. */
export function toPixels(planes: ArrayLike<number>, width: number, height = width): ImageData {
  const image = new ImageData(width, height);
  const area = width * height;
  for (let i = 0; i < area; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = planes[c * area + i] ?? 0;
    image.data[4 * i + 3] = 255;
  }
  return image;
}

/** What is on a canvas, as planes. */
export function toPlanes({ data, width, height }: ImageData): Uint8Array {
  const area = width * height;
  const planes = new Uint8Array(3 * area);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) planes[c * area + i] = data[4 * i + c] ?? 0;
  return planes;
}

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

/** Any picture of the visitor's as a square of planes, its middle cut out, scaled to `side`. */
export async function squareOf(file: Blob, side: number): Promise<Uint8Array> {
  const bitmap = await createImageBitmap(file);
  const edge = Math.min(bitmap.width, bitmap.height);
  const canvas = new OffscreenCanvas(side, side);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('this browser draws on no canvas');
  context.imageSmoothingQuality = 'high';
  const [left, top] = [(bitmap.width - edge) / 2, (bitmap.height - edge) / 2];
  context.drawImage(bitmap, left, top, edge, edge, 0, 0, side, side);
  bitmap.close();
  return toPlanes(context.getImageData(0, 0, side, side));
}
