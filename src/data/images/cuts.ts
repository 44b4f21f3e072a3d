/**
 * Squares cut from pictures: where, and whether mirrored. The same cuts are made of the mean picture, so that
 * pixels less their mean agree place by place.
 *
 * A cut at (top, left) takes rows top..top+crop-1 and columns left..left+crop-1; a mirrored one has its columns in
 * reverse. Where pictures are `margin` pixels larger than the cut, the centre is at floor(margin / 2).
 */
import { ArgumentError } from '../../core/errors.js';

/** Pictures cut out, and from where. */
export interface Cuts {
  /** [N, 3, crop, crop], 0-255. */
  readonly images: Uint8Array;
  /** [N, 2], the top and left of each. */
  readonly offsets: Int32Array;
  /** [N], 1 where mirrored. */
  readonly mirrored: Uint8Array;
}

/** Where one square is cut. */
export interface Place {
  readonly top: number;
  readonly left: number;
  readonly mirror: boolean;
}

/** The central place. */
export function centre(height: number, width: number, crop: { height: number; width: number }): Place {
  return { top: (height - crop.height) >> 1, left: (width - crop.width) >> 1, mirror: false };
}

/** Copies the rectangle of planes [3, height, width] at a place to planes of `out`, at `to`. */
export function copyCut<T extends Uint8Array | Float32Array>(
  planes: T,
  height: number,
  width: number,
  place: Place,
  crop: { height: number; width: number },
  out: T,
  to: number,
): void {
  let at = to;
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < crop.height; y++, at += crop.width) {
      const from = (c * height + place.top + y) * width + place.left;
      const row = out.subarray(at, at + crop.width);
      row.set(planes.subarray(from, from + crop.width));
      if (place.mirror) row.reverse();
    }
  }
}

/**
 * The ten squares of the paper's test (section 4.1): four corners and the centre, then the same mirrored. Picture i's
 * are at 10 i to 10 i + 9: top left, top right, bottom left, bottom right, centre.
 * @param images [N, 3, side, side]
 * @returns images [10 N, 3, crop, crop].
 * @throws {ArgumentError} when the square is larger than the pictures, or they aren't whole pictures of that side.
 */
export function tenCrops(images: Uint8Array, side: number, crop: number): Cuts {
  checkCrop('tenCrops', side, crop);
  const size = 3 * side * side;
  if (images.length % size !== 0) {
    throw new ArgumentError(`tenCrops: ${images.length} bytes aren't whole pictures of 3x${side}x${side}`);
  }
  const margin = side - crop;
  const middle = margin >> 1;
  const corners = [
    [0, 0],
    [0, margin],
    [margin, 0],
    [margin, margin],
    [middle, middle],
  ] as const;
  const places = [false, true].flatMap((mirror) => corners.map(([top, left]) => ({ top, left, mirror })));
  const count = (images.length / size) * places.length;
  const square = { height: crop, width: crop };
  const cuts = {
    images: new Uint8Array(count * 3 * crop * crop),
    offsets: new Int32Array(2 * count),
    mirrored: new Uint8Array(count),
  };
  for (let i = 0; i < count; i++) {
    const place = places[i % places.length]!;
    const from = Math.floor(i / places.length) * size;
    const picture = images.subarray(from, from + size);
    copyCut(picture, side, side, place, square, cuts.images, i * 3 * crop * crop);
    cuts.offsets.set([place.top, place.left], 2 * i);
    cuts.mirrored[i] = Number(place.mirror);
  }
  return cuts;
}

/**
 * The part of the mean picture under each cut, mirrored as it is: what to subtract when the mean is subtracted
 * before cutting, pixel by pixel, as in the paper's text.
 * @param mean [3, side, side]
 * @returns [N, 3, crop, crop]; or, when all cuts are alike (validation), one [1, 3, crop, crop] for all.
 */
export function meanCrops(
  mean: Float32Array,
  side: number,
  crop: number,
  cuts: Pick<Cuts, 'offsets' | 'mirrored'>,
): Float32Array {
  checkCrop('meanCrops', side, crop);
  const { offsets, mirrored } = cuts;
  const alike = mirrored.every(
    (mirror, i) =>
      mirror === mirrored[0] && offsets[2 * i] === offsets[0] && offsets[2 * i + 1] === offsets[1],
  );
  const count = alike ? Math.min(1, mirrored.length) : mirrored.length;
  const size = 3 * crop * crop;
  const out = new Float32Array(count * size);
  const square = { height: crop, width: crop };
  for (let i = 0; i < count; i++) {
    const place = { top: offsets[2 * i]!, left: offsets[2 * i + 1]!, mirror: mirrored[i] === 1 };
    copyCut(mean, side, side, place, square, out, i * size);
  }
  return out;
}

/**
 * The middle of the mean picture, [3, crop, crop]: what the code of 2012 subtracted from every cut, wherever taken.
 * @param mean [3, side, side]
 */
export function centreOfMean(mean: Float32Array, side: number, crop: number): Float32Array {
  checkCrop('centreOfMean', side, crop);
  const out = new Float32Array(3 * crop * crop);
  const square = { height: crop, width: crop };
  copyCut(mean, side, side, centre(side, side, square), square, out, 0);
  return out;
}

function checkCrop(what: string, side: number, crop: number): void {
  if (!Number.isInteger(crop) || crop < 1 || crop > side) {
    throw new ArgumentError(`${what}: can't cut ${crop}x${crop} from ${side}x${side}`);
  }
}
