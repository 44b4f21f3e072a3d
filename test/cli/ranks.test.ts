/**
 * `tandem train` as several ranks, with each MPI that is installed: the figures of one process, the same checkpoint by
 * every MPI, and ends that leave a checkpoint to go on from with any number of ranks.
 */
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { encode } from 'fast-png';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { readRunCheckpoint } from '../../src/alexnet/checkpoint.js';
import { readFeatures } from '../../src/alexnet/features.js';
import { HostRandom } from '../../src/backends/threefry.js';
import { drawOf } from '../../src/core/random.js';
import { type Launcher, launchers, runProgram, runRanks } from '../support/mpi.js';
import type { Ended } from '../support/programs.js';
import { program } from './commands.js';

const test = suite('ranks of tandem');
const installed = launchers();
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-ranks-'));
  await writeImages();
});
test.after(() => rm(folder, { recursive: true, force: true }));

/**
 * Images of two classes and one that can't be read. No two pixels are alike: where pooling would choose among equals,
 * the last bit of a sum chooses, and losses of two orders of sums part by more than that.
 */
async function writeImages(): Promise<void> {
  for (const [part, count] of [
    ['train', 25],
    ['val', 11],
  ] as const) {
    for (const [label, name] of ['dark', 'light'].entries()) {
      await mkdir(join(folder, 'images', part, name), { recursive: true });
      for (let i = 0; i < count; i++) {
        const random = new HostRandom(drawOf(count, 2 * i + label));
        const data = Uint8Array.from({ length: 32 * 32 * 3 }, () => 60 * label + 180 * random.uniform());
        const file = encode({ width: 32, height: 32, data, channels: 3, depth: 8 });
        await writeFile(join(folder, 'images', part, name, `${i}.png`), file);
      }
    }
  }
  await writeFile(join(folder, 'images', 'train', 'dark', 'broken.jpg'), 'no picture');
}

type Settings = Parameters<typeof runRanks>[4];

/** Trains as so many ranks, or by itself; gives the exit code and what was printed. */
function train(
  launcher: Launcher | null,
  ranks: number,
  args: readonly string[],
  settings: Settings = {},
): ReturnType<typeof runRanks> {
  const all = [program, 'train', '--threads', '1', ...args];
  return launcher ? runRanks(launcher, ranks, all, folder, settings) : runProgram(all, folder);
}

// A net without dropout: its rows move up where an image can't be read, and one can't.
const tiny =
  '--data images --net 80sec --device cpu:0 --epochs 2 --batch 10 --seed 7 --learning-rate 0.001'.split(' ');

/** Figures of a run's epochs. */
async function figures(out: string): Promise<number[][]> {
  const lines = (await readFile(join(folder, out, 'log.jsonl'), 'utf8')).trim().split('\n');
  return lines.map((line) => {
    const { trainLoss, trainError, valLoss, valError }: Record<string, number> = JSON.parse(line);
    return [trainLoss!, trainError!, valLoss!, valError!];
  });
}

/** Fails unless a run's figures are another's: losses to 1e-5, errors exactly. */
async function assertFigures(out: string, expected: readonly number[][]): Promise<void> {
  const actual = await figures(out);
  assert.is(actual.length, expected.length, out);
  for (const [epoch, numbers] of actual.entries()) {
    for (const [i, value] of numbers.entries()) {
      const off = Math.abs(value - expected[epoch]![i]!);
      assert.ok(off <= (i % 2 === 0 ? 1e-5 : 0), `${out}, epoch ${epoch + 1}, figure ${i}: off by ${off}`);
    }
  }
}

const bytes = (out: string): Promise<Buffer> => readFile(join(folder, out, 'last.safetensors'));

/** Processes that a process started, and those that they started, that run the command. */
function ranksOf(pid: number): number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const [, parent] = readFileSync(`/proc/${name}/stat`, 'latin1').split(') ').at(-1)!.split(' ');
      parents.set(Number(name), Number(parent));
    } catch {
      // It has ended.
    }
  }
  const isBelow = (other: number): boolean =>
    other === pid || (parents.has(other) && isBelow(parents.get(other)!));
  return [...parents.keys()].filter((other) => other !== pid && isBelow(other) && isRank(other));
}

