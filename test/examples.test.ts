/**
 * The examples, run as their readers run them, at a small size: what they print and write, and that one that is stopped
 * or killed goes on to the same bits.
 */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decode, encode } from 'fast-png';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { softwareDriver } from '../support/driver.js';
import { command, writeImages } from './cli/commands.js';
import { type Ended, type RunSettings, runFile } from './support/programs.js';

const test = suite('examples');
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-examples-'));
  await writeImages(folder);
});
test.after(() => rm(folder, { recursive: true, force: true }));

/** Runs an example in the folder. */
function run(name: string, args: readonly string[], settings: RunSettings = {}): Promise<Ended> {
  const script = fileURLToPath(new URL(`../examples/${name}.js`, import.meta.url));
  return runFile(process.execPath, [script, ...args], folder, settings);
}

const last = (out: string): Promise<Buffer> => readFile(join(folder, out, 'last.safetensors'));

test('folders: a network on a folder of images, stopped by Ctrl-C and killed, goes on to the same bits', async () => {
  const whole = await run('folders', ['images', 'whole', '9']);
  assert.is(whole.code, 0, whole.output);
  assert.match(whole.output, /^epoch 9: loss [\d.]+, error [\d.]+; validation: loss [\d.]+, error [\d.]+/m);
  assert.match(whole.output, /^error [\d.]+$/m);
  const files = ['best.safetensors', 'last.safetensors', 'log.jsonl', 'run.json'];
  assert.equal((await readdir(join(folder, 'whole'))).sort(), files);

  let asked = false;
  const stopped = await run('folders', ['images', 'parts', '9'], {
    watch: (output, child) => {
      if (!asked && /^epoch 1:/m.test(output)) asked = child.kill('SIGINT');
    },
  });
  assert.is(stopped.code, 0, stopped.output);
  assert.match(stopped.output, /^stopped; the same command goes on$/m);
  const killed = await run('folders', ['images', 'parts', '9'], {
    watch: (output, child) => {
      if (/^epoch [3-9]:/m.test(output)) child.kill('SIGKILL');
    },
  });
  assert.is(killed.code, null, killed.output);
  const rest = await run('folders', ['images', 'parts', '9']);
  assert.is(rest.code, 0, rest.output);
  assert.not.match(rest.output, /^epoch [12]:/m);
  assert.ok((await last('parts')).equals(await last('whole')));
  assert.equal((await readdir(join(folder, 'parts'))).sort(), files);
});

test('customOp: weights of -1 and 1 are found through an op whose gradient is its own', async () => {
  const { code, output } = await run('customOp', ['60']);
  assert.is(code, 0, output);
  assert.match(output, /^softsign: its gradient agrees with finite differences$/m);
  assert.match(output, /^step 50: loss 0\.0000$/m);
  assert.match(output, /^0 of 16 weights are wrong$/m);
});

test('twoDevices: the loss falls, and the bytes that cross are those of the hidden units', async () => {
  const { code, output } = await run('twoDevices', ['100']);
  assert.is(code, 0, output);
  const [first, , third] = [...output.matchAll(/loss ([\d.]+)$/gm)].map(([, loss]) => Number(loss));
  assert.ok(third! < first! / 10, output);
  // 64 samples of 4 bytes: the input to cpu:1, 16 hidden units each way, 16 more to cpu:0; and back but for the input's.
  assert.match(output, new RegExp(`^forward: ${64 * 4 * (1 + 16 + 16 + 16)} bytes cross in a step$`, 'm'));
  assert.match(output, new RegExp(`^backward: ${64 * 4 * (16 + 16 + 16)} bytes cross in a step$`, 'm'));
});

test('extending: a layer, an optimizer and a logger from outside, and a leak that is named', async () => {
  const { code, output } = await run('extending', ['60']);
  assert.is(code, 0, output);
  assert.match(output, /^layer '1': at most [\d.]+$/m);
  assert.match(output, /^gradient of layer '0': at most [\d.]+$/m);
  const [, first, last] = /^loss ([\d.]+), then ([\d.]+)$/m.exec(output) ?? [];
  assert.ok(Number(last) < Number(first) / 2, output);
  assert.match(output, /^61 batches were seen$/m);
  assert.match(output, /^linear .* float32, 4 bytes, made at file:.*examples\/extending\.js:\d+:\d+$/m);
});

