/**
 * The train command end to end, as child processes: what it writes, that runs interrupted or killed go on bit for
 * bit, and what it says to mistakes.
 */
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeSafetensors } from '../../src/formats/index.js';
import { command, writeImages } from './commands.js';

const test = suite('train');
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-train-'));
  await writeImages(folder);
});
test.after(() => rm(folder, { recursive: true, force: true }));

const train = (args: string[], watch?: Parameters<typeof command>[3]): ReturnType<typeof command> =>
  command('train', args, folder, watch);

const tiny = [
  '--data',
  'images',
  '--epochs',
  '3',
  '--batch',
  '10',
  '--seed',
  '7',
  '--learning-rate',
  '0.001',
];

async function logOf(out: string): Promise<Record<string, number>[]> {
  const text = await readFile(join(folder, out, 'log.jsonl'), 'utf8');
  return text
    .trim()
    .split('\n')
    .map((line): Record<string, number> => JSON.parse(line));
}

/** What must be equal in two runs: all of a log line but the timings. */
function results(lines: Record<string, number>[]): unknown[] {
  return lines.map(({ imagesPerSecond: _, seconds: __, ...rest }) => rest);
}

async function sameRun(a: string, b: string): Promise<void> {
  assert.equal(results(await logOf(a)), results(await logOf(b)));
  for (const file of ['last.safetensors', 'best.safetensors']) {
    const [left, right] = await Promise.all([a, b].map((out) => readFile(join(folder, out, file))));
    assert.ok(left!.equals(right!), `${file} of ${a} and ${b} differ`);
  }
}

test('trains on two devices and writes log and checkpoints', async () => {
  const { code, output } = await train([...tiny, '--out', 'whole']);
  assert.is(code, 0, output);
  assert.match(output, /cpu:0 (.|\n)*cpu:1 /);
  assert.match(output, /1 unreadable image .*broken\.jpg/);
  assert.match(
    await readFile(join(folder, 'whole', 'unreadable.txt'), 'utf8'),
    /^train\/bars\/broken\.jpg\tneither/,
  );
  const lines = await logOf('whole');
  assert.equal(
    lines.map(({ epoch }) => epoch),
    [1, 2, 3],
  );
  for (const line of lines) {
    assert.ok(line.trainLoss! > 0 && Number.isFinite(line.trainLoss));
    for (const error of [line.trainError!, line.valError!]) assert.ok(error >= 0 && error <= 1);
    assert.ok(line.imagesPerSecond! > 0 && line.seconds! > 0 && line.learningRate! > 0);
  }
  const { tensors } = decodeSafetensors(await readFile(join(folder, 'whole', 'last.safetensors')), 'last');
  assert.equal(tensors.get('model.conv2.weight')?.shape, [48, 12, 5, 5]);
  assert.equal(tensors.get('optimizer.velocity.conv2.weight')?.shape, [48, 12, 5, 5]);
});

test('with no data it draws its own', async () => {
  const { code, output } = await train(['--limit', '100', '--epochs', '1', '--out', 'drawn']);
  assert.is(code, 0, output);
  assert.match(output, /synthetic .*100 training/);
  assert.is((await logOf('drawn')).length, 1);
});

test('interrupted in the middle of an epoch, it saves and goes on bit for bit', async () => {
  let asked = false;
  const first = await train([...tiny, '--out', 'interrupted'], (output, child) => {
    if (!asked && /epoch 1\/3 {2}loss/.test(output)) {
      asked = true;
      child.kill('SIGINT');
    }
  });
  assert.is(first.code, 130, first.output);
  assert.match(first.output, /--resume interrupted/);
  const second = await train(['--resume', 'interrupted']);
  assert.is(second.code, 0, second.output);
  await sameRun('whole', 'interrupted');
});

test('killed outright, it goes on from the last epoch bit for bit', async () => {
  const first = await train([...tiny, '--out', 'killed'], (output, child) => {
    if (/epoch 2\/3 {2}loss/.test(output)) child.kill('SIGKILL');
  });
  assert.is(first.code, null, first.output);
  const second = await train(['--resume', 'killed']);
  assert.is(second.code, 0, second.output);
  await sameRun('whole', 'killed');
});

test('gives the same results for another number of threads', async () => {
  const { code, output } = await train([...tiny, '--out', 'threads', '--threads', '2']);
  assert.is(code, 0, output);
  await sameRun('whole', 'threads');
});

