/**
 * The ten figures of the synthetic data set, as signed distance functions.
 *
 * A figure is drawn in coordinates of its own: centre (0, 0), reaching about 1 in every direction. `distance(u, v)`
 * is negative inside, positive outside, and about the distance to the edge near it, so a pixel's coverage is
 * clamp(1/2 - distance / pixel side). Textures are cut out by a window (disc, square or hexagon) drawn anew each
 * time, so that an outline alone doesn't give them away. Trigonometry is rounded to float32: engines may differ in
 * the last bit of a double, the pictures may not.
 */
import type { HostRandom } from '../../backends/threefry.js';

/** Signed distance of (u, v) to a figure's edge, negative inside. */
export type Distance = (u: number, v: number) => number;

/** Draws the looks of one example of a class. */
type Figure = (random: HostRandom) => Distance;

const cosine = (x: number): number => Math.fround(Math.cos(x));
const sine = (x: number): number => Math.fround(Math.sin(x));
const length = (u: number, v: number): number => Math.sqrt(u * u + v * v);

/** A uniform number in [low, high). */
export function between(random: HostRandom, low: number, high: number): number {
  return low + (high - low) * random.uniform();
}

/** A direction: [cos, sin] of a uniform angle. */
export function direction(random: HostRandom): [number, number] {
  const angle = between(random, 0, 2 * Math.PI);
  return [cosine(angle), sine(angle)];
}

/** A rectangle about the origin. */
const box = (u: number, v: number, halfWidth: number, halfHeight: number): number =>
  Math.max(Math.abs(u) - halfWidth, Math.abs(v) - halfHeight);

/** A regular polygon about the origin whose sides are `inner` away from it. */
function polygon(sides: number, inner: number): Distance {
  const normals = Array.from({ length: sides }, (_, i): [number, number] => {
    const angle = (2 * Math.PI * i) / sides;
    return [cosine(angle), sine(angle)];
  });
  return (u, v) => {
    let farthest = -Infinity;
    for (const [x, y] of normals) farthest = Math.max(farthest, u * x + v * y);
    return farthest - inner;
  };
}

/** A wave of period `period` that is negative on half of it: a band's signed distance. */
const band = (x: number, period: number): number => {
  const turn = x / period;
  return (Math.abs(turn - Math.floor(turn) - 0.5) - 0.25) * period;
};

/** The outline a texture is cut out by. */
function windowOf(random: HostRandom): Distance {
  const kind = random.integer(3);
  if (kind === 0) return (u, v) => length(u, v) - 0.98;
  if (kind === 1) return (u, v) => box(u, v, 0.86, 0.86);
  return polygon(6, 0.9);
}

/** A texture inside a window. */
function textured(random: HostRandom, texture: Distance): Distance {
  const outline = windowOf(random);
  return (u, v) => Math.max(outline(u, v), texture(u, v));
}

/** The star's tips are 1 from the centre, its notches `starNotch`. */
const starNotch = 0.42;

function star(): Distance {
  // By symmetry one edge, from a tip at angle 0 to a notch at 36 degrees, stands for all ten.
  const sector = (2 * Math.PI) / 5;
  const axes = Array.from({ length: 5 }, (_, i): [number, number] => [cosine(i * sector), sine(i * sector)]);
  const notchX = starNotch * cosine(sector / 2);
  const notchY = starNotch * sine(sector / 2);
  const edge = length(notchX - 1, notchY);
  return (u, v) => {
    let along = -Infinity;
    let aside = 0;
    for (const [x, y] of axes) {
      const here = u * x + v * y;
      if (here > along) {
        along = here;
        aside = Math.abs(v * x - u * y);
      }
    }
    // Distance to the line tip-notch, outward positive.
    return ((along - 1) * notchY - aside * (notchX - 1)) / edge;
  };
}

/** How each class looks. */
export const figures = {
  disc: () => (u, v) => length(u, v) - 0.9,
  ring: (random) => {
    const half = between(random, 0.13, 0.22);
    return (u, v) => Math.abs(length(u, v) - (0.95 - half)) - half;
  },
  square: () => (u, v) => box(u, v, 0.78, 0.78),
  triangle: () => polygon(3, 0.5),
  star: () => star(),
  cross: (random) => {
    const half = between(random, 0.2, 0.32);
    return (u, v) => Math.min(box(u, v, 0.95, half), box(u, v, half, 0.95));
  },
  stripes: (random) => {
    const period = between(random, 0.4, 0.7);
    const phase = random.uniform();
    return textured(random, (u) => band(u + phase, period));
  },
  checks: (random) => {
    const period = between(random, 0.7, 1);
    const [phaseU, phaseV] = [random.uniform(), random.uniform()];
    return textured(random, (u, v) => {
      const a = band(u + phaseU, period);
      const b = band(v + phaseV, period);
      return Math.max(Math.min(a, b), -Math.max(a, b));
    });
  },
  dots: (random) => {
    const period = between(random, 0.5, 0.75);
    const radius = between(random, 0.24, 0.33) * period;
    const [phaseU, phaseV] = [random.uniform(), random.uniform()];
    return textured(random, (u, v) => {
      const x = (u + phaseU) / period;
      const y = (v + phaseV) / period;
      return period * length(x - Math.floor(x) - 0.5, y - Math.floor(y) - 0.5) - radius;
    });
  },
  spiral: (random) => {
    const gap = between(random, 0.45, 0.65);
    const turn = random.integer(2) * 2 - 1;
    return (u, v) => {
      const angle = Math.fround(Math.atan2(v, u)) / (2 * Math.PI);
      const radius = length(u, v);
      return Math.max(radius - 0.98, band(radius + turn * angle * gap, gap));
    };
  },
} as const satisfies Record<string, Figure>;