/** Whether a process is there and runs the command: one that has ended has no command line. */
function isRank(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes(program);
  } catch {
    return false;
  }
}

test('two and three ranks train as one process does, and every MPI comes to the same bytes', async () => {
  const alone = await train(null, 1, [...tiny, '--out', 'one']);
  assert.is(alone.code, 0, alone.output);
  const expected = await figures('one');
  for (const ranks of [2, 3]) {
    for (const [i, launcher] of installed.entries()) {
      const out = `${ranks}-${i}`;
      const { code, output } = await train(launcher, ranks, [...tiny, '--out', out]);
      assert.is(code, 0, output);
      assert.is(output.split('done in').length, 2, `progress is printed once: ${output}`);
      assert.match(output, new RegExp(`ranks +${ranks} by ${launcher.name}`));
      await assertFigures(out, expected);
      assert.ok((await bytes(out)).equals(await bytes(`${ranks}-0`)), `${launcher.name}, ${ranks} ranks`);
      assert.match(
        await readFile(join(folder, out, 'unreadable.txt'), 'utf8'),
        /^train\/dark\/broken\.jpg\tneither[^\n]*\n$/,
      );
    }
  }
});

/**
 * Trains two ranks, and does something to them once they have printed what is waited for. On a busy machine that may be read when all is
 * over: then they start anew.
 */
async function cutShort(
  launcher: Launcher,
  out: string,
  printed: RegExp,
  cut: (child: ChildProcess) => void,
): Promise<Ended> {
  for (let attempt = 1; ; attempt++) {
    let done = false;
    const ended = await train(launcher, 2, [...tiny, '--out', out], {
      watch: (output, child) => {
        if (done || !printed.test(output)) return;
        done = true;
        cut(child);
      },
    });
    if (ended.code !== 0 || attempt === 5) return ended;
    await rm(join(folder, out), { recursive: true });
  }
}