test('spiral: three arms are told apart', async () => {
  const { code, output } = await run('spiral', []);
  assert.is(code, 0, output);
  assert.ok(Number(/step 1000 {2}loss ([\d.]+)/.exec(output)?.[1]) < 0.06, output);
  assert.match(output, /^[.o#]{48}$/m);
});

test('gan: points lie on the ring', async () => {
  const { code, output } = await run('gan', ['1000']);
  assert.is(code, 0, output);
  assert.match(output, /^step 1000 {2}discriminator [\d.]+ {2}generator [\d.]+$/m);
  const rows = output.split('\n').filter((line) => /^[ .:*#]{40}$/.test(line));
  assert.is(rows.length, 20);
  const middle = rows.slice(8, 12).map((row) => row.slice(17, 23));
  assert.ok(!/[*#]/.test(middle.join('')), output);
});

test('vae: trains, and draws images', async () => {
  const { code, output } = await run('vae', ['drawn', 'images', '2']);
  assert.is(code, 0, output);
  assert.match(output, /^epoch 2: loss [\d.]+; validation: loss [\d.]+/m);
  const { width, height } = decode(await readFile(join(folder, 'drawn', 'samples.png')));
  assert.equal([width, height], [448, 224]);
});

test('lenet: learns from IDX files', async () => {
  const digits = Array.from({ length: 60 }, (_, i) => i % 3);
  // Each class is a bar at a height of its own.
  const pixels = digits.flatMap((digit) =>
    Array.from({ length: 28 * 28 }, (_, i) => (Math.floor(i / 28 / 9) === digit ? 200 : 20)),
  );
  const idx = (sizes: readonly number[], data: readonly number[]): Uint8Array =>
    Uint8Array.from([0, 0, 8, sizes.length, ...sizes.flatMap((n) => [0, 0, n >> 8, n & 255]), ...data]);
  await mkdir(join(folder, 'idx'));
  for (const set of ['train', 't10k']) {
    await writeFile(join(folder, 'idx', `${set}-images-idx3-ubyte`), idx([60, 28, 28], pixels));
    await writeFile(join(folder, 'idx', `${set}-labels-idx1-ubyte`), idx([60], digits));
  }
  const { code, output } = await run('lenet', ['idx', 'letters', '8']);
  assert.is(code, 0, output);
  assert.match(output, /^error 0$/m);
});

test("cifar10: rows of pixels become CIFAR's records, each with its own label", async () => {
  const row = 3 * 1024;
  const sheets: Uint8Array[] = [];
  await mkdir(join(folder, 'sheets'));
  const names = [...[1, 2, 3, 4, 5].map((batch) => `data_batch_${batch}`), 'test_batch'];
  for (const [i, name] of names.entries()) {
    const data = Uint8Array.from({ length: 2 * row }, (_, at) => (at * 7 + i) % 251);
    sheets.push(data);
    const png = encode({ width: 1024, height: 2, channels: 3, depth: 8, data });
    await writeFile(join(folder, 'sheets', `${name}.png`), png);
  }
  const labels = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0];
  await writeFile(join(folder, 'sheets', 'train_lables.json'), JSON.stringify(labels));
  await writeFile(join(folder, 'sheets', 'test_lables.json'), '[3, 5]');
  const { code, output } = await run('cifar10', ['sheets', 'binary']);
  assert.is(code, 0, output);
  assert.is(output, 'binary: 10 training and 2 test images\n');
  const fourth = await readFile(join(folder, 'binary', 'data_batch_4.bin'));
  assert.is(fourth.length, 2 * (1 + row));
  assert.is(fourth[1 + row], labels[7]);
  for (let i = 0; i < row; i++) {
    assert.is(fourth[1 + row + 1 + i], sheets[3]![row + 3 * (i % 1024) + Math.floor(i / 1024)]);
  }

  await writeFile(join(folder, 'sheets', 'test_lables.json'), '[3]');
  const short = await run('cifar10', ['sheets', 'short']);
  assert.is(short.code, 1);
  assert.match(short.output, /test_batch\.png: 1024x2, 3 channels, for 1 labels/);
});

test("features: a classifier of a trained network's features", async () => {
  const trained = await command('train', ['--data', 'images', '--epochs', '1', '--out', 'trained'], folder);
  assert.is(trained.code, 0, trained.output);
  const { code, output } = await run('features', ['trained', 'images', '20']);
  assert.is(code, 0, output);
  assert.match(output, /^step 20 {2}loss [\d.]+$/m);
  assert.match(output, /^\d+ of \d+ validation images are right, of \d classes$/m);
});

/** The losses that an example prints. */
const losses = (output: string): number[] =>
  [...output.matchAll(/loss ([\d.]+)/g)].map(([, loss]) => Number(loss));

// The software driver takes seconds for what these networks do, so they get a few steps.
const onDevices: readonly (readonly [name: string, args: (run: string, device: string) => string[]])[] = [
  ['resnet', (out, device) => ['images', out, '2', device]],
  ['charTransformer', (_, device) => ['text.txt', '4', device]],
];
for (const [name, args] of onDevices) {
  test(`${name}: the same losses on a GPU as on the CPU`, async () => {
    await writeFile(join(folder, 'text.txt'), 'the towers talk at the third layer. '.repeat(40));
    const onCpu = await run(name, args(`${name}-cpu`, 'cpu:0'));
    assert.is(onCpu.code, 0, onCpu.output);
    const wanted = losses(onCpu.output);
    assert.ok(wanted.length >= 4 && wanted.at(-1)! < wanted[0]!, onCpu.output);
    const driver = await softwareDriver();
    if (driver === null) return;
    const onGpu = await run(name, args(`${name}-gpu`, 'webgpu:0'), { env: { VK_DRIVER_FILES: driver } });
    assert.is(onGpu.code, 0, onGpu.output);
    assert.ok(
      losses(onGpu.output).every((loss, i) => Math.abs(loss - wanted[i]!) < 0.01 * wanted[i]!),
      `${onCpu.output}\n${onGpu.output}`,
    );
  });
}

test.run();
