/**
 * The mean image: the mean over images at each position and channel, beside an image with that taken off, and with the
 * mean colour alone taken off.
 */
import { meanOf, SyntheticDataset } from 'tandem-ts/data';
import { byId, setText } from '../../page/dom.js';
import { onLanguage, say } from '../../page/language.js';
import { drawTiles } from '../../page/pixels.js';
import { sliders } from '../../page/sliders.js';

const side = 32;
const area = side * side;

/** Starts the slider. */
export function startMean(): void {
  const canvas = byId('mean-tiles', HTMLCanvasElement);
  let colour: readonly number[] = [];
  const tellColour = (): void => {
    const [r = 0, g = 0, b = 0] = colour.map(Math.round);
    setText(byId('mean-result', HTMLElement), say('meanResult', { r, g, b }));
  };
  let asked = 0;
  sliders('mean', { images: (x) => String(2 ** x) }, async ({ images }) => {
    const turn = ++asked;
    const set = new SyntheticDataset(5, 'train', 2 ** images);
    // A few at a time, so that the page goes on.
    const { image, channels } = await meanOf(
      { ...set, load: (indices) => new Promise((resolve) => setTimeout(() => resolve(set.load(indices)))) },
      { batchSize: 16 },
    );
    if (turn !== asked) return;
    const one = (await set.load([0])).images;
    const less = Uint8ClampedArray.from(one, (x, i) => 128 + x - (image[i] ?? 0));
    const lessColour = Uint8ClampedArray.from(one, (x, i) => 128 + x - (channels[Math.floor(i / area)] ?? 0));
    drawTiles(canvas, [one, image, less, lessColour], side, 4, 2);
    colour = channels;
    tellColour();
  });
  onLanguage(tellColour);
}
