/**
 * Commands on a terminal, and with readers that go away: they end by themselves, leave the terminal as it was, and lose
 * nothing.
 */
import { spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Ended } from '../support/programs.js';
import { onTerminal, program, writeImages } from './commands.js';

const test = suite('terminal');
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-terminal-'));
  await writeImages(folder);
});
test.after(() => rm(folder, { recursive: true, force: true }));

const trained = ['--data', 'images', '--batch', '10', '--threads', '1', '--net', '80sec'];
const epochs = async (out: string): Promise<number> =>
  (await readFile(join(folder, out, 'log.jsonl'), 'utf8')).split('\n').length - 1;

/** Trains on a terminal, once `begun` is seen with `then`; null, and a line that says so, where there is none. */
async function train(
  args: readonly string[],
  begun: RegExp,
  then: (terminal: Parameters<NonNullable<Parameters<typeof onTerminal>[3]>>[1]) => void,
): ReturnType<typeof onTerminal> {
  let done = false;
  const ended = await onTerminal('train', [...trained, ...args], folder, (output, terminal) => {
    if (done || !begun.test(output)) return;
    done = true;
    then(terminal);
  });
  if (!ended) console.log('skipped: no pseudo-terminal can be made on this system');
  return ended;
}

/** The bar was there, and no setting of the terminal was touched: not its cursor, not its wrapping. */
function leftAlone(output: string): void {
  assert.match(output, /epoch \d+\/\d+ \[=*-*\]/);
  for (const setting of ['\x1b[?25', '\x1b[?7'])
    assert.not.ok(output.includes(setting), JSON.stringify(output));
}

test('Ctrl-C saves and ends', async () => {
  const ended = await train(['--epochs', '500', '--out', 'stopped'], /epoch 2\/500 \[/, ({ press }) =>
    press('\x03'),
  );
  if (!ended) return;
  assert.is(ended.code, 130, ended.output);
  leftAlone(ended.output);
  assert.match(ended.output, /stopping after this step; once more to stop at once\r\n/);
  assert.match(
    ended.output,
    /interrupted after .*; saved stopped\/last\.safetensors\r\ngo on with: .*--resume stopped\r\n/,
  );
  assert.ok(existsSync(join(folder, 'stopped', 'last.safetensors')));
});

test('training that diverges, and one that can not write, end with a line', async () => {
  await mkdir(join(folder, 'blocked', 'log.jsonl'), { recursive: true });
  for (const [args, message] of [
    [['--learning-rate', '1e6', '--out', 'wild'], /error: training diverged: .*\r\n$/],
    [['--out', 'blocked'], /error: blocked\/log\.jsonl: can't be written: it is a folder\r\n$/],
  ] as const) {
    const ended = await train(['--epochs', '500', ...args], /never/, () => {});
    if (!ended) return;
    assert.is(ended.code, 1, ended.output);
    leftAlone(ended.output);
    assert.match(ended.output, message);
    // Where the bar was.
    assert.ok(ended.output.includes('\x1b[2Kerror: '), JSON.stringify(ended.output));
  }
});

test('a terminal that is closed ends training with a checkpoint', async () => {
  const ended = await train(['--epochs', '500', '--out', 'closed'], /epoch 2\/500 \[/, ({ hangUp }) =>
    hangUp(),
  );
  if (!ended) return;
  assert.is(ended.signal, constants.signals.SIGHUP, ended.output);
  assert.ok(existsSync(join(folder, 'closed', 'last.safetensors')));
});

/** Trains two epochs with standard output as given. */
function trainInto(
  stdout: 'pipe' | number,
  out: string,
  onFirst: (child: ReturnType<typeof spawn>) => void = () => {},
): Promise<Ended> {
  const args = [program, 'train', ...trained, '--epochs', '2', '--out', out];
  const child = spawn(process.execPath, args, { cwd: folder, stdio: ['ignore', stdout, 'pipe'] });
  let output = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stdout?.once('data', () => onFirst(child));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

test('training goes on when nobody reads its output any more', async () => {
  const { code, output } = await trainInto('pipe', 'unread', (child) => child.stdout?.destroy());
  assert.is(code, 0, output);
  assert.is(
    output,
    "standard output can't be written any more: nobody reads it any more; going on without it\n",
  );
  assert.is(await epochs('unread'), 2);
});

test('training goes on when the disk under its output is full, and says in its exit code that output is missing', async () => {
  if (!existsSync('/dev/full')) return;
  const { code, output } = await trainInto(openSync('/dev/full', 'w'), 'full');
  assert.is(code, 1, output);
  assert.match(
    output,
    /^standard output can't be written any more: the disk is full; .*going on without it\n$/,
  );
  assert.is(await epochs('full'), 2);
});

test.run();
