/**
 * One training step as a picture, from its profile (../profile.ts): what each device computed when, and what crossed
 * between them. Time runs to the right; every device and every pair that something crosses between has a lane.
 */
import type { KernelTime } from '../../core/backend.js';
import { formatBytes } from '../../core/text.js';
import type { Crossing } from '../../core/trace.js';
import type { Profile } from '../../train/profile.js';
import type { Plotter } from './plot.js';

const phaseColours = { forward: '#3b6fb6', backward: '#e08214', update: '#6a9f58' } as const;

const red = '#c2362b';
/** Pixels: of the file, of what stands left of the plot, and that a letter takes at most. */
const [width, left, letter] = [1100, 92, 7] as const;

/**
 * The step as an SVG file: a lane for each device with the kernels it ran, and below it one for each device that it
 * sent something to.
 */
export function plotTimeline({ plots, draw }: Plotter, { devices, kernels, crossings }: Profile): string {
  const end = Math.max(...kernels.map(({ start, milliseconds }) => start + milliseconds));
  const pixels = (milliseconds: number): number => (milliseconds / end) * (width - left - 20);
  const flights = crossings.map((crossing) => flight(crossing, kernels));
  const lanes = layLanes(devices, flights);
  const laneOf = (from: string, to: string | null): Lane =>
    lanes.find((lane) => lane.from === from && lane.to === to) ?? lanes[0]!;
  const phases = Object.entries(phaseColours).map(([phase], i) => ({ phase, i }));
  const height = lanes.at(-1)?.bottom ?? 0;
  const labels = lanes.flatMap((lane) =>
    apart(
      flights.filter(({ from, to }) => from === lane.from && to === lane.to),
      pixels,
    ).map((label) => ({ ...label, y: lane.top + crossingHeight + labelHeight * (label.row + 0.5) })),
  );
  return draw({
    width,
    height: height + 95,
    marginLeft: left,
    marginTop: 40,
    marginBottom: 45,
    x: { label: 'milliseconds', labelAnchor: 'center', domain: [0, end] },
    y: { axis: null, domain: [height, 0] },
    color: { domain: Object.keys(phaseColours), range: Object.values(phaseColours) },
    marks: [
      plots.rect(kernels, {
        x1: 'start',
        x2: ({ start, milliseconds }: KernelTime) => start + milliseconds,
        y1: ({ device }: { device: string }) => laneOf(device, null).top,
        y2: ({ device }: { device: string }) => laneOf(device, null).bottom - laneGap,
        fill: 'phase',
        title: ({ kernel, layer, phase, milliseconds }: KernelTime) =>
          `${layer || 'outside layers'} ${phase}: ${kernel}, ${milliseconds.toFixed(2)} ms`,
      }),
      plots.text(
        layerSpans(kernels).filter((span) => pixels(span.width) > letter * span.layer.length),
        {
          x: 'middle',
          y: ({ device }: { device: string }) => laneOf(device, null).top + deviceHeight / 2,
          text: 'layer',
          fill: 'white',
          fontWeight: 600,
        },
      ),
      plots.rect(flights, {
        x1: 'left',
        x2: 'arrived',
        y1: ({ from, to }: Flight) => laneOf(from, to).top,
        y2: ({ from, to }: Flight) => laneOf(from, to).top + crossingHeight,
        fill: red,
        // So that the shortest shows as well.
        stroke: red,
        title: ({ layer, phase, bytes, left: sent, arrived }: Flight) =>
          `${layer} ${phase}: ${formatBytes(bytes)} in ${(arrived - sent).toFixed(2)} ms`,
      }),
      plots.text(labels, {
        x: 'left',
        y: 'y',
        text: 'text',
        fill: red,
        fontSize: 10,
        textAnchor: 'start',
      }),
      plots.text(lanes, {
        frameAnchor: 'left',
        dx: 8 - left,
        y: ({ top, to }: Lane) => top + (to === null ? deviceHeight : crossingHeight) / 2,
        text: ({ from, to }: Lane) => (to === null ? from : `\u2192 ${to}`),
        fill: ({ to }: Lane) => (to === null ? 'black' : red),
        textAnchor: 'start',
      }),
      plots.text(phases, {
        frameAnchor: 'top-left',
        dy: -30,
        x: ({ i }: { i: number }) => (i * end) / 12,
        text: 'phase',
        fill: 'phase',
        fontWeight: 600,
        textAnchor: 'start',
      }),
    ],
  });
}

