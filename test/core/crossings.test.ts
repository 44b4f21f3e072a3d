/**
 * Crossings between devices of any kind: whatever a program enqueues, in whatever order it disposes of and writes over
 * tensors, what arrives is what was there when it was sent. And what goes wrong on the way is told.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openWebGpu } from '../../src/backends/webgpu/runtime/device.js';
import { Device } from '../../src/core/device.js';
import { mapInto } from '../../src/core/ops/launch.js';
import {
  ArgumentError,
  add,
  e,
  exchange,
  KernelError,
  ledger,
  matmul,
  OutOfMemoryError,
  ones,
  openDevice,
  type Tensor,
  tensor,
  to,
} from '../../src/index.js';
import { softwareDriver } from '../../support/driver.js';
import { seededRandom } from '../backends/cpu/numbers.js';
import { rejection, thrown } from '../support/errors.js';
import { inScope } from '../support/scope.js';

const driver = await softwareDriver();
const random = seededRandom('crossings');
const test = suite('crossings');

async function openAll(): Promise<Device[]> {
  const cpus = [openDevice('cpu:0', { threads: 1 }), openDevice('cpu:1', { threads: 2 })];
  const gpus = driver ? [openDevice('webgpu:0', { driver }), openDevice('webgpu:1', { driver })] : [];
  return Promise.all([...cpus, ...gpus]);
}

/** A tensor, and what all its elements are. */
interface Known {
  readonly x: Tensor;
  value: number;
}

/** Enqueues `steps` random steps on tensors of one value each; every read is checked against what it must give. */
async function randomProgram(devices: readonly Device[], steps: number): Promise<void> {
  const pick = <T>(list: readonly T[]): T => list[random.integer(list.length)]!;
  const known: Known[] = [];
  const reads: { data: Promise<ArrayLike<number>>; value: number; what: string }[] = [];
  const steppers = new Map<Device, Tensor>();
  for (const device of devices) steppers.set(device, ones([128, 128], { device }));
  /** Adds a number to a tensor where it lies; a crossing to the device where it was looks at the same elements. */
  const writeOver = ({ x }: Known, by: number): void => {
    const { buffer } = x.view('test');
    mapInto('test', [e.add(e.input(0), by)], [x], [x]);
    for (const other of known) {
      if (other.x.device === x.device && other.x.view('test').buffer === buffer) other.value += by;
    }
  };
  const read = ({ x, value }: Known, what: string): void => {
    reads.push({ data: x.data(), value, what: `${what}, a read from ${x.device.name}` });
  };
  for (let step = 0; step < steps; step++) {
    const what = `step ${step}`;
    const chosen = pick(known);
    const dice = known.length < 4 ? 0 : random.integer(known.length > 40 ? 9 : 7);
    if (dice === 0) {
      const device = pick(devices);
      const value = random.integer(1000);
      const size = pick([1, 7, 500, 2000, 30_000]);
      known.push({ x: tensor(new Float32Array(size).fill(value), { device }), value });
    } else if (dice === 1 || dice === 2) {
      // To one that is at work as a rule, with the elements written over right after.
      const device = pick(devices);
      const x = steppers.get(device)!;
      if (dice === 1) for (let i = 0; i < 3; i++) matmul(x, x).dispose();
      known.push({ x: to(chosen!.x, device), value: chosen!.value });
      if (random.integer(2) === 0) writeOver(chosen!, 1);
    } else if (dice === 3) {
      writeOver(chosen!, random.integer(10));
    } else if (dice === 4) {
      known.push({ x: add(chosen!.x, 1), value: chosen!.value + 1 });
    } else if (dice === 5) {
      // Some work, so that this device falls behind.
      const device = pick(devices);
      const x = steppers.get(device)!;
      for (let i = random.integer(4); i > 0; i--) matmul(x, x).dispose();
    } else if (dice === 6) {
      read(chosen!, what);
      if (random.integer(4) === 0) await reads.at(-1)!.data;
    } else {
      chosen!.x.dispose();
      known.splice(known.indexOf(chosen!), 1);
    }
  }
  for (const each of known) read(each, 'the end');
  for (const { data, value, what } of reads) {
    const wrong = Array.from(await data).find((element) => element !== value);
    assert.is(wrong, undefined, `${what}: ${wrong}, expected ${value}`);
  }
}

