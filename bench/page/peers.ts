/**
 * The part of the page about other libraries: bars of their times over ours, and what they cannot do.
 */
import * as Plot from '@observablehq/plot';
import { escapeText } from '../../src/alexnet/figures/svg.js';
import {
  list,
  number,
  object,
  optional,
  parseJson,
  record,
  text,
  tuple,
  whole,
} from '../../src/formats/json.js';
import type { Cell, Figures, PeersReport, PeersRow } from '../peers/report.js';
import { distinct, svg, wide } from './charts.js';

const figuresSchema = object<Figures>({
  medianMs: number(0),
  cpuMs: number(0),
  spread: number(0),
  gflops: number(0),
  error: number(0),
  ratio: number(0),
});

const peersSchema = object<PeersReport>({
  date: text,
  cpu: text,
  runtime: text,
  load: tuple(number(0), number(0)),
  threads: whole(1),
  versions: record(text),
  rows: list(
    object<PeersRow>({
      name: text,
      cells: list(object<Cell>({ peer: text, figures: optional(figuresSchema), cannot: optional(text) })),
    }),
  ),
});

/** Reads a report of bench/peers. @throws {DataError} when the text isn't one, naming the file and what is wrong where. */
export function parsePeers(json: string, file: string): PeersReport {
  return parseJson(json, `${file}, read as what npm start -- --json FILE writes in bench/peers`, peersSchema);
}

interface Bar extends Figures {
  readonly row: string;
  readonly peer: string;
}

/** A row's bars: every library but ours, which is the line they start from. */
function barsOf({ name, cells: [ours, ...others] }: PeersRow): Bar[] {
  const own = ours?.figures ? `${name}\nTandem ${ours.figures.medianMs.toPrecision(3)} ms` : name;
  return others.flatMap(({ peer, figures }) => (figures ? [{ row: own, peer, ...figures }] : []));
}

function titleOf({ peer, medianMs, cpuMs, spread }: Bar): string {
  const noise = `spread ${(100 * spread).toFixed(0)} %`;
  return `${peer}: ${medianMs.toPrecision(3)} ms, ${noise}; processor time ${cpuMs.toPrecision(3)} ms`;
}

/** The section. */
export function peersSection(report: PeersReport): string {
  const { rows, cpu, runtime, load, threads, versions, date } = report;
  const bars = rows.flatMap(barsOf);
  const peers = distinct(bars.map(({ peer }) => peer));
  const names = distinct(bars.map(({ row }) => row));
  const ratios = [1, ...bars.map(({ ratio }) => ratio)];
  const label = {
    x: 'ratio',
    y: 'peer',
    fy: 'row',
    text: ({ ratio }: Bar) => ratio.toPrecision(ratio < 100 ? 2 : 3),
  };
  const [faster, slower] = [bars.filter(({ ratio }) => ratio < 1), bars.filter(({ ratio }) => ratio >= 1)];
  const chart = svg("Other libraries' times over Tandem's", {
    height: 60 + names.length * (14 * peers.length + 12),
    marginLeft: 190,
    x: {
      type: 'log',
      label: "its time / Tandem's →",
      grid: true,
      domain: [Math.min(...ratios) / 1.5, Math.max(...ratios) * 1.5],
      tickFormat: '~g',
    },
    y: { axis: null, domain: peers },
    fy: { domain: names, padding: 0.15 },
    color: { legend: true, domain: peers },
    marks: [
      Plot.barX(bars, { x1: 1, x2: 'ratio', y: 'peer', fy: 'row', fill: 'peer', title: titleOf }),
      Plot.text(faster, { ...label, textAnchor: 'end', dx: -4 }),
      Plot.text(slower, { ...label, textAnchor: 'start', dx: 4 }),
      Plot.ruleX([1], { strokeWidth: 1.5 }),
      Plot.axisFy({ anchor: 'left', label: null, lineHeight: 1.25, tickSize: 0 }),
    ],
  });
  const busy = load.join(' to ');
  const made = `${cpu}, ${runtime}, threads: ${threads}, load ${busy}, ${date}`;
  const known = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  return `<h2>Other libraries</h2>
<p>The same work on the same threads, each library in a process of its own, in turns; a result counts once it agrees with
Tandem's. Bars to the right of the line are slower than Tandem, to the left faster; medians of wall-clock time, which
other programs lengthen: hover for processor times. What is alike and what isn't: bench/README.md, Peers. ${escapeText(made)}. ${escapeText(known.join(', '))}.</p>
${chart}${cannotTable(rows)}`;
}

/** What each library says, with all the work it says it of. */
function cannotTable(rows: readonly PeersRow[]): string {
  const works = new Map<string, string[]>();
  for (const { name, cells } of rows) {
    for (const { peer, cannot } of cells) {
      if (cannot === undefined) continue;
      const key = `<td>${escapeText(peer)}</td><td>${escapeText(cannot)}</td>`;
      works.set(key, [...(works.get(key) ?? []), name]);
    }
  }
  if (works.size === 0) return '';
  const lines = [...works].map(([key, names]) => `<tr>${key}<td>${escapeText(names.join('; '))}</td></tr>`);
  const heads = '<tr><th>library</th><th>what it says</th><th>of</th></tr>';
  const table = `<table>${heads}${lines.sort().join('')}</table>`;
  return `<h3>What they cannot do</h3>${wide('What other libraries cannot do', table)}`;
}