for (const launcher of installed) {
  test(`a signal stops all ranks after the same step, and another number of them goes on (${launcher.name})`, async () => {
    const out = `stopped-${launcher.name}`;
    const first = await cutShort(launcher, out, /epoch 1\/2 /, (child) => {
      // Ctrl-C; Open MPI's mpirun kills its ranks a second after that, but hands this one on.
      child.kill(launcher.name === 'Open MPI' ? 'SIGUSR2' : 'SIGINT');
    });
    assert.is(first.output.split('interrupted after').length, 2, first.output);
    const second = await train(launcher, 3, ['--resume', out, '--device', 'cpu:0']);
    assert.is(second.code, 0, second.output);
    await assertFigures(out, await figures('one'));
  });

  test(`a rank that is killed ends all, and two go on to the same bits (${launcher.name})`, async () => {
    const out = `killed-${launcher.name}`;
    let ranks: number[] = [];
    const first = await cutShort(launcher, out, /epoch 1\/2 .*validation/, (child) => {
      ranks = ranksOf(child.pid!);
      const last = ranks.at(-1);
      if (last !== undefined) process.kill(last, 'SIGKILL');
    });
    // The launcher may be done before a rank that it told to end: that one still has the folder.
    while (ranks.some(isRank)) await setTimeout(50);
    assert.is.not(first.code, 0, first.output);
    assert.not.match(first.output, /done in/);
    // The launcher's word alone: the rank that is left waits for the other, and is ended.
    assert.is(first.output.split(/\(?signal:? 9/i).length, 2, first.output);
    assert.not.match(first.output, /error:|RanksError|^ +at /m);
    const { run } = await readRunCheckpoint(join(folder, out, 'last.safetensors'));
    assert.is(run.net, '80sec', 'the checkpoint of the epoch before is whole');
    const second = await train(launcher, 2, ['--resume', out, '--device', 'cpu:0']);
    assert.is(second.code, 0, second.output);
    assert.ok((await bytes(out)).equals(await bytes('2-0')));
  });

  test(`what fails on all ranks is told once, and what fails on one by that one (${launcher.name})`, async () => {
    const once = async (args: readonly string[], message: RegExp): Promise<void> => {
      const { code, output } = await train(launcher, 2, args);
      assert.is.not(code, 0, output);
      assert.is(output.split(message).length, 2, output);
    };
    await once(['--bogus'], /error: unknown option '--bogus'/);
    await once(
      [...tiny, '--learning-rate', '1e9', '--out', `diverged-${launcher.name}`],
      /error: training diverged/,
    );
    await once([...tiny, '--out', '2-0'], /error: 2-0: holds a run already/);
  });
}

test('a tower on each rank: the bytes of two devices in one process, replicas and resumed runs included', async () => {
  const [launcher] = installed;
  if (!launcher) return;
  const net = '--data images --net small --batch 25 --seed 7 --learning-rate 0.001'.split(' ');
  const run = async (ranks: number, ...args: readonly string[]): Promise<void> => {
    const { code, output } = await train(ranks === 1 ? null : launcher, ranks, args);
    assert.is(code, 0, output);
    assert.is(output.split(/done in|epochs are done/).length, 2, output);
  };
  const [devices, spread] = [['--device', 'cpu:0,cpu:1'], ['--tower-per-rank']];
  // One epoch each way, and the other by the other way: it makes no difference which was which.
  await run(2, ...net, ...spread, '--epochs', '1', '--out', 'spread');
  await run(1, '--resume', 'spread', ...devices, '--epochs', '2');
  await run(1, ...net, ...devices, '--epochs', '1', '--out', 'gathered');
  await run(2, '--resume', 'gathered', ...spread, '--epochs', '2');
  assert.ok((await bytes('gathered')).equals(await bytes('spread')), 'epochs by ranks and by one process');
  // Two replicas of two towers, and one process that adds what two would in the same order.
  const halves = ['--micro-batches', '2', '--epochs', '1'];
  await run(1, ...net, ...devices, ...halves, '--out', 'pair');
  await run(4, ...net, ...spread, ...halves, '--out', 'pairs');
  const parameters = async (out: string) =>
    (await readRunCheckpoint(join(folder, out, 'last.safetensors'))).parameters;
  assert.equal(
    await parameters('pairs'),
    await parameters('pair'),
    'four ranks of a tower, one process of all',
  );
  const odd = await train(null, 1, [...net, ...spread, '--out', 'odd']);
  assert.is(odd.code, 1, odd.output);
  assert.match(odd.output, /error: --tower-per-rank: 1 rank for 2 towers/);
});

test('evaluate, features and figures are divided among ranks: the counts of one, printed once', async () => {
  const [launcher] = installed;
  if (!launcher) return;
  const run = async (ranks: number, ...args: readonly string[]): Promise<string> => {
    const all = [program, ...args, '--threads', '1', '--device', 'cpu:0'];
    const { code, output } =
      ranks === 1 ? await runProgram(all, folder) : await runRanks(launcher, ranks, all, folder);
    assert.is(code, 0, output);
    return output;
  };
  const reports = [];
  const tables = [];
  for (const ranks of [1, 2]) {
    const printed = await run(ranks, 'evaluate', '--run', 'one', '--crops', '10', '--json', `${ranks}.json`);
    assert.is(printed.split('1 network, 10 crops').length, 2, printed);
    reports.push(JSON.parse(await readFile(join(folder, `${ranks}.json`), 'utf8')));
    const told = await run(ranks, 'features', '--run', 'one', '--images', 'images', '--out', `${ranks}.npy`);
    assert.is(told.split('72 images').length, 2, told);
    assert.match(told, /left out: .*broken\.jpg/);
    tables.push(await readFeatures(join(folder, `${ranks}.npy`)));
  }
  const [{ loss, ...counts }, { loss: sharedLoss, ...sharedCounts }] = reports;
  assert.equal(sharedCounts, counts);
  assert.ok(Math.abs(sharedLoss - loss) < 1e-5, `${sharedLoss} instead of ${loss}`);
  const [table, shared] = tables;
  assert.equal(shared!.names, table!.names);
  assert.ok(shared!.vectors.every((x, i) => Math.abs(x - table!.vectors[i]!) < 1e-5));
  const drawn = await run(2, 'figures', '--run', 'one', '--among', '10', '--out', 'figures');
  assert.is(drawn.split(/\d figures; open/).length, 2, drawn);
});

test.run();
