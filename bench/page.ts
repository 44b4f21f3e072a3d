/**
 * `npm run bench:page -- report.json`: a report as a page that needs no network: roofline, whole networks, curves,
 * bars against other libraries (`--peers`, a report of bench/peers), and every row.
 */
import { readFile, writeFile } from 'node:fs/promises';
import * as Plot from '@observablehq/plot';
import { Command } from 'commander';
import { parseHTML } from 'linkedom';
import { ArgumentError } from '../src/core/errors.js';
import { orComplain } from './cli.js';
import { parseReport, type Report, type Row } from './rows.js';

/** The part of a peers' report that the page shows. */
interface PeersTable {
  readonly rows: readonly {
    readonly name: string;
    readonly cells: readonly {
      readonly peer: string;
      readonly figures?: { readonly medianMs: number; readonly ratio: number };
      readonly cannot?: string;
    }[];
  }[];
}

const { document } = parseHTML('<html><body></body></html>');
const width = 900;

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}

function svg(options: Plot.PlotOptions): string {
  return Plot.plot({ document, width, ...options }).outerHTML;
}

const where = ({ device, threads }: Row): string =>
  threads === null ? device : `${device}, ${threads} ${threads === 1 ? 'thread' : 'threads'}`;

/** Rate over operations per byte, below the roof of the row's own probe (the medians over all rows of a setting). */
function roofline(rows: readonly Row[]): string {
  const points = rows
    .filter((row) => row.gflops > 0 && row.gbps > 0 && !row.network)
    .map((row) => ({ ...row, intensity: row.gflops / row.gbps }));
  const [first] = points;
  if (!first) return '';
  const middle = (values: number[]): number => values.sort((a, b) => a - b)[values.length >> 1]!;
  const peak = middle(points.map(({ probe }) => probe.gflops));
  const bandwidth = middle(points.map(({ probe }) => probe.gbps));
  const reach = points.map(({ intensity }) => intensity);
  const [low, high] = [Math.min(0.05, ...reach), Math.max(1000, ...reach)];
  const roof = [low, peak / bandwidth, high].map((x) => ({ x, y: Math.min(peak, x * bandwidth) }));
  const title = (row: Row): string =>
    `${row.name}: ${row.gflops.toPrecision(3)} GFLOP/s, ${(100 * row.shareOfPeak).toFixed(0)} % of the roofline`;
  return svg({
    height: 460,
    marginLeft: 60,
    x: { type: 'log', label: 'floating-point operations for each byte moved at the least' },
    y: { type: 'log', label: 'GFLOP/s', domain: [0.1, 1.3 * peak] },
    color: { legend: true },
    marks: [
      Plot.line(roof, { x: 'x', y: 'y', strokeWidth: 2 }),
      Plot.dot(points, {
        x: 'intensity',
        y: (row: Row) => Math.max(0.1, row.gflops),
        fill: (row: Row) => familyOf(row.name),
        r: 4,
        title,
      }),
    ],
  });
}

/** The kind of work, for colours. */
function familyOf(name: string): string {
  if (/^(matmul|fc\d)/.test(name)) return 'products';
  if (name.startsWith('conv')) return 'convolutions';
  if (/^(pool|lrn)/.test(name)) return 'pooling, normalization';
  return 'passes over memory';
}

/** Milliseconds for an image over the batch, a curve for each setting. */
function curves(rows: readonly Row[], work: string): string {
  const points = rows.flatMap((row) =>
    row.network && row.name.includes(work)
      ? [{ batch: row.network.images, ms: row.network.msPerImage, setting: where(row) }]
      : [],
  );
  if (points.length === 0) return '';
  return svg({
    height: 320,
    marginLeft: 60,
    x: { type: 'log', base: 2, label: 'images in a batch' },
    y: { label: 'ms for each image', domain: [0, 1.1 * Math.max(...points.map(({ ms }) => ms))] },
    color: { legend: true },
    marks: [Plot.line(points, { x: 'batch', y: 'ms', stroke: 'setting', marker: true }), Plot.ruleY([0])],
  });
}

/** Where a network's time goes. */
function breakdown(row: Row): string {
  const parts = row.network?.breakdown.filter(({ share }) => share >= 0.01) ?? [];
  if (parts.length === 0) return '';
  const name = (part: (typeof parts)[number]): string => `${part.layer} ${part.kernel}, ${part.phase}`;
  return svg({
    height: 40 + 18 * parts.length,
    marginLeft: 240,
    x: { label: 'ms' },
    y: { label: null, domain: parts.map(name) },
    color: { scheme: 'RdYlGn', domain: [0, 1] },
    marks: [
      Plot.barX(parts, {
        x: 'milliseconds',
        y: name,
        fill: ({ shareOfPeak }) => Math.min(1, shareOfPeak),
        z: null,
      }),
      Plot.text(parts, {
        x: 'milliseconds',
        y: name,
        text: ({ shareOfPeak }) => `${(100 * shareOfPeak).toFixed(0)} %`,
        textAnchor: 'start',
        dx: 4,
      }),
    ],
  });
}

