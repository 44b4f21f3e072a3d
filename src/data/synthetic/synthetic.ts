/**
 * The embedded default data set: ten classes of figures and textures (figures.ts), drawn from a seed. It's
 * synthetic, made so that the network can be trained without any files.
 *
 * Picture `index` of a split is a pure function of (seed, split, index); its class is index mod 10. Training and
 * validation come from different draws. Every picture draws its figure's place, size, angle, proportions and
 * colour; a background (plain, gradient or clutter); and the strength of its noise. Figure and background differ in
 * brightness by at least `contrast` levels, either way round, so that neither colour nor brightness nor orientation
 * gives the class. Lengths scale with the picture's side.
 */

import { type HostRandom, threefry } from '../../backends/threefry.js';
import { ArgumentError } from '../../core/errors.js';
import type { WordPair } from '../../core/random.js';
import { checkIndices, type Dataset, type LoadedImages } from '../dataset.js';
import { randomFor } from '../draws.js';
import { between, type Distance, direction, figures } from './shapes.js';

/** Least difference in brightness between figure and background, grey levels. */
const contrast = 80;

/** Grey levels that must be left between the background's limit and black or white for that side to be drawn. */
const leastRoom = 25;

/** Red, green, blue, 0-255. */
type Colour = readonly [number, number, number];

/** Brightness of a colour (ITU-R BT.601). */
const brightness = ([r, g, b]: Colour): number => 0.299 * r + 0.587 * g + 0.114 * b;

/** A uniform colour whose brightness lies between the two limits, by trial. */
function colourBetween(random: HostRandom, darkest: number, brightest: number): Colour {
  for (;;) {
    const colour: Colour = [between(random, 0, 255), between(random, 0, 255), between(random, 0, 255)];
    const light = brightness(colour);
    if (light >= darkest && light <= brightest) return colour;
  }
}

const clamp01 = (x: number): number => Math.max(0, Math.min(1, x));

/** A picture being drawn: float planes [3, side, side], 0-255. */
class Canvas {
  readonly planes: Float64Array;

  constructor(readonly side: number) {
    this.planes = new Float64Array(3 * side * side);
  }

  /** Lays `colour` over each pixel of a square region, as far as `coverage` of the pixel's centre says. */
  paint(
    centreX: number,
    centreY: number,
    reach: number,
    colour: Colour,
    coverage: (x: number, y: number) => number,
  ): void {
    const { side, planes } = this;
    const area = side * side;
    const bottom = Math.min(side, Math.ceil(centreY + reach));
    const right = Math.min(side, Math.ceil(centreX + reach));
    const left = Math.max(0, Math.floor(centreX - reach));
    for (let y = Math.max(0, Math.floor(centreY - reach)); y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const share = coverage(x + 0.5 - centreX, y + 0.5 - centreY);
        if (share <= 0) continue;
        for (let c = 0, at = y * side + x; c < 3; c++, at += area) {
          planes[at]! += share * (colour[c]! - planes[at]!);
        }
      }
    }
  }

  /** Fills every pixel with a mix of two colours. */
  fill(from: Colour, to: Colour, mix: (x: number, y: number) => number): void {
    const { side, planes } = this;
    for (let y = 0, at = 0; y < side; y++) {
      for (let x = 0; x < side; x++, at++) {
        const share = mix(x, y);
        for (let c = 0; c < 3; c++) planes[c * side * side + at] = from[c]! + share * (to[c]! - from[c]!);
      }
    }
  }
}

/** Plain, a gradient between two colours of like brightness, or plain with small bars and specks over it. */
function drawBackground(canvas: Canvas, random: HostRandom, base: Colour): void {
  const { side } = canvas;
  const light = brightness(base);
  const kind = random.integer(3);
  if (kind === 1) {
    const other = colourBetween(random, light - 25, light + 25);
    const [dx, dy] = direction(random);
    canvas.fill(base, other, (x, y) =>
      clamp01(0.5 + (dx * (x + 0.5 - side / 2) + dy * (y + 0.5 - side / 2)) / side),
    );
    return;
  }
  canvas.fill(base, base, () => 0);
  if (kind === 0) return;
  const pieces = 3 + random.integer(5);
  for (let i = 0; i < pieces; i++) {
    const colour = colourBetween(random, light - 50, light + 50);
    const [dx, dy] = direction(random);
    const halfLength = (between(random, 0.5, 4) * side) / 32;
    const halfWidth = (between(random, 0.4, 1.3) * side) / 32;
    const reach = halfLength + halfWidth + 1;
    canvas.paint(between(random, 0, side), between(random, 0, side), reach, colour, (x, y) => {
      const along = Math.abs(x * dx + y * dy) - halfLength;
      const aside = Math.abs(y * dx - x * dy) - halfWidth;
      return clamp01(0.5 - Math.max(along, aside));
    });
  }
}

