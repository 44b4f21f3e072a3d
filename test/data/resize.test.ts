/** Resizing against cases worked out by hand, and properties that hold for any picture. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom } from '../../src/backends/threefry.js';
import { drawOf } from '../../src/core/random.js';
import { coverCentre, type Picture, resize } from '../../src/data/images/resize.js';

const seed = 20120;
const random = new HostRandom(drawOf(seed, 0));

/** A picture whose three planes are the same. */
function grey(width: number, height: number, at: (x: number, y: number) => number): Picture {
  const plane = Array.from({ length: width * height }, (_, i) => at(i % width, Math.floor(i / width)));
  return { width, height, planes: Uint8Array.from([...plane, ...plane, ...plane]) };
}

test('a picture of one colour keeps it, whatever the sizes', () => {
  for (let trial = 0; trial < 60; trial++) {
    const sides = Array.from({ length: 4 }, () => 1 + random.integer(70));
    const value = random.integer(256);
    const resized = resize(
      grey(sides[0]!, sides[1]!, () => value),
      sides[2]!,
      sides[3]!,
    );
    assert.ok(
      resized.planes.every((x) => x === value),
      `seed ${seed} trial ${trial}: ${sides} of ${value}`,
    );
  }
});

test('the same size is a copy', () => {
  const picture = grey(13, 9, () => random.integer(256));
  assert.equal(resize(picture, 9, 13).planes, picture.planes);
});

test('shrinking by whole numbers takes the mean of each block', () => {
  const checker = grey(8, 8, (x, y) => ((x + y) % 2 === 0 ? 200 : 100));
  assert.ok(resize(checker, 4, 4).planes.every((x) => x === 150));
  const ramp = grey(6, 3, (x) => 30 * x);
  assert.equal([...resize(ramp, 1, 2).planes.subarray(0, 2)], [30, 120]);
});

test('shrinking counts partly covered pixels by their share', () => {
  // 3 to 2: the outputs cover [0, 1.5) and [1.5, 3).
  const row = grey(3, 1, (x) => [0, 90, 240][x]!);
  assert.equal([...resize(row, 1, 2).planes.subarray(0, 2)], [30, 190]);
});

test('growing passes through a straight line and overshoots no further than cubic does', () => {
  const ramp = grey(16, 1, (x) => 10 + 8 * x);
  const grown = resize(ramp, 1, 32).planes;
  // Output i stands at input (i + 1/2) / 2 - 1/2; away from the edges a cubic reproduces lines.
  for (let i = 4; i < 28; i++)
    assert.ok(Math.abs(grown[i]! - (10 + 8 * ((i + 0.5) / 2 - 0.5))) <= 0.5, `at ${i}`);
  // A step from 0 to 200, half an output pixel before and after: -200 * 0.0703 is cut off at 0, 214 stays.
  const step = resize(
    grey(8, 1, (x) => (x < 4 ? 0 : 200)),
    1,
    16,
  ).planes;
  assert.is(step[6], 0);
  assert.is(step[9], 214);
});

test('a window is the same part of the whole', () => {
  for (let trial = 0; trial < 30; trial++) {
    const picture = grey(1 + random.integer(40), 1 + random.integer(40), () => random.integer(256));
    const [height, width] = [2 + random.integer(40), 2 + random.integer(40)];
    const [top, left] = [random.integer(height), random.integer(width)];
    const window = {
      top,
      left,
      height: 1 + random.integer(height - top),
      width: 1 + random.integer(width - left),
    };
    const whole = resize(picture, height, width);
    const part = resize(picture, height, width, window);
    for (let y = 0; y < window.height; y++) {
      const from = (top + y) * width + left;
      assert.equal(
        part.planes.subarray(y * window.width, (y + 1) * window.width),
        whole.planes.subarray(from, from + window.width),
        `seed ${seed} trial ${trial}`,
      );
    }
  }
});

test('columns are resized as rows are, by three, four and more taps', () => {
  for (const [from, to] of [
    [30, 20],
    [50, 20],
    [20, 30],
    [90, 20],
  ] as const) {
    const picture = grey(from, from, () => random.integer(256));
    const [across, down] = [resize(picture, from, to), resize(picture, to, from)];
    const turned = (square: Picture): Picture =>
      grey(square.height, square.width, (x, y) => square.planes[x * square.width + y]!);
    // Columns are summed by other code than rows; a picture turned over must come out turned over.
    assert.equal(resize(turned(picture), to, from).planes, turned(across).planes, `${from} to ${to}`);
    assert.equal(resize(turned(picture), from, to).planes, turned(down).planes, `${from} to ${to}`);
  }
});

