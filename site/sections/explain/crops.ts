/**
 * Crops of a picture: the 2048 that training draws from, one at a time, and the ten that a test averages over.
 */
import { tenCrops } from 'tandem-ts/data';
import { toPixels } from '../../engine/picture.js';
import { byId, contextOf, setText } from '../../page/dom.js';
import { count, say } from '../../page/language.js';
import { drawTiles } from '../../page/pixels.js';
import { sliders } from '../../page/sliders.js';
import { photoSide, type VisitorPhoto } from './visitorPhoto.js';

const crop = 224;
/** Offsets that the paper counts in each direction. */
const offsets = photoSide - crop;

/** Starts both demonstrations. */
export function startCrops(photo: VisitorPhoto): void {
  const canvas = byId('crop-picture', HTMLCanvasElement);
  const view = byId('crop-view', HTMLCanvasElement);
  const mirror = byId('crop-mirror', HTMLInputElement);
  let picture: ImageData | null = null;
  const again = sliders('crop', { left: (x) => x.toFixed(0), top: (x) => x.toFixed(0) }, ({ left, top }) => {
    const number = (mirror.checked ? offsets * offsets : 0) + top * offsets + left + 1;
    setText(byId('crop-number', HTMLElement), say('cropNumber', { n: count(number) }));
    if (!picture) return;
    const context = contextOf(canvas);
    context.putImageData(picture, 0, 0);
    context.strokeStyle = '#ffffff';
    context.lineWidth = 5;
    context.strokeRect(left + 2, top + 2, crop - 4, crop - 4);
    context.strokeStyle = '#b3261e';
    context.lineWidth = 2;
    context.strokeRect(left + 2, top + 2, crop - 4, crop - 4);
    const target = contextOf(view);
    target.clearRect(0, 0, crop, crop);
    target.putImageData(picture, -left, -top);
    if (!mirror.checked) return;
    const half = target.getImageData(0, 0, crop, crop);
    target.putImageData(mirrored(half), 0, 0);
  });
  mirror.addEventListener('change', again);
  photo.listen((planes) => {
    picture = toPixels(planes, photoSide);
    again();
    const { images } = tenCrops(planes, photoSide, crop);
    const size = 3 * crop * crop;
    const ten = Array.from({ length: 10 }, (_, i) => images.subarray(i * size, (i + 1) * size));
    drawTiles(byId('ten-crops', HTMLCanvasElement), ten, crop, 5, 8);
  });
}

function mirrored({ data, width, height }: ImageData): ImageData {
  const out = new ImageData(width, height);
  const [from, to] = [data, out.data].map((bytes) => new Uint32Array(bytes.buffer));
  if (!from || !to) return out;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) to[y * width + x] = from[y * width + width - 1 - x] ?? 0;
  }
  return out;
}
