/**
 * Pictures for figures: planes `[3, H, W]` as PNG files, as addresses within HTML and SVG, and tiled.
 */
import * as png from 'fast-png';
import jpeg from 'jpeg-js';
import { type Picture, resize } from '../../data/images/resize.js';

/** A PNG file. */
export function encodePicture({ width, height, planes }: Picture): Uint8Array {
  const area = width * height;
  const data = new Uint8Array(3 * area);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) data[3 * i + c] = planes[c * area + i]!;
  return png.encode({ width, height, data, channels: 3, depth: 8 });
}

/** A PNG or JPEG file within an address. */
export function fileAddress(file: Uint8Array, type: 'png' | 'jpeg' = 'png'): string {
  return `data:image/${type};base64,${Buffer.from(file).toString('base64')}`;
}

/** A JPEG file: photographs take a tenth of a PNG's bytes. */
function encodePhotograph({ width, height, planes }: Picture): Uint8Array {
  const area = width * height;
  const data = new Uint8Array(4 * area).fill(255);
  for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) data[4 * i + c] = planes[c * area + i]!;
  return jpeg.encode({ width, height, data }, 88).data;
}

/** A square picture within an address, to be shown at a side: photographs at no more than twice that. */
export function pictureAddress(picture: Picture, side: number): string {
  if (picture.width < side) return fileAddress(encodePicture(picture));
  const most = Math.min(picture.width, 2 * side);
  return fileAddress(encodePhotograph(resize(picture, most, most)), 'jpeg');
}

/** Each pixel as a square of `factor` x `factor`. */
export function enlarge({ width, height, planes }: Picture, factor: number): Picture {
  const out = {
    width: width * factor,
    height: height * factor,
    planes: new Uint8Array(planes.length * factor ** 2),
  };
  for (let c = 0, to = 0; c < 3; c++) {
    for (let y = 0; y < out.height; y++) {
      const row = (c * height + Math.floor(y / factor)) * width;
      for (let x = 0; x < out.width; x++) out.planes[to++] = planes[row + Math.floor(x / factor)]!;
    }
  }
  return out;
}

/** Pictures of one size in rows of `columns`, `gap` white pixels around each. */
export function tile(pictures: readonly Picture[], columns: number, gap: number): Picture {
  const { width: w = 1, height: h = 1 } = pictures[0] ?? {};
  const rows = Math.ceil(pictures.length / columns);
  const width = columns * (w + gap) + gap;
  const height = rows * (h + gap) + gap;
  const planes = new Uint8Array(3 * width * height).fill(255);
  for (const [i, picture] of pictures.entries()) {
    const left = gap + (i % columns) * (w + gap);
    const top = gap + Math.floor(i / columns) * (h + gap);
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < h; y++) {
        const row = picture.planes.subarray((c * h + y) * w, (c * h + y + 1) * w);
        planes.set(row, (c * height + top + y) * width + left);
      }
    }
  }
  return { width, height, planes };
}

/** Picture `index` of `[N, 3, side, side]`. */
export function pictureAt(images: Uint8Array, side: number, index: number): Picture {
  const size = 3 * side * side;
  return { width: side, height: side, planes: images.subarray(index * size, (index + 1) * size) };
}
