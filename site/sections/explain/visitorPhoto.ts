/**
 * The picture that the explanations use: one that is drawn, until the visitor gives one of their own.
 */
import { SyntheticDataset } from 'tandem-ts/data';
import { squareOf, toPixels } from '../../engine/picture.js';
import { byId } from '../../page/dom.js';

/** Pixels a side, as the paper's images have. */
export const photoSide = 256;

type Listener = (planes: Uint8Array) => void;

/** The picture, `[3, 256, 256]`, and who draws it. */
export class VisitorPhoto {
  private planes: Uint8Array | null = null;
  private readonly listeners: Listener[] = [];

  /** Calls back when there is a picture, and for each that follows. */
  listen(listener: Listener): void {
    this.listeners.push(listener);
    if (this.planes) listener(this.planes);
  }

  /** Draws the first picture and waits for the visitor's. */
  async start(): Promise<void> {
    const input = byId('explain-photo', HTMLInputElement);
    input.addEventListener('change', async () => {
      const [file] = input.files ?? [];
      if (file) this.show(await squareOf(file, photoSide));
    });
    const side = photoSide / 2;
    const { images } = await new SyntheticDataset(0, 'validation', 20, side).load([14]);
    const small = new OffscreenCanvas(side, side);
    small.getContext('2d')?.putImageData(toPixels(images, side), 0, 0);
    this.show(await squareOf(await small.convertToBlob(), photoSide));
  }

  private show(planes: Uint8Array): void {
    this.planes = planes;
    for (const listener of this.listeners) listener(planes);
  }
}
