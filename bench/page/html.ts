/**
 * A report as a page that needs no network: plots as SVG, tables, and the report itself as JSON. Served by serve.ts the
 * page can also run the suite in the browser (live.ts).
 */
import { escapeText } from '../../src/alexnet/figures/svg.js';
import type { PeersReport } from '../peers/report.js';
import type { Report, Row } from '../rows.js';
import { cellsOf, heads, machineLine } from '../table.js';
import { breakdown, distinct, roofline, where, wide } from './charts.js';
import { batchCurves, opPlots, startBars, threadCurves } from './curves.js';
import { peersSection } from './peers.js';

const style = `
:root { color-scheme: light dark; --paper: #fff; --ink: #222; --stripe: #f4f4f4; --line: #ccc; }
@media (prefers-color-scheme: dark) { :root { --paper: #16181b; --ink: #e4e4e4; --stripe: #212429; --line: #555; } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 960px; margin: 2em auto; padding: 0 1em; color: var(--ink); background: var(--paper); }
h2 { margin-top: 2em; } h3, h4 { margin-bottom: 0.3em; } p { overflow-wrap: anywhere; }
.wide { overflow-x: auto; } .wide figure { margin: 0; }
svg { --plot-background: var(--paper); } .wide svg[width="900"] { max-width: 100%; min-width: 620px; height: auto; }
table { border-collapse: collapse; font-size: 13px; } td, th { padding: 2px 10px; text-align: left; vertical-align: top; }
td { background: var(--paper); overflow-wrap: break-word; max-width: 30em; } tr:nth-child(even) td { background: var(--stripe); }
.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:first-child { white-space: nowrap; position: sticky; left: 0; }
fieldset { border: 1px solid var(--line); padding: 0.7em 1em; min-width: 0; } form label { display: inline-block; margin: 0 1em 0.5em 0; }
input, select, button { font: inherit; max-width: 100%; box-sizing: border-box; } progress { width: 100%; }
@media (max-width: 600px) { body { margin: 1em auto; } td:first-child { white-space: normal; min-width: 9em; } }
`;

/** A heading, a paragraph, and what they are about; nothing at all without the last. */
function section(level: 2 | 3 | 4, title: string, lead: string, ...content: readonly string[]): string {
  const text = content.join('');
  if (text === '') return '';
  return `<h${level}>${escapeText(title)}</h${level}>${lead && `<p>${lead}</p>`}${text}`;
}

/** Every row as a table. */
function table(rows: readonly Row[]): string {
  const line = (row: Row): string =>
    cellsOf(row)
      .map((text, i) => `<td${i < 2 ? '' : ' class="n"'}>${escapeText(text)}</td>`)
      .join('');
  const head = heads.map((text) => `<th>${text}</th>`).join('');
  const lines = rows.map((row) => `<tr>${line(row)}</tr>`).join('');
  return wide('All rows', `<table id="all"><tr>${head}</tr>${lines}</table>`);
}

const dashed = 'Dashed: so many times the rate of one thread.';

/** A warning where other programs took turns with the suite. */
function crowded({ load, machine: { cores } }: Report): string {
  const most = Math.max(...(load ?? [0]));
  if (most <= cores + 1) return '';
  return `<p><strong>Other programs were running: load ${most} on ${cores} cores. Times of more than one thread, and of
whole networks, are longer than they need be.</strong></p>`;
}

function results(report: Report): string {
  const { date, rows, devices, quick } = report;
  const settings = distinct(rows.map(where));
  const roofs = settings.map((setting) =>
    section(
      3,
      setting,
      '',
      roofline(
        rows.filter((row) => where(row) === setting),
        setting,
      ),
    ),
  );
  const largest = new Map<string, Row>();
  for (const row of rows) {
    const work = row.name.includes('training') ? 'training' : 'inference';
    const key = `${work} on ${where(row)}`;
    if (row.network && row.network.images <= 128) largest.set(key, row);
  }
  const described = Object.entries(devices).map(([name, text]) => `${name}: ${text}`);
  return `
<p>${escapeText([machineLine(report), ...described, date].join('; '))}${quick ? '; in a hurry (--quick)' : ''}.</p>
${crowded(report)}
${section(
  2,
  'Roofline',
  `The line is what the machine can, measured beside every row: multiply-adds in registers, and reading memory that no
cache holds. Points above its slope work on operands that fit in a cache. Hover for the names that found no room.`,
  ...roofs,
)}
${section(
  2,
  'AlexNet',
  '',
  section(3, 'Inference: cost of an image', '', batchCurves(rows, 'inference')),
  section(3, 'Training step: cost of an image', '', batchCurves(rows, 'training')),
  section(3, 'Inference over threads', dashed, threadCurves(rows, 'inference')),
  section(3, 'Training step over threads', dashed, threadCurves(rows, 'training')),
  section(3, 'From the start of a process to the first result', 'Weights in a file.', startBars(rows)),
  section(
    3,
    'Where the time goes',
    `Milliseconds in kernels, of all devices together, and the share of the roofline they reached. What takes less than
1 % is left out.`,
    ...[...largest.values()].map((row) => section(4, `${row.name}, ${where(row)}`, '', breakdown(row))),
  ),
)}
${section(2, 'Tiny operations, through the public functions', '', opPlots(rows))}
`;
}

/** The whole page. */
export function page(report: Report | null, peers: PeersReport | null): string {
  const embedded = JSON.stringify(report).replaceAll('<', '\\u003c');
  return `<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Tandem: kernel throughput</title>
<link rel="icon" href="data:,">
<style>${style}</style>
<script type="importmap">{ "imports": { "tinybench": "/node_modules/tinybench/dist/index.js" } }</script>
<script type="application/json" id="report">${embedded}</script>
<h1>Tandem: kernel throughput</h1>
${report ? results(report) : ''}
${peers ? peersSection(peers) : ''}
<h2>In this browser</h2>
<div id="live"><p>Served by <code>npm run bench:page -- --serve</code>, this page runs the same suite right here.</p></div>
<script type="module">if (location.protocol !== 'file:') import('/bench/page/live.js');</script>
${report ? section(2, 'All rows', 'How to read them: bench/README.md. m: memory sets the roofline, not arithmetic.', table(report.rows)) : ''}
</html>
`;
}