/** Pixels that the lanes and what is in them are high. */
const [deviceHeight, crossingHeight, labelHeight, laneGap] = [70, 10, 13, 8] as const;

/** Rows of labels below a lane of crossings. */
const labelRows = 2;

/** A stretch of the picture from top to bottom: a device's kernels, or what it sent to another. */
interface Lane {
  readonly from: string;
  /** Null for kernels. */
  readonly to: string | null;
  readonly top: number;
  /** Where the next begins. */
  readonly bottom: number;
}

function layLanes(devices: readonly string[], flights: readonly Flight[]): Lane[] {
  let top = 0;
  const lane = (from: string, to: string | null): Lane => {
    const start = top;
    top += laneGap + (to === null ? deviceHeight : crossingHeight + labelRows * labelHeight);
    return { from, to, top: start, bottom: top };
  };
  return devices.flatMap((from) => {
    const receivers = devices.filter((to) => flights.some((one) => one.from === from && one.to === to));
    return [lane(from, null), ...receivers.map((to) => lane(from, to))];
  });
}

/** A crossing on its way: when its data was computed, at the earliest, and when it arrived. */
interface Flight extends Crossing {
  readonly left: number;
  readonly arrived: number;
}

/**
 * Where the host carries the data, the ledger's time counts from when they were asked for; until the sender's kernels
 * are done they wait.
 */
function flight(crossing: Crossing, kernels: Profile['kernels']): Flight {
  const arrived = crossing.start + crossing.milliseconds;
  const ends = kernels.flatMap(({ device, start, milliseconds }) =>
    device === crossing.from && start + milliseconds <= arrived ? [start + milliseconds] : [],
  );
  return { ...crossing, left: Math.max(crossing.start, ...ends), arrived };
}

/** A crossing's name, below where it began, in the first row where it doesn't cover another one. */
interface Label {
  readonly left: number;
  readonly row: number;
  readonly text: string;
}

/** Labels of one lane's crossings; one that finds no room is left out. @param pixels of milliseconds */
function apart(flights: readonly Flight[], pixels: (milliseconds: number) => number): Label[] {
  const taken = Array.from({ length: labelRows }, () => Number.NEGATIVE_INFINITY);
  return [...flights]
    .sort((a, b) => a.left - b.left)
    .flatMap(({ left: start, layer, bytes }) => {
      const text = `${layer} ${formatBytes(bytes)}`;
      const row = taken.findIndex((until) => until <= pixels(start));
      if (row < 0) return [];
      taken[row] = pixels(start) + 0.9 * letter * text.length;
      return [{ left: start, row, text }];
    });
}

/** Stretches of kernels of one layer and phase on one device. */
function layerSpans(
  kernels: Profile['kernels'],
): { device: string; layer: string; middle: number; width: number }[] {
  const spans: { device: string; layer: string; phase: string; start: number; end: number }[] = [];
  for (const { device, layer, phase, start, milliseconds } of kernels) {
    const last = spans.findLast((span) => span.device === device);
    if (last && last.layer === layer && last.phase === phase) last.end = start + milliseconds;
    else spans.push({ device, layer, phase, start, end: start + milliseconds });
  }
  return spans.map(({ device, layer, start, end }) => ({
    device,
    layer,
    middle: (start + end) / 2,
    width: end - start,
  }));
}
