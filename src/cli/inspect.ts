/**
 * Tables of what a training step takes, for people: a profile of steps that ran, and the needs of one that didn't.
 */

import { formatBytes } from '../core/text.js';
import { counted } from '../data/sources/names.js';
import type { StepNeeds } from '../train/dryRun.js';
import { crossingRows, type Profile, profileRows } from '../train/profile.js';
import { percent } from './progress.js';

/** Rows of kernels that are printed; a profile's file has all. */
const printedRows = 40;

/** Lines of a table with its columns side by side; the first row names them, and numbers stand on the right. */
function table(rows: readonly (readonly string[])[], texts: number): string[] {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  return rows.map((row) =>
    row
      .map((cell, i) => (i < texts ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/** A profile as lines: kernels, devices, crossings; all a step's worth. */
export function profileLines(profile: Profile): string[] {
  const { steps, batchSize, devices, milliseconds } = profile;
  const rows = profileRows(profile);
  const kernels = rows.map((row) => [
    row.kernel,
    row.layer || '-',
    row.phase,
    row.device,
    String(row.runs),
    row.milliseconds.toFixed(2),
    formatBytes(row.bytes),
    row.gflops > 0 ? row.gflops.toPrecision(3) : '-',
  ]);
  const header = ['kernel', 'layer', 'phase', 'device', 'runs', 'ms', 'bytes', 'GFLOP/s'];
  const rest = rows.slice(printedRows).reduce((sum, row) => sum + row.milliseconds, 0);
  const totals = devices.map((device) => {
    const own = rows.filter((row) => row.device === device);
    const time = own.reduce((sum, row) => sum + row.milliseconds, 0);
    const gflop = own.reduce((sum, row) => sum + row.gflop, 0);
    return [
      device,
      time.toFixed(2),
      percent(time / (milliseconds / steps)),
      gflop.toPrecision(3),
      time > 0 ? (gflop / (time / 1000)).toPrecision(3) : '-',
    ];
  });
  const crossings = crossingRows(profile).map((row) => [
    row.layer || '-',
    row.phase,
    row.from,
    row.to,
    String(row.count),
    formatBytes(row.bytes),
    row.milliseconds.toFixed(2),
  ]);
  const each = `${steps === 1 ? 'one step' : `means of ${steps} steps`} of ${batchSize} images`;
  return [
    `${each}: ${(milliseconds / steps).toFixed(1)} ms while profiled`,
    '',
    ...table([header, ...kernels.slice(0, printedRows)], 4),
    ...(rows.length > printedRows ? [`and ${rows.length - printedRows} more: ${rest.toFixed(2)} ms`] : []),
    '',
    ...table([['device', 'ms', 'of the step', 'GFLOP', 'GFLOP/s'], ...totals], 1),
    '',
    ...(crossings.length === 0
      ? ['nothing crossed between devices']
      : table(
          [['crossing for', 'phase', 'from', 'to', 'count', 'bytes', 'ms with waiting'], ...crossings],
          4,
        )),
  ];
}

/** A profile as the content of a JSON file: the rows of the tables, and every run and crossing. */
export function profileJson(profile: Profile): string {
  return JSON.stringify(
    { rows: profileRows(profile), crossingRows: crossingRows(profile), ...profile },
    null,
    1,
  );
}

/** What a step needs, as lines. */
export function needsLines({ batchSize, devices, crossings, ranks, collectives }: StepNeeds): string[] {
  const { replicas, spread, parts = 1 } = ranks;
  const rows = devices.map((d) => [
    spread ? `${d.place} on ${d.name}` : d.name,
    formatBytes(d.peak),
    formatBytes(d.resident),
    formatBytes(d.reserved),
    String(d.rows.reduce((sum, { dispatches }) => sum + dispatches, 0)),
    (d.macs / 1e9).toPrecision(3),
  ]);
  const bytes = crossings.reduce((sum, crossing) => sum + crossing.bytes, 0);
  const sharers = spread ? counted(replicas, 'network') : counted(replicas, 'rank');
  const share = replicas === 1 ? '' : `, the share of the first of ${sharers}`;
  const cut = parts === 1 ? '' : `, ${batchSize / parts} at a time`;
  const told = collectives.map(({ what, call, of, ranks, calls, bytes }) => [
    `${call} of ${what}`,
    of,
    String(ranks),
    String(calls),
    formatBytes(bytes),
  ]);
  return [
    `a training step of ${batchSize} images${share}${cut}, counted and not run:`,
    '',
    ...table(
      [['device', 'peak', 'between steps', 'with spares', 'dispatches', 'G multiply-adds'], ...rows],
      1,
    ),
    ...devices
      .filter(({ name, peak }) => name.startsWith('cpu') && peak > 2 ** 32)
      .map(({ name }) => `${name} can't hold that: a CPU device has 4 GiB`),
    '',
    ...(crossings.length === 0
      ? ['nothing crosses between devices']
      : [
          ...table(
            [
              ['crossing for', 'phase', 'from', 'to', 'bytes'],
              ...crossings.map((c) => [c.layer || '-', c.phase, c.from, c.to, formatBytes(c.bytes)]),
            ],
            4,
          ),
          `${crossings.length} crossings, ${formatBytes(bytes)} in all`,
        ]),
    ...(told.length === 0
      ? []
      : ['', ...table([['told among ranks', 'of', 'ranks', 'calls', 'bytes'], ...told], 2)]),
  ];
}
