/**
 * The paper's colour noise on a picture: eight uses of it, each with a draw of its own that all its pixels share, by the
 * package's own batches; or, to see why, with a draw for each pixel.
 */
import { imageBatches, MemoryDataset, meanOf, type Pca } from 'tandem-ts/data';
import { byId, setText } from '../../page/dom.js';
import { onLanguage, say } from '../../page/language.js';
import { drawTiles } from '../../page/pixels.js';
import { sliders } from '../../page/sliders.js';
import { photoSide, type VisitorPhoto } from './visitorPhoto.js';

/** Pixels a side of what is shown. */
const side = 96;
const uses = 8;

/** Starts the demonstration. */
export function startColour(photo: VisitorPhoto): void {
  const canvas = byId('colour-tiles', HTMLCanvasElement);
  const [literal, apart] = ['colour-literal', 'colour-apart'].map((id) => byId(id, HTMLInputElement));
  let small: Uint8Array | null = null;
  let pca: Pca | null = null;
  let first = 0;
  let turns = 0;

  const draw = async (deviation: number): Promise<void> => {
    if (!small || !pca) return;
    const form = literal?.checked ? 'lambda' : 'sqrt';
    const each = apart?.checked ?? false;
    const pictures: Uint8ClampedArray[] = [];
    const draws = each ? side * side : 1;
    const set = new MemoryDataset(
      'draws',
      ['picture'],
      [3, 1, 1],
      new Uint8Array(3 * draws),
      new Int32Array(draws),
    );
    // A few draws at a time, so that the page goes on.
    const source = imageBatches(set, { batchSize: 128, seed: 1, colour: { pca, form, deviation } });
    const turn = ++turns;
    for (let use = 0; use < uses; use++) {
      const shifts: number[] = [];
      for await (const [, { colour }] of source.epoch(first + use, 0)) {
        if (turn !== turns) return;
        shifts.push(...(colour ?? []));
      }
      pictures.push(shifted(small, shifts, each));
    }
    drawTiles(canvas, pictures, side, 4, 2);
  };

  const again = sliders(
    'colour',
    { deviation: (x) => x.toFixed(2) },
    ({ deviation }) => void draw(deviation),
  );
  for (const box of [literal, apart]) box?.addEventListener('change', again);
  byId('colour-again', HTMLButtonElement).addEventListener('click', () => {
    first += uses;
    again();
  });
  const tellValues = (): void => {
    if (!pca) return;
    const [first = 0, second = 0, third = 0] = pca.values.map((value) => Math.sqrt(value));
    const values = { first: first.toFixed(0), second: second.toFixed(0), third: third.toFixed(0) };
    setText(byId('colour-values', HTMLElement), say('colourValues', values));
  };
  photo.listen(async (planes) => {
    small = shrunk(planes);
    const data = new MemoryDataset('picture', ['picture'], [3, side, side], small, new Int32Array(1));
    pca = (await meanOf(data)).pca;
    tellValues();
    again();
  });
  onLanguage(tellValues);
}

/** A picture with its noise. @param colour three shifts, or three for each pixel */
function shifted(planes: Uint8Array, colour: readonly number[], each: boolean): Uint8ClampedArray {
  const area = planes.length / 3;
  return Uint8ClampedArray.from(planes, (x, i) => {
    const channel = Math.floor(i / area);
    return x + (colour[each ? 3 * (i % area) + channel : channel] ?? 0);
  });
}

function shrunk(planes: Uint8Array): Uint8Array {
  const small = new Uint8Array(3 * side * side);
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < side; y++) {
      for (let x = 0; x < side; x++) {
        const [fromX, fromY] = [x, y].map((at) => Math.floor(((at + 0.5) * photoSide) / side));
        small[(c * side + y) * side + x] =
          planes[(c * photoSide + (fromY ?? 0)) * photoSide + (fromX ?? 0)] ?? 0;
      }
    }
  }
  return small;
}
