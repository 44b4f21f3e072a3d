/**
 * Rows for people: a table that grows while the suite runs, and a network's breakdown below its row.
 */
import type { Part, Row } from './rows.js';

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** Three digits that count. */
function digits(value: number): string {
  if (!Number.isFinite(value) || value === 0) return '-';
  if (value >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}

/** Widths of the columns; the first is aligned left. */
const columns = [44, 12, 8, 10, 8, 10, 8, 8, 8, 18] as const;

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 || i === 1 ? cell.padEnd(columns[i] ?? 0) : cell.padStart(columns[i] ?? 0)))
    .join(' ');
}

/** The head of the table of rows. */
export function tableHead(): string {
  return line([
    'work',
    'device',
    'threads',
    'median ms',
    'spread',
    'GFLOP/s',
    'GB/s',
    'of peak',
    'probe GF/s, GB/s',
  ]);
}

/** One row of it. */
export function tableRow(row: Row): string {
  const { gflops, gbps } = row.probe;
  const mark = row.bound === 'memory' ? ' m' : '  ';
  return line([
    row.name,
    row.device,
    row.threads === null ? '-' : String(row.threads),
    digits(row.medianMs),
    percent(row.spread),
    row.cpuMs === null ? '-' : digits(row.cpuMs),
    digits(row.gflops),
    digits(row.gbps),
    percent(row.shareOfPeak) + mark,
    `${gflops.toFixed(1)}, ${gbps.toFixed(1)}`,
  ]);
}

const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** What a network's row comes to, and its parts down to a share of 1 %. */
export function networkLines(row: Row): string[] {
  const { network } = row;
  if (!network) return [];
  const { msPerImage, shareOfRoofline, busy, memory, memoryFlat, breakdown } = network;
  const peaks = memory
    .map(({ peak, pooled }) => `${mega(peak)} at the peak, ${mega(pooled)} pooled`)
    .join('; ');
  const small = breakdown.filter((part) => part.share < 0.01);
  const rest = small.reduce((sum, part) => sum + part.milliseconds, 0);
  return [
    `    ${digits(msPerImage)} ms/image; kernels at ${percent(shareOfRoofline)} of the roofline, ` +
      `devices busy ${busy.map(percent).join(', ')}; ${peaks}${memoryFlat ? '' : '; NOT FLAT'}`,
    ...breakdown.filter((part) => part.share >= 0.01).map(partLine),
    `    ${'the rest'.padEnd(46)}${digits(rest).padStart(9)} ms`,
  ];
}

function partLine(part: Part): string {
  const name = `${part.phase} ${part.layer} ${part.kernel}`.padEnd(46);
  const rates = `${digits(part.gflops)} GFLOP/s, ${digits(part.gbps)} GB/s`;
  const time = `${digits(part.milliseconds).padStart(9)} ms ${percent(part.share).padStart(5)}`;
  return `    ${name}${time}  ${rates}, ${percent(part.shareOfPeak)} of peak`;
}
