/**
 * Choosing devices from the command line, training on WebGPU devices end to end, profiles, and a device that is lost
 * in the middle of training.
 */
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openCheckpoint } from '../../src/alexnet/checkpoint.js';
import { nets } from '../../src/alexnet/recipes.js';
import { type RunListener, runFiles, runTraining } from '../../src/alexnet/run.js';
import { openWebGpu, type WebGpuDevice } from '../../src/backends/webgpu/runtime/device.js';
import { chooseDevices } from '../../src/cli/devices.js';
import { byteSize } from '../../src/cli/options.js';
import { Device } from '../../src/core/device.js';
import { DeviceLostError } from '../../src/core/errors.js';
import { MemoryDataset } from '../../src/data/dataset.js';
import type { OpenedData } from '../../src/data/sources/open.js';
import { adapterName, secondDriver, softwareDriver } from '../../support/driver.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import type { Ended } from '../support/programs.js';
import { command, writeImages } from './commands.js';

const driver = await softwareDriver();
const test = suite('devices');
let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tandem-devices-'));
  await writeImages(folder);
});
test.after(() => rm(folder, { recursive: true, force: true }));

const tiny = ['--data', 'images', '--validation', 'images/val', '--limit', '12', '--batch', '6'];

/** Runs a command that should succeed; returns what it printed. */
async function ran(name: string, ...args: string[]): Promise<string> {
  const { code, output } = await command(name, args, folder);
  assert.is(code, 0, `${name} ${args.join(' ')}: ${output}`);
  return output;
}

test('sizes as people write them', () => {
  assert.is(byteSize('800MB'), 800e6);
  assert.is(byteSize('1.3 gb'), 1.3e9);
  assert.is(byteSize('4096'), 4096);
  for (const text of ['', 'much', '3TB', '-1MB', '0']) assert.throws(() => byteSize(text), /such as 800MB/);
});

test('auto: GPUs, else CPU devices, and why', async () => {
  const { names, reason } = await chooseDevices(2, { deterministic: false });
  // What the machine has decides.
  if (names[0] === 'webgpu:0') assert.match(reason, /^GPU: /);
  else {
    assert.equal(names, ['cpu:0', 'cpu:1']);
    assert.match(reason, /no GPU|no WebGPU adapter|package webgpu/);
  }
});

test('a profile on CPU devices: tables, and the same as JSON', async () => {
  const output = await ran('train', ...tiny, '--profile', '2', '--threads', '1', '--out', 'profiled');
  assert.match(output, /means of 2 steps of 6 images/);
  assert.match(output, /conv2dWeightGrad +conv2 +backward +cpu:1/);
  const profile = JSON.parse(await readFile(join(folder, 'profiled', runFiles.profile), 'utf8'));
  assert.equal(profile.devices, ['cpu:0', 'cpu:1']);
  const conv1 = profile.rows.filter(
    (row: { kernel: string; layer: string }) => row.kernel === 'conv2d' && row.layer === 'conv1',
  );
  assert.is(conv1.length, 2);
  for (const { runs, gflop, gflops, milliseconds } of conv1) {
    assert.is(runs, 1);
    // 12 kernels of 5x5x3, 32x32 places.
    assert.ok(Math.abs(gflop - (2 * 6 * 12 * 75 * 1024) / 1e9) < 1e-12);
    assert.ok(milliseconds > 0 && Math.abs(gflops - gflop / (milliseconds / 1e3)) < 1e-9);
  }
  assert.is(profile.crossings.length, 2 * 14);
  assert.is(profile.crossingRows.length, 14);
  const { code } = await command('train', ['--resume', 'profiled'], folder);
  assert.is(code, 1, 'a profile leaves no checkpoint');
});

test('a dry run opens no device', async () => {
  const output = await ran('train', '--net', 'alexnet', '--device', 'webgpu:0,webgpu:1', '--dry-run');
  assert.match(output, /webgpu:1 +9\d\d MB/);
  assert.match(output, /14 crossings, 60 MB in all/);
});