/** One axis by the formulas of resize.ts: for output i, the weights (rounded to float32) of the pixels it reads. */
function plainTaps(from: number, to: number, i: number): Map<number, number> {
  const { fround } = Math;
  const scale = from / to;
  const left = i * scale;
  const middle = left + scale / 2 - 0.5;
  const start = scale >= 1 ? Math.floor(left) : Math.floor(middle) - 1;
  const weights = new Map<number, number>();
  let sum = 0;
  for (let x = start; x < start + (scale >= 1 ? Math.ceil(scale) + 1 : 4); x++) {
    const t = Math.abs(x - middle);
    const cubic = t < 1 ? (1.5 * t - 2.5) * t * t + 1 : t < 2 ? ((-0.5 * t + 2.5) * t - 4) * t + 2 : 0;
    const covered = Math.max(0, Math.min(left + scale, x + 1) - Math.max(left, x));
    const weight = scale >= 1 ? covered : cubic;
    const place = Math.max(0, Math.min(from - 1, x));
    if (weight !== 0) weights.set(place, fround((weights.get(place) ?? 0) + weight));
    sum += weight;
  }
  return new Map([...weights].sort(([a], [b]) => a - b).map(([place, w]) => [place, fround(w / sum)]));
}

test('every bit is that of plain loops', () => {
  const { fround } = Math;
  for (let trial = 0; trial < 40; trial++) {
    // The first is large enough to be scaled piece by piece, the next shrinks by more than its four taps.
    const sides =
      [
        [900, 400, 50, 30],
        [7, 90, 300, 9],
      ][trial] ?? [...Array(4)].map(() => 1 + random.integer(75));
    const [width = 1, height = 1, toWidth = 1, toHeight = 1] = sides;
    const planes = Uint8Array.from({ length: 3 * width * height }, () => random.integer(256));
    const across = Array.from({ length: toWidth }, (_, x) => plainTaps(width, toWidth, x));
    const expected = new Uint8Array(3 * toWidth * toHeight);
    for (let c = 0, to = 0; c < 3; c++) {
      const rowAt = (y: number): number[] =>
        across.map((taps) => {
          let sum = 0;
          for (const [x, weight] of taps) sum += weight * planes[(c * height + y) * width + x]!;
          return fround(sum);
        });
      const rows = Array.from({ length: height }, (_, y) => rowAt(y));
      for (let y = 0; y < toHeight; y++) {
        const down = plainTaps(height, toHeight, y);
        for (let x = 0; x < toWidth; x++) {
          let sum = 0;
          for (const [row, weight] of down) sum = fround(sum + weight * rows[row]![x]!);
          expected[to++] = Math.max(0, Math.min(255, Math.floor(sum + 0.5)));
        }
      }
    }
    assert.equal(
      resize({ width, height, planes }, toHeight, toWidth).planes,
      expected,
      `seed ${seed}: ${sides}`,
    );
  }
});

test("coverCentre scales the shorter side and cuts the longer one's ends off alike", () => {
  const wide = grey(12, 4, (x) => (x < 4 ? 10 : x < 8 ? 100 : 250));
  assert.ok(coverCentre(wide, 4, 4).planes.every((x) => x === 100));
  assert.ok(coverCentre(wide, 2, 2).planes.every((x) => x === 100));
  const cover = coverCentre(
    grey(500, 333, () => 7),
    256,
    256,
  );
  assert.equal([cover.width, cover.height, cover.planes.length], [256, 256, 3 * 65536]);
});

test('a size that is none is refused', () => {
  assert.throws(
    () =>
      resize(
        grey(4, 4, () => 0),
        0,
        4,
      ),
    /every side must be a positive integer/,
  );
  const window = { top: 2, left: 0, height: 3, width: 4 };
  assert.throws(
    () =>
      resize(
        grey(4, 4, () => 0),
        4,
        4,
        window,
      ),
    /isn't inside/,
  );
});

test.run();