test('--help lists every option and network', async () => {
  const { code, output } = await train(['--help']);
  assert.is(code, 0);
  for (const word of [
    '--data',
    '--net',
    '--device',
    '--threads',
    '--epochs',
    '--batch',
    '--learning-rate',
    '--schedule',
    '--seed',
    '--limit',
    '--out',
    '--resume',
    '80sec',
    '18pct',
    'alexnet',
  ]) {
    assert.ok(output.includes(word), word);
  }
});

test('mistakes are one clear line and exit code 1', async () => {
  await mkdir(join(folder, 'empty'));
  await writeFile(join(folder, 'text.safetensors'), 'not a checkpoint at all');
  await cp(join(folder, 'whole'), join(folder, 'odd'), { recursive: true });
  await rm(join(folder, 'odd', 'log.jsonl'));
  await mkdir(join(folder, 'odd', 'log.jsonl'));
  const cases: [string[], RegExp][] = [
    [['--data', 'nowhere'], /nowhere/],
    [['--data', 'empty'], /empty.*holds no files.*expected train\/CLASS/],
    [['--nonsense'], /unknown option '--nonsense'/],
    [['--lr', '0.1'], /unknown option '--lr' \(did you mean --learning-rate\?\)/],
    [['--batchsize', '8'], /unknown option '--batchsize' \(did you mean --batch\?\)/],
    [['--milestones', '2,3', '--epochs', '3'], /--milestones 3: no epoch comes after 3 in a run of 3/],
    [['--net', 'lenet'], /--net lenet.*small/],
    [['--device', 'gpu:0'], /gpu:0.*cpu:0/s],
    [['--epochs', '0'], /--epochs.*whole number from 1/s],
    [['--momentum', '1'], /--momentum.*from 0, below 1/s],
    [['--learning-rate', 'NaN'], /--learning-rate.*number from 0/s],
    [['--workers', '100000'], /--workers.*from 1 to 256/s],
    [['--memory-limit', '1kB'], /memoryLimit.*expected bytes from/],
    // What the system refuses is as much the user's affair: a file where a folder should be.
    [
      ['--data', 'text.safetensors/images'],
      /text\.safetensors\/images: can't be opened: a file is in the way/,
    ],
    [['--data', 'images', '--out', 'text.safetensors/run'], /text\.safetensors\/run.*a file is in the way/],
    // Known before any image is read.
    [['--data', 'nowhere', '--out', 'text.safetensors/run'], /text\.safetensors\/run.*a file is in the way/],
    [['--resume', 'odd'], /odd\/log\.jsonl: can't be read: it is a folder/],
    [['--device', 'cpu:0,cpu:1,cpu:2'], /3 devices.*2 towers/],
    [['--resume', 'nowhere'], /nowhere.*no such file/],
    [['--resume', 'empty'], /empty: no checkpoint \(last\.safetensors\)/],
    [['--resume', 'text.safetensors'], /text\.safetensors.*not a whole safetensors file/],
    [['--resume', 'whole', '--batch', '5'], /--batch can't be changed/],
    [['--out', 'whole'], /whole.*--resume/],
  ];
  for (const [args, expected] of cases) {
    const { code, output } = await train(args);
    assert.is(code, 1, `${args.join(' ')}: ${output}`);
    assert.match(output, expected, args.join(' '));
    assert.not.match(output, /\n\s+at /, `${args.join(' ')} printed a stack trace`);
  }
  // None of them left the folder of a run that never began.
  assert.equal(await readdir(join(folder, 'runs')), []);
});

test('training that diverges says when, what, and where to go on; no checkpoint of it is written', async () => {
  const first = await train([...tiny, '--out', 'wild', '--learning-rate', '1e6']);
  assert.is(first.code, 1, first.output);
  assert.match(
    first.output,
    /diverged: the loss is NaN at epoch 1, batch \d+; conv1\.weight holds NaN or infinity/,
  );
  assert.match(first.output, /No checkpoint was saved before: start again with a lower --learning-rate/);
  assert.equal(await readdir(join(folder, 'wild')), ['run.json']);

  // A single step an epoch: its own loss is finite, what it leaves behind isn't.
  const single = await train([...tiny, '--out', 'wild', '--batch', '200', '--learning-rate', '1e25']);
  assert.is(single.code, 1, single.output);
  assert.match(single.output, /diverged: the validation loss of epoch 1 is NaN/);
  assert.equal(await readdir(join(folder, 'wild')), ['run.json']);

  await cp(join(folder, 'whole'), join(folder, 'tamed'), { recursive: true });
  const resumed = await train(['--resume', 'tamed', '--epochs', '4', '--learning-rate', '1e6']);
  assert.is(resumed.code, 1, resumed.output);
  assert.match(
    resumed.output,
    /at epoch 4, batch \d+;.*tamed\/last\.safetensors is from before: go on with --resume tamed/,
  );
  await sameRun('whole', 'tamed');
  const calm = await train(['--resume', 'tamed', '--epochs', '4', '--learning-rate', '1e-5']);
  assert.is(calm.code, 0, calm.output);
  assert.is((await logOf('tamed'))[3]!.learningRate, 1e-5);
});

test('a checkpoint of which one byte changed is refused, by train and evaluate', async () => {
  await cp(join(folder, 'whole'), join(folder, 'flipped'), { recursive: true });
  for (const name of ['last', 'best']) {
    const path = join(folder, 'flipped', `${name}.safetensors`);
    const bytes = await readFile(path);
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 1000) ^ 1, bytes.length - 1000);
    await writeFile(path, bytes);
  }
  const resumed = await train(['--resume', 'flipped', '--epochs', '4']);
  const evaluated = await command('evaluate', ['--run', 'flipped'], folder);
  for (const { code, output } of [resumed, evaluated]) {
    assert.is(code, 1, output);
    assert.match(output, /flipped\/(last|best)\.safetensors: damaged: .*checksum/);
  }
});

