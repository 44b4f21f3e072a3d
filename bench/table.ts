/**
 * Rows for people: a table that grows while the suite runs, and a network's breakdown below its row.
 */
import type { Part, Report, Row } from './rows.js';

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

/** Three digits that count; a dash for nothing. */
export function digits(value: number): string {
  if (!Number.isFinite(value) || value === 0) return '-';
  if (value >= 100) return value.toFixed(0);
  return value.toPrecision(3);
}

/** The machine of a report, and how busy it was. */
export function machineLine({ machine, load }: Pick<Report, 'machine' | 'load'>): string {
  const { cpu, cores, memoryBytes, runtime } = machine;
  const memory = memoryBytes === null ? [] : [`${(memoryBytes / 2 ** 30).toFixed(0)} GiB`];
  const busy = load === null ? [] : [`load ${load.join(' to ')}`];
  return [cpu, `${cores} cores`, ...memory, runtime, ...busy].join(', ');
}

/** Widths of the columns; the first is aligned left. */
const columns = [44, 12, 8, 10, 8, 10, 8, 8, 8, 20] as const;

function line(cells: readonly string[]): string {
  return cells
    .map((cell, i) => (i === 0 || i === 1 ? cell.padEnd(columns[i] ?? 0) : cell.padStart(columns[i] ?? 0)))
    .join(' ');
}

/** What the columns of a table of rows hold; the first two are words. */
export const heads = [
  'work',
  'device',
  'threads',
  'median ms',
  'spread',
  'CPU ms',
  'GFLOP/s',
  'GB/s',
  'of peak',
] as const;

/** A row's texts below these heads. */
export function cellsOf(row: Row): string[] {
  const { name, device, threads, medianMs, spread, cpuMs, gflops, gbps, shareOfPeak, bound } = row;
  return [
    name,
    device,
    threads === null ? '-' : String(threads),
    digits(medianMs),
    percent(spread),
    cpuMs === null ? '-' : digits(cpuMs),
    digits(gflops),
    digits(gbps),
    percent(shareOfPeak) + (bound === 'memory' ? ' m' : ''),
  ];
}

/** The head of the table that the terminal shows. */
export function tableHead(): string {
  return line([...heads, 'probe GF/s (of 128 bits), GB/s']);
}

/** One row of it. */
export function tableRow(row: Row): string {
  const { gflops, gflops128, gbps } = row.probe;
  const narrow = gflops128 === undefined ? '' : ` (${gflops128.toFixed(1)})`;
  // Shares with and without their mark end in the same column.
  const cells = cellsOf(row).map((cell) => (cell.endsWith('%') ? `${cell}  ` : cell));
  return line([...cells, `${gflops.toFixed(1)}${narrow}, ${gbps.toFixed(1)}`]);
}

const mega = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** What stands below a row: the steps of a start, or what a network's run comes to and its parts down to 1 %. */
export function detailLines({ network, start }: Row): string[] {
  if (start)
    return start.map(
      ({ name, milliseconds }) => `    ${name.padEnd(46)}${digits(milliseconds).padStart(9)} ms`,
    );
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