/** The figure, turned, stretched and placed so that most of it is in the picture. */
function drawFigure(canvas: Canvas, random: HostRandom, colour: Colour, distance: Distance): void {
  const { side } = canvas;
  const radius = side * between(random, 0.29, 0.44);
  const stretch = between(random, 0.82, 1);
  const [dx, dy] = direction(random);
  const margin = radius * 0.85;
  const centreX = between(random, margin, side - margin);
  const centreY = between(random, margin, side - margin);
  const [axisX, axisY] = [1 / radius, 1 / (radius * stretch)];
  canvas.paint(centreX, centreY, radius * 1.3, colour, (x, y) => {
    const u = (x * dx + y * dy) * axisX;
    const v = (y * dx - x * dy) * axisY;
    return clamp01(0.5 - distance(u, v) * radius);
  });
}

/**
 * Adds noise and rounds to bytes (which a clamped array does by itself). A channel's noise is uniform in
 * +-`amplitude`, drawn from one random byte: a Threefry pair serves the three channels of two pixels.
 */
function develop(canvas: Canvas, random: HostRandom, amplitude: number, out: Uint8ClampedArray): void {
  const { planes } = canvas;
  const area = planes.length / 3;
  const key: WordPair = [random.integer(2 ** 24), random.integer(2 ** 24)];
  const scale = amplitude / 127.5;
  for (let at = 0; at < area; at += 2) {
    const words = threefry(key, [at, 0]);
    for (let pixel = at; pixel < Math.min(at + 2, area); pixel++) {
      const word = words[pixel - at]!;
      out[pixel] = planes[pixel]! + scale * ((word & 255) - 127.5);
      out[area + pixel] = planes[area + pixel]! + scale * (((word >>> 8) & 255) - 127.5);
      out[2 * area + pixel] = planes[2 * area + pixel]! + scale * (((word >>> 16) & 255) - 127.5);
    }
  }
}

const classNames = Object.keys(figures);
const classFigures = Object.values(figures);

/** The part of the synthetic data set that a picture belongs to. */
type SyntheticSplit = 'train' | 'validation';

/** Draws picture `index` of a split into `out`, planes [3, side, side]. Its class is index mod 10. */
export function drawSynthetic(
  seed: number,
  split: SyntheticSplit,
  index: number,
  side: number,
  out: Uint8Array,
): void {
  const random = randomFor(seed, 'synthetic', split === 'train' ? 0 : 1, index);
  const canvas = new Canvas(side);
  const figureColour = colourBetween(random, 0, 255);
  const light = brightness(figureColour);
  const [roomBelow, roomAbove] = [light - contrast, 255 - light - contrast];
  const darker = roomBelow > leastRoom && (roomAbove <= leastRoom || random.uniform() < 0.5);
  const ground = darker
    ? colourBetween(random, 0, light - contrast)
    : colourBetween(random, light + contrast, 255);
  drawBackground(canvas, random, ground);
  const figure = classFigures[index % classFigures.length]!;
  drawFigure(canvas, random, figureColour, figure(random));
  const clamped = new Uint8ClampedArray(out.buffer, out.byteOffset, out.length);
  develop(canvas, random, between(random, 3, 21), clamped);
}

/** The synthetic data set; pictures are drawn as they're asked for. */
export class SyntheticDataset implements Dataset {
  readonly name: string;
  readonly classes: readonly string[] = classNames;
  readonly imageShape: readonly [3, number, number];
  readonly labels: Int32Array;
  readonly unreadable = [];

  /**
   * @param length number of pictures.
   * @param side height and width, at least 16.
   * @throws {ArgumentError} when a number is out of its range.
   */
  constructor(
    readonly seed: number,
    readonly split: SyntheticSplit,
    readonly length: number,
    side = 32,
  ) {
    if (!Number.isInteger(side) || side < 16) {
      throw new ArgumentError(`synthetic data: pictures of side ${side}, expected an integer of at least 16`);
    }
    if (!Number.isInteger(length) || length < 1 || length > 2 ** 32) {
      throw new ArgumentError(`synthetic data: ${length} pictures, expected an integer from 1 to 2^32`);
    }
    this.name = `synthetic ${split} set (seed ${seed})`;
    this.imageShape = [3, side, side];
    this.labels = Int32Array.from({ length }, (_, i) => i % classNames.length);
  }

  async load(indices: ArrayLike<number>): Promise<LoadedImages> {
    checkIndices(this.name, this.length, indices);
    const [c, side] = this.imageShape;
    const size = c * side * side;
    const images = new Uint8Array(indices.length * size);
    for (let i = 0; i < indices.length; i++) {
      drawSynthetic(this.seed, this.split, indices[i]!, side, images.subarray(i * size, (i + 1) * size));
    }
    return {
      images,
      labels: Int32Array.from(indices, (index) => index % classNames.length),
      indices: Uint32Array.from(indices),
    };
  }
}