test('settings that choose no device are mistakes', async () => {
  const cases: [string[], RegExp][] = [
    [['--driver', 'x.json'], /--driver: .*cpu:0, cpu:1/],
    [['--device', 'cpu:0', '--adapter', 'x'], /--adapter: .*cpu:0/],
    [['--device', 'webgpu:0', '--driver', 'x.json'], /x\.json doesn't exist/],
    [['--device', 'auto', '--driver', 'x.json'], /x\.json doesn't exist/],
    [['--device', 'auto,cpu:0'], /'auto' isn't a device/],
    [['--memory-limit', 'lots'], /such as 800MB/],
  ];
  for (const [args, expected] of cases) {
    const { code, output } = await command('train', [...tiny, ...args], folder);
    assert.is(code, 1, output);
    assert.match(output, expected);
  }
});

if (driver !== null) {
  let drivers = '';
  test.before(async () => {
    drivers = [driver, await secondDriver(driver, folder)].join(delimiter);
  });

  test('auto takes a software adapter only when asked for', async () => {
    const named = { deterministic: false, driver };
    const { names, reason } = await chooseDevices(2, named);
    assert.equal(names, ['webgpu:0']);
    assert.ok(/asked for /.test(reason) && reason.includes(await adapterName(driver)), reason);
    const both = { ...named, driver: drivers };
    assert.equal((await chooseDevices(2, both)).names, ['webgpu:0', 'webgpu:1']);
    assert.equal((await chooseDevices(1, both)).names, ['webgpu:0']);
  });

  test('devices lists the adapter with its limits', async () => {
    const { cpu, adapters } = JSON.parse(
      (await ran('devices', '--driver', driver, '--json')).replace(/^[^{]*/, ''),
    );
    assert.ok(cpu.threads >= 1 && cpu.simd);
    assert.is(adapters[0].software, true);
    assert.ok(adapters[0].limits.maxBufferSize >= 2 ** 28);
    const listed = await ran('devices', '--driver', driver);
    assert.match(listed, /webgpu:0\n.*software(.|\n)*limits +buffer/);
    assert.ok(listed.includes(await adapterName(driver)), listed);
  });

  test('trains on two adapters, and on a GPU and a CPU', async () => {
    const run = (device: string, out: string): Promise<Ended> =>
      command(
        'train',
        [
          ...tiny,
          '--epochs',
          '1',
          '--device',
          device,
          '--driver',
          drivers,
          '--memory-limit',
          '1GB',
          '--out',
          out,
        ],
        folder,
      );
    const losses: number[] = [];
    for (const [device, out] of [
      ['webgpu:0,webgpu:1', 'gpus'],
      ['webgpu:0,cpu:0', 'mixed'],
    ] as const) {
      const { code, output } = await run(device, out);
      assert.is(code, 0, output);
      assert.match(output, /epoch 1\/1 +loss/);
      assert.not.match(output, /Infinity|NaN/);
      if (out === 'gpus') assert.not.match(output, /the only one/);
      losses.push(JSON.parse(await readFile(join(folder, out, runFiles.log), 'utf8')).trainLoss);
    }
    assert.ok(Math.abs(losses[0]! - losses[1]!) < 1e-3 * losses[0]!, `losses ${losses}`);
  });

  test('a device lost in training: a named error, the checkpoint stays, --resume goes on', async () => {
    const random = seededRandom('lost device');
    const set = (count: number): MemoryDataset =>
      new MemoryDataset(
        'noise',
        ['a', 'b'],
        [3, 32, 32],
        Uint8Array.from({ length: count * 3072 }, () => random.integer(256)),
        Int32Array.from({ length: count }, (_, i) => i % 2),
      );
    const sets = { train: set(4), validation: set(2), classes: ['a', 'b'] };
    const data: OpenedData = { kind: 'folder', ...sets, notes: [], close: async () => {} };
    const net = nets['80sec'];
    const recipe = { ...net.recipe, batchSize: 2, epochs: 2 };
    const out = join(folder, 'lost');
    /** Trains to the end of the recipe; `step` is called after each step. */
    const run = async (step: (gpu: WebGpuDevice) => void): Promise<number> => {
      const gpu = await openWebGpu('webgpu:0', { driver });
      const device = new Device('webgpu:0', gpu);
      const listener: RunListener = {
        note: () => {},
        event: ({ kind }) => {
          if (kind === 'step') step(gpu);
        },
      };
      const trained = {
        net: '80sec',
        variant: {},
        recipe,
        seed: 3,
        classes: sets.classes,
        trainingImages: 4,
      };
      const resume = existsSync(out) ? (await openCheckpoint(out)).checkpoint : null;
      try {
        const { lines } = await runTraining({
          description: { ...trained, data: null, validation: null, limit: null },
          net,
          devices: [device],
          data,
          out,
          resume,
          listener,
          signal: new AbortController().signal,
        });
        return lines.length;
      } finally {
        await device.close();
      }
    };
    let steps = 0;
    const lost = await run((gpu) => {
      if (++steps === 3) gpu.gpu.destroy(); // in the second epoch
    }).catch((error: unknown) => error);
    if (!(lost instanceof DeviceLostError)) return assert.unreachable(`the run ended with ${lost}`);
    assert.match(lost.message, /webgpu:0: the device was lost .*resume from a checkpoint/);
    assert.is((await openCheckpoint(out)).checkpoint.state.epoch, 1);
    let resumed = 0;
    assert.is(await run(() => resumed++), 2);
    assert.is(resumed, 2, 'steps of the second epoch');
  });
}

test.run();