test('two trainings begun at once have a folder each; of two that resume one run the second is refused', async () => {
  const quick = ['--data', 'images', '--epochs', '1', '--batch', '30', '--net', '80sec', '--threads', '1'];
  const both = await Promise.all([1, 2].map((seed) => train([...quick, '--seed', String(seed)])));
  for (const { code, output } of both) assert.is(code, 0, output);
  const runs = await readdir(join(folder, 'runs'));
  assert.is(runs.length, 2, runs.join());
  const seeds = await Promise.all(
    runs.map(async (name) => JSON.parse(await readFile(join(folder, 'runs', name, 'run.json'), 'utf8')).seed),
  );
  assert.equal(seeds.sort(), [1, 2]);

  const out = join('runs', runs[0]!);
  const seconds: ReturnType<typeof train>[] = [];
  const first = await train(['--resume', out, '--epochs', '900'], (output, child) => {
    if (seconds.length > 0 || !/epoch +2\/900 +loss/.test(output)) return;
    seconds.push(train(['--resume', out, '--epochs', '900']).finally(() => child.kill('SIGINT')));
  });
  assert.is(first.code, 130, first.output);
  const [refused] = await Promise.all(seconds);
  assert.is(refused?.code, 1);
  assert.match(String(refused?.output), /^error: runs\/.*: in use by process \d+$/m);
});

test('the path of the data is stored as it is found from anywhere', async () => {
  const { data } = JSON.parse(await readFile(join(folder, 'whole', 'run.json'), 'utf8'));
  assert.is(data, join(folder, 'images'));
  const { code, output } = await command(
    'train',
    ['--resume', join(folder, 'whole'), '--epochs', '3'],
    tmpdir(),
  );
  assert.is(code, 0, output);
  assert.match(output, /nothing to do: 3 epochs are done/);
});

test('a full disk ends training with a line, and what was saved before stays', async () => {
  if (!existsSync('/dev/full')) return;
  // Whatever is written to this run's list of unreadable images meets a full disk.
  await mkdir(join(folder, 'full'));
  await symlink('/dev/full', join(folder, 'full', 'unreadable.txt'));
  const { code, output } = await train([...tiny, '--out', 'full']);
  assert.is(code, 1, output);
  assert.match(output, /full\/unreadable\.txt: can't be written: the disk is full/);
  assert.not.match(output, /\n\s+at /);
  assert.is((await logOf('full')).length, 1);
  await rm(join(folder, 'full', 'unreadable.txt'));
  const resumed = await train(['--resume', 'full']);
  assert.is(resumed.code, 0, resumed.output);
  await sameRun('whole', 'full');
});

test('a checkpoint cut short is refused and names itself', async () => {
  assert.ok(existsSync(join(folder, 'killed', 'last.safetensors')));
  await truncate(join(folder, 'killed', 'last.safetensors'), 100_000);
  const { code, output } = await train(['--resume', 'killed']);
  assert.is(code, 1);
  assert.match(output, /last\.safetensors.*not a whole safetensors file/);
});

test.run();