/** Bars of each library's time over ours, and what it cannot do. */
function peers({ rows }: PeersTable): string {
  const bars = rows.flatMap(({ name, cells }) =>
    cells.flatMap(({ peer, figures }) => (figures ? [{ name, peer, ratio: figures.ratio }] : [])),
  );
  const names = [...new Set(bars.map(({ name }) => name))];
  const chart = svg({
    height: 60 + 90 * names.length,
    marginLeft: 200,
    x: { type: 'log', label: "times Tandem's time (right of 1 is slower)", grid: true },
    y: { label: null },
    fy: { label: null, domain: names },
    color: { legend: true },
    marks: [Plot.barX(bars, { x1: 1, x2: 'ratio', y: 'peer', fy: 'name', fill: 'peer' }), Plot.ruleX([1])],
  });
  const cannot = rows.flatMap(({ name, cells }) =>
    cells.flatMap(({ peer, cannot: why }) =>
      why === undefined
        ? []
        : [`<tr><td>${escaped(peer)}</td><td>${escaped(name)}</td><td>${escaped(why)}</td></tr>`],
    ),
  );
  return `<h2>Other libraries</h2>${chart}<h3>What they cannot do</h3><table>${cannot.join('')}</table>`;
}

function table(rows: readonly Row[]): string {
  const cell = (value: string | number): string =>
    typeof value === 'number' ? `<td class="n">${value.toPrecision(3)}</td>` : `<td>${escaped(value)}</td>`;
  const line = (row: Row): string => {
    const { name, medianMs, spread, gflops, gbps, shareOfPeak, bound } = row;
    const share = `${(100 * shareOfPeak).toFixed(0)} %${bound === 'memory' ? ' m' : ''}`;
    const noise = `${(100 * spread).toFixed(0)} %`;
    return `<tr>${[name, where(row), medianMs, noise, gflops, gbps, share].map(cell).join('')}</tr>`;
  };
  const heads = ['work', 'where', 'median ms', 'spread', 'GFLOP/s', 'GB/s', 'of the roofline'];
  return `<table><tr>${heads.map((head) => `<th>${head}</th>`).join('')}</tr>${rows.map(line).join('')}</table>`;
}

function page({ date, machine, load, rows, devices }: Report, others: PeersTable | null): string {
  const settings = [...new Set(rows.map(where))];
  const roofs = settings.map((setting) => {
    const plot = roofline(rows.filter((row) => where(row) === setting));
    return plot === '' ? '' : `<h3>${escaped(setting)}</h3>${plot}`;
  });
  const steps = rows.filter((row) => row.network && row.name.includes('training'));
  const gigabytes = (machine.memoryBytes / 2 ** 30).toFixed(0);
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tandem: kernel throughput</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2em auto; padding: 0 1em; }
table { border-collapse: collapse; font-size: 13px; } td, th { padding: 2px 10px; text-align: left; }
tr:nth-child(even) { background: #f4f4f4; } .n { text-align: right; font-variant-numeric: tabular-nums; }
</style>
<h1>Tandem: kernel throughput</h1>
<p>${escaped(machine.cpu)}, ${machine.cores} cores, ${gigabytes} GiB, ${escaped(machine.runtime)}, ${escaped(date)}, load
${load.join(' to ')}. ${Object.entries(devices)
    .map(([name, text]) => `${escaped(name)}: ${escaped(text)}`)
    .join('; ')}.</p>
<h2>Roofline</h2>
<p>The line is what the machine gives, measured beside every row: multiply-adds in registers, and reading memory. Points
above it work on operands that fit in a cache.</p>
${roofs.join('')}
<h2>AlexNet</h2>
<h3>Inference</h3>${curves(rows, 'inference')}
<h3>Training step</h3>${curves(rows, 'training')}
${steps.map((row) => `<h3>${escaped(row.name)}, ${escaped(where(row))}: where the time goes</h3>${breakdown(row)}`).join('')}
${others ? peers(others) : ''}
<h2>All rows</h2>
${table(rows)}
</html>
`;
}

function isPeersTable(value: unknown): value is PeersTable {
  return (
    typeof value === 'object' &&
    value !== null &&
    'rows' in value &&
    Array.isArray(value.rows) &&
    value.rows.every((row: unknown) => typeof row === 'object' && row !== null && 'cells' in row)
  );
}

async function readPeers(file: string | undefined): Promise<PeersTable | null> {
  if (file === undefined) return null;
  const value: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (isPeersTable(value)) return value;
  throw new ArgumentError(
    `${file} isn't a report of bench/peers; make one there with npm start -- --json FILE`,
  );
}

async function main(file: string, { peers: peersFile, out }: { peers?: string; out: string }): Promise<void> {
  const report = parseReport(await readFile(file, 'utf8'), file);
  await writeFile(out, page(report, await readPeers(peersFile)));
  console.log(`${out}: ${report.rows.length} rows`);
}

const command = new Command('npm run bench:page --')
  .description('Writes a report of npm run bench -- --json FILE as a page that needs no network.')
  .argument('<report>', 'the report')
  .option('--peers <file>', 'a report of bench/peers, for the bars')
  .option('--out <file>', 'the page', 'results.html')
  .action(main);
await orComplain(command.parseAsync());
