/**
 * `npm run bench:compare -- before.json after.json`: what became slower or faster, beyond noise.
 */
import { readFile } from 'node:fs/promises';
import { Command, InvalidArgumentError } from 'commander';
import { throwNaming } from '../src/data/files.js';
import { orComplain } from './cli.js';
import { type Comparison, compareReports } from './comparison.js';
import { parseReport, type Report } from './rows.js';
import { machineLine } from './table.js';

const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;

function print({
  name,
  device,
  threads,
  before,
  after,
  ratio,
  ratioToProbe,
  tolerance,
  verdict,
}: Comparison): void {
  const where = `${device}${threads === null ? '' : ` x${threads}`}`;
  const times = `${before.toPrecision(3).padStart(9)} ${after.toPrecision(3).padStart(9)}`;
  const ratios = `${ratio.toFixed(2).padStart(7)} ${ratioToProbe.toFixed(2).padStart(7)}`;
  const noise = percent(tolerance).padStart(7);
  console.log(
    `${name.padEnd(44)} ${where.padEnd(15)} ${times} ${ratios} ${noise}  ${verdict === 'same' ? '' : verdict}`,
  );
}

async function load(file: string): Promise<Report> {
  return parseReport(await readFile(file, 'utf8').catch(throwNaming(file, "can't be read")), file);
}

function factorOf(text: string): number {
  const factor = Number(text);
  if (factor > 1) return factor;
  throw new InvalidArgumentError('expected a number above 1, like 2.5.');
}

async function main(fileA: string, fileB: string, options: { readonly failAbove?: number }): Promise<void> {
  const [before, after] = await Promise.all([load(fileA), load(fileB)]);
  for (const [name, report] of [
    ['before', before],
    ['after', after],
  ] as const) {
    console.log(`${name}: ${report.date}, ${machineLine(report)}`);
  }
  const head = `${'work'.padEnd(44)} ${'where'.padEnd(15)} ${'before'.padStart(9)} ${'after ms'.padStart(9)}`;
  console.log(`\n${head} ${'ratio'.padStart(7)} ${'/ probe'.padStart(7)} ${'noise'.padStart(7)}`);
  const { rows, missing, added } = compareReports(before, after);
  for (const row of rows) print(row);
  const count = (verdict: string): number => rows.filter((row) => row.verdict === verdict).length;
  console.log(
    `\n${count('slower')} slower, ${count('faster')} faster, ${count('same')} the same within noise`,
  );
  if (missing.length > 0) console.log(`only before: ${missing.join('; ')}`);
  if (added.length > 0) console.log(`only after: ${added.join('; ')}`);
  const { failAbove } = options;
  if (failAbove === undefined) return;
  const gross = rows.filter((row) => row.verdict === 'slower' && row.ratioToProbe > failAbove);
  for (const { name, ratioToProbe } of gross) {
    console.error(`${name} takes ${ratioToProbe.toFixed(1)} times as many of the probe's units as before`);
  }
  if (rows.length === 0) console.error('the reports have no row in common');
  if (gross.length > 0 || rows.length === 0) process.exitCode = 1;
}

const command = new Command('npm run bench:compare --')
  .description('Compares two reports of npm run bench -- --json FILE, row by row.')
  .argument('<before>', 'a report')
  .argument('<after>', 'another')
  .option(
    '--fail-above <factor>',
    "end with an error when a row's time, in units of its probe, grew by more than this factor",
    factorOf,
  )
  .action(main);
await orComplain(command.parseAsync());
