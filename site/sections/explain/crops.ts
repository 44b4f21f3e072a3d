/**
 * Crops of a picture: the 2048 that training draws from, one at a time, and the ten that a test averages over.
 */
import { tenCrops } from 'tandem-ts/data';
import { toPixels } from '../../engine/picture.js';
import { byId, contextOf, setText } from '../../page/dom.js';
import { count, say } from '../../page/language.js';
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
    view.classList.toggle('mirrored', mirror.checked);
  });
  mirror.addEventListener('change', again);
  photo.listen((planes) => {
    picture = toPixels(planes, photoSide);
    again();
    const whole = new OffscreenCanvas(photoSide, photoSide);
    whole.getContext('2d')?.putImageData(picture, 0, 0);
    drawTen(contextOf(byId('ten-crops', HTMLCanvasElement)), whole, tenCrops(planes, photoSide, crop));
  });
}

/** The ten crops in two rows, those that are mirrored below. */
function drawTen(
  context: CanvasRenderingContext2D,
  whole: OffscreenCanvas,
  { offsets: places, mirrored }: Pick<ReturnType<typeof tenCrops>, 'offsets' | 'mirrored'>,
): void {
  const step = crop + 8;
  for (const [i, mirror] of mirrored.entries()) {
    const [top, left] = places.subarray(2 * i, 2 * i + 2);
    context.save();
    context.translate((i % 5) * step + (mirror ? crop : 0), Math.floor(i / 5) * step);
    if (mirror) context.scale(-1, 1);
    context.drawImage(whole, left ?? 0, top ?? 0, crop, crop, 0, 0, crop, crop);
    context.restore();
  }
}
