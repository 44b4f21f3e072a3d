/**
 * `npm run bench:isa`: what Tandem's WGSL becomes on cards that aren't there. Nothing is executed: the driver compiles, and
 * its instructions are counted.
 */
import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { orComplain } from '../cli.js';
import { readShaders } from './disassembly.js';
import { nullHardware } from './layer.js';
import { type IsaRow, readWorks, rowOf } from './report.js';

const ownProgram = fileURLToPath(new URL('./program.js', import.meta.url));

/** Everything that a process prints. @throws when it fails */
async function printed(
  script: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Promise<{ out: string; err: string }> {
  const child = spawn(process.execPath, [script, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const texts = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (piece: string) => {
    texts.out += piece;
  });
  child.stderr.setEncoding('latin1').on('data', (piece: string) => {
    texts.err += piece;
  });
  const code = await new Promise<string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(String(signal ?? code)));
  });
  if (code !== '0') throw new Error(`compiling ended with ${code}:\n${texts.err.slice(-2000)}`);
  return texts;
}

const columns: readonly (readonly [title: string, width: number, of: (row: IsaRow) => string])[] = [
  ['loop nest', 10, ({ nest }) => `${(100 * nest).toFixed(1)} %`],
  ['whole', 8, ({ whole }) => `${(100 * whole).toFixed(1)} %`],
  ['useful', 8, ({ useful }) => `${(100 * useful).toFixed(0)} %`],
  ['VGPR', 6, ({ registers }) => `${registers}`],
  ['spills', 7, ({ spills }) => `${spills}`],
  ['LDS', 7, ({ localMemory }) => `${localMemory}`],
  ['waves', 6, ({ waves }) => `${waves}`],
  ['LDS B/ma', 10, ({ localBytes }) => localBytes.toFixed(3)],
  ['mem B/ma', 10, ({ memoryBytes }) => memoryBytes.toFixed(3)],
];

interface Options {
  readonly program: string;
  readonly library: string;
  readonly cards: string;
  readonly only: string;
  readonly json?: string;
}

async function main({ program, library, cards, only, json }: Options): Promise<void> {
  const report: Record<string, IsaRow[]> = {};
  for (const card of cards.split(',')) {
    const { out, err } = await printed(program, [only, library], await nullHardware(card));
    const shaders = readShaders(err);
    const rows = readWorks(out).map((work) => rowOf(work, shaders));
    report[card] = rows;
    console.log(
      `\n${library || 'Tandem'}, ${card}: multiply-adds of the instructions issued, compiled by RADV; nothing was executed\n`,
    );
    console.log(''.padEnd(34) + columns.map(([title, width]) => title.padStart(width)).join(''));
    for (const row of rows) {
      console.log(row.name.padEnd(34) + columns.map(([, width, of]) => of(row).padStart(width)).join(''));
    }
  }
  if (json !== undefined) await writeFile(json, `${JSON.stringify(report, null, 1)}\n`);
}

const command = new Command('npm run bench:isa --')
  .description(
    "Compiles Tandem's products and convolutions for AMD cards that need not be there, and counts instructions.",
  )
  .option('--cards <names>', "by RADV's names, with commas between", 'navi21,navi31,vega20')
  .option('--only <pattern>', 'works whose name fits this regular expression', '')
  .option('--program <file>', "the process that compiles: another library's, of bench/peers", ownProgram)
  .option('--library <name>', 'what that process is to compile', '')
  .option('--json <file>', 'write the rows as JSON as well');
await orComplain(main(command.parse().opts<Options>()));
