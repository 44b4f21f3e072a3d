/**
 * One training step as a picture, from its profile (../profile.ts): what each device computed when, and what crossed
 * between them.
 */
import type { KernelTime } from '../../core/backend.js';
import type { Crossing } from '../../core/ledger.js';
import { formatBytes } from '../../core/text.js';
import type { Profile } from '../profile.js';
import type { Plotter } from './plot.js';

const phaseColours = { forward: '#3b6fb6', backward: '#e08214', update: '#6a9f58' } as const;

/** The step as an SVG file: a lane for each device, and between them an arrow for each crossing. */
export function plotTimeline({ plots, draw }: Plotter, { devices, kernels, crossings }: Profile): string {
  const lane = (name: string): number => -devices.indexOf(name);
  const layers = layerSpans(kernels);
  const phases = Object.entries(phaseColours).map(([phase], i) => ({ phase, i }));
  const end = Math.max(...kernels.map(({ start, milliseconds }) => start + milliseconds));
  const arrows = crossings.map((crossing) => flight(crossing, kernels));
  return draw({
    width: 1100,
    height: 150 * devices.length + 70,
    marginLeft: 60,
    marginTop: 40,
    marginBottom: 45,
    x: { label: 'milliseconds', labelAnchor: 'center', domain: [0, end] },
    y: { axis: null, domain: [-devices.length + 0.5, 0.5] },
    color: { domain: Object.keys(phaseColours), range: Object.values(phaseColours) },
    marks: [
      plots.rect(kernels, {
        x1: 'start',
        x2: ({ start, milliseconds }: KernelTime) => start + milliseconds,
        y1: ({ device }: { device: string }) => lane(device) - 0.25,
        y2: ({ device }: { device: string }) => lane(device) + 0.25,
        fill: 'phase',
        title: ({ kernel, layer, phase, milliseconds }: KernelTime) =>
          `${layer || 'outside layers'} ${phase}: ${kernel}, ${milliseconds.toFixed(2)} ms`,
      }),
      plots.text(
        layers.filter(({ width }) => width > end / 28),
        {
          x: 'middle',
          y: ({ device }: { device: string }) => lane(device) + 0.33,
          text: 'layer',
          fill: '#444444',
        },
      ),
      plots.arrow(arrows, {
        x1: 'left',
        x2: 'arrived',
        y1: ({ from, to }: Flight) => lane(from) + 0.25 * Math.sign(lane(to) - lane(from)),
        y2: ({ from, to }: Flight) => lane(to) + 0.25 * Math.sign(lane(from) - lane(to)),
        stroke: '#c2362b',
        headLength: 6,
      }),
      plots.text(apart(arrows, end / 12), {
        x: ({ left, arrived }: Flight) => (left + arrived) / 2,
        y: ({ from, to }: Flight) => (lane(from) + lane(to)) / 2 + 0.09 * Math.sign(lane(from) - lane(to)),
        text: ({ layer, bytes }: Flight) => `${layer} ${formatBytes(bytes)}`,
        fill: '#c2362b',
        stroke: 'white',
        strokeWidth: 3,
        fontSize: 9,
      }),
      plots.text(devices, {
        frameAnchor: 'left',
        dx: -56,
        y: (device: string) => lane(device),
        text: (device: string) => device,
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

/** A crossing on its way: when its data was computed, at the earliest, and when it arrived. */
interface Flight extends Crossing {
  readonly left: number;
  readonly arrived: number;
}

/** The ledger's time counts from when the data was asked for; until the sender's kernels are done it waits. */
function flight(crossing: Crossing, kernels: Profile['kernels']): Flight {
  const arrived = crossing.start + crossing.milliseconds;
  const ends = kernels.flatMap(({ device, start, milliseconds }) =>
    device === crossing.from && start + milliseconds <= arrived ? [start + milliseconds] : [],
  );
  return { ...crossing, left: Math.max(crossing.start, ...ends), arrived };
}

/** Those of a direction that are at least `distance` milliseconds after the one before: labels need room. */
function apart(flights: readonly Flight[], distance: number): Flight[] {
  const kept: Flight[] = [];
  for (const next of [...flights].sort((a, b) => a.left - b.left)) {
    const last = kept.findLast(({ from }) => from === next.from);
    if (!last || next.left - last.left >= distance) kept.push(next);
  }
  return kept;
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
