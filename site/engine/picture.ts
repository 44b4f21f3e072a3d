/**
 * Pictures as planes `[3, side, side]` of bytes, to and from what canvases hold; for threads as well.
 */

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