test('random programs on devices of both kinds give what a host would', async () => {
  const devices = await openAll();
  try {
    await inScope(() => randomProgram(devices, 800));
    await inScope(() => randomProgram(devices.slice(0, 2), 1500));
    for (const device of devices) assert.is(device.memory().buffers, 0, device.name);
  } finally {
    await Promise.all(devices.map((device) => device.close()));
  }
});

test('the time of each crossing is known once the devices were awaited', async () => {
  const devices = await openAll();
  try {
    await inScope(async () => {
      ledger.clear();
      const begun = performance.now();
      const parts = devices.map((device) => ones([3, 1, 50], { device }));
      exchange(parts);
      assert.is(ledger.rows.length, devices.length * (devices.length - 1));
      await Promise.all(devices.map((device) => device.sync()));
      for (const { from, to: end, bytes, start, milliseconds } of ledger.rows) {
        assert.is(bytes, 600);
        assert.ok(
          milliseconds >= 0 && start > begun - 5,
          `${from} to ${end}: ${milliseconds} ms at ${start}`,
        );
      }
    });
  } finally {
    await Promise.all(devices.map((device) => device.close()));
  }
});

test('what cannot cross is told at once and leaves no row', async () => {
  const a = await openDevice('cpu:0', { threads: 1 });
  const b = await openDevice('cpu:1', { threads: 1, memoryLimit: 4 << 20 });
  try {
    const x = ones([2 << 20], { device: a });
    ledger.clear();
    const error = thrown(() => to(x, b));
    assert.instance(error, OutOfMemoryError);
    assert.match(error.message, /^to: cpu:1 can't hold 8388.6 kB more/);
    if (driver) {
      const gpu = await openDevice('webgpu:0', { driver });
      const doubles = tensor([1, 2], { device: a, dtype: 'float64' });
      const refusal = thrown(() => to(doubles, gpu));
      await gpu.close();
      assert.instance(refusal, ArgumentError);
      assert.match(refusal.message, /^to: webgpu:0 has no float64 tensors/);
      assert.match(thrown(() => to(x, gpu)).message, /^to: device webgpu:0 was closed/);
    }
    assert.equal(ledger.rows, []);
    x.dispose();
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
});

if (driver) {
  test('a WebGPU device that is lost is an error of those that wait for what it sent', async () => {
    const cpu = await openDevice('cpu:0', { threads: 1 });
    const lost = await openWebGpu('webgpu:0', { driver });
    const other = await openDevice('webgpu:1', { driver });
    try {
      const x = ones([1000], { device: new Device('webgpu:0', lost) });
      const [y, z] = [to(x, cpu), to(x, other)];
      lost.gpu.destroy();
      for (const there of [y, z]) {
        const error = await rejection(there.data());
        assert.match(error.message, /webgpu:0.*lost|mapAsync|unmap|destroy/i);
        assert.is((await there.data()).length, 1000, 'the device goes on');
        there.dispose();
      }
    } finally {
      await Promise.allSettled([cpu.close(), other.close(), lost.close()]);
    }
  });

  test('a kernel of a CPU device that fails is an error of the WebGPU device that received from it, too', async () => {
    const gpu = await openDevice('webgpu:0', { driver });
    const cpu = await openDevice('cpu:0', { threads: 1, kernels: 'plain' });
    try {
      const x = ones([4], { device: cpu });
      // A view beyond the memory, which no op would make.
      const beyond = { ...x.view('test'), offset: 2 ** 29 };
      const args = { shape: [4], params: [], draw: null };
      cpu.run('map', { ...args, exprs: [e.input(0)], inputs: [beyond], outputs: [x.view('test')] });
      const y = to(x, gpu);
      for (const device of [gpu, cpu]) {
        const error = await rejection(device.sync());
        assert.instance(error, KernelError);
        assert.match(error.message, /^cpu:0: the plain loop of map failed/);
        await device.sync();
      }
      x.dispose();
      y.dispose();
    } finally {
      await Promise.all([gpu.close(), cpu.close()]);
    }
  });
}

test.run();
