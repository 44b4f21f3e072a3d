/**
 * A WebGPU device as its users meet it: order of work, memory, errors, loss, profiles, several devices at once.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { listAdapters } from '../../../src/backends/webgpu/runtime/adapters.js';
import { openWebGpu, type WebGpuDevice } from '../../../src/backends/webgpu/runtime/device.js';
import { Health } from '../../../src/backends/webgpu/runtime/errors.js';
import { Pipelines } from '../../../src/backends/webgpu/runtime/pipelines.js';
import { ArgumentError, DeviceError, DeviceLostError, OutOfMemoryError } from '../../../src/core/errors.js';
import { type Expr, e } from '../../../src/core/expr.js';
import { dtypeOf, type TypedArray, type View } from '../../../src/core/shape.js';
import { inLayer } from '../../../src/core/trace.js';
import { adapterName, secondDriver, softwareDriver } from '../../../support/driver.js';
import { openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('webgpu device');

if (driver !== null) {
  const upload = (device: WebGpuDevice, data: TypedArray): View => ({
    buffer: device.upload(data, 'test'),
    dtype: dtypeOf(data),
    shape: [data.length],
    strides: [1],
    offset: 0,
  });

  /** Enqueues `out = expr(x)` into a new buffer. */
  const map = (device: WebGpuDevice, expr: Expr, x: View): View => {
    const out = { ...x, buffer: device.alloc(x.shape[0]! * 4, 'map') };
    device.kernels.map({
      exprs: [expr],
      shape: x.shape,
      inputs: [x],
      outputs: [out],
      params: [],
      draw: null,
    });
    return out;
  };
  const double = e.mul(e.input(0), 2);

  const rejection = async (promise: Promise<unknown>): Promise<Error> => {
    try {
      await promise;
    } catch (error) {
      if (error instanceof Error) return error;
    }
    throw new Error('expected an error');
  };

  const withDevice = async (
    options: Parameters<typeof openSoftware>[1],
    use: (device: WebGpuDevice) => Promise<void>,
  ): Promise<void> => {
    const device = await openSoftware(driver, options);
    try {
      await use(device);
    } finally {
      await device.close();
    }
  };

  test('an upload into a freed buffer waits for the work that still reads it', async () => {
    await withDevice({}, async (device) => {
      const outs: View[] = [];
      for (let round = 0; round < 5; round++) {
        const x = upload(device, new Float32Array(1000).fill(round));
        outs.push(map(device, double, x));
        device.free(x.buffer); // the next round gets this buffer
      }
      for (const [round, out] of outs.entries()) {
        assert.equal(await device.read(out), new Float32Array(1000).fill(2 * round));
      }
      // Again with the pipeline at hand, so that everything is enqueued before anything is submitted.
      const sums = [1, 2, 3].map((value) => {
        const x = upload(device, new Float32Array(1000).fill(value));
        const out = map(device, double, x);
        device.free(x.buffer);
        return out;
      });
      const read = await Promise.all(sums.map((sum) => device.read(sum)));
      assert.equal(
        read.map((data) => data[999]),
        [2, 4, 6],
      );
    });
  });

  test('reads and uploads take bytes at odd places, and shared memory', async () => {
    await withDevice({}, async (device) => {
      const bytes = upload(device, Uint8Array.of(1, 2, 3, 4, 5, 6, 7));
      assert.equal(await device.read({ ...bytes, shape: [3], offset: 3 }), Uint8Array.of(4, 5, 6));
      assert.equal(await device.read({ ...bytes, shape: [0] }), new Uint8Array(0));
      const shared = new Float32Array(new SharedArrayBuffer(12));
      shared.set([1, 2, 3]);
      assert.equal(await device.read(upload(device, shared)), Float32Array.of(1, 2, 3));
      const changed = Float32Array.of(1, 2);
      const x = upload(device, changed);
      changed.fill(0);
      assert.equal(await device.read(x), Float32Array.of(1, 2), 'an upload is a copy');
    });
  });

  test('steps settle: live bytes flat, no new buffers, no new pipelines', async () => {
    await withDevice({}, async (device) => {
      const weights = upload(device, new Float32Array(64 * 32).fill(0.01));
      const seen: object[] = [];
      for (let step = 0; step < 20; step++) {
        const x = upload(device, new Float32Array(16 * 64).fill(step));
        const a = { ...x, shape: [1, 16, 64], strides: [1024, 64, 1] };
        const b = { ...weights, shape: [1, 64, 32], strides: [2048, 32, 1] };
        const out = {
          ...a,
          buffer: device.alloc(16 * 32 * 4, 'matmul'),
          shape: [1, 16, 32],
          strides: [512, 32, 1],
        };
        device.kernels.matmul({ a, b, bias: null, relu: true, out });
        const total = { ...out, buffer: device.alloc(4, 'sum'), shape: [], strides: [] };
        device.kernels.reduce({ op: 'sum', x: out, kept: 0, scale: 1, out: total });
        assert.ok(Math.abs((await device.read(total))[0]! - step * 64 * 0.01 * 512) < 0.1 * (step + 1));
        for (const view of [x, out, total]) device.free(view.buffer);
        const { buffersCreated, readbacksCreated, pipelinesCreated } = device.counters();
        seen.push({ ...device.memory(), buffersCreated, readbacksCreated, pipelinesCreated });
      }
      for (const row of seen.slice(3)) assert.equal(row, seen[2]);
      assert.is(device.memory().buffers, 1);
      assert.is(device.memory().live, 64 * 32 * 4);
    });
  });

  test('large uploads go through three buffers at most, in their turn, whatever waits before them', async () => {
    await withDevice({}, async (device) => {
      const most = 3;
      const length = 2 ** 18;
      for (let step = 0; step < 8; step++) {
        const numbers = new Float32Array(length).fill(step);
        const x = upload(device, numbers);
        const y = map(device, double, x);
        device.free(x.buffer);
        // It takes the buffer that `double` is still to read.
        const shared = new Float32Array(new SharedArrayBuffer(4 * length)).fill(-step);
        const z = upload(device, shared);
        numbers.fill(99);
        shared.fill(99);
        const [a, b] = await Promise.all([device.read(y), device.read(z)]);
        assert.ok(a.every((value) => value === 2 * step) && b.every((value) => value === -step));
        for (const { buffer } of [y, z]) device.free(buffer);
      }
      const { uploadsCreated } = device.counters();
      assert.ok(uploadsCreated >= 2 && uploadsCreated <= most, `${uploadsCreated}`);
      // Nothing tells that these were copied.
      const many = Array.from({ length: 6 }, (_, i) =>
        upload(device, new Uint8Array(4 * length + i).fill(i)),
      );
      assert.ok(device.counters().uploadsCreated - uploadsCreated <= most);
      for (const [i, view] of many.entries()) {
        const bytes = await device.read(view);
        assert.ok(bytes.length === 4 * length + i && bytes.every((value) => value === i));
      }
    });
  });

  test('compile readies the pipelines of what is enqueued', async () => {
    await withDevice({}, async (device) => {
      const x = upload(device, Float32Array.of(1, 2, 3, 4));
      const outs = [e.exp(e.input(0)), e.log(e.input(0)), e.add(e.input(0), 1)].map((expr) =>
        map(device, expr, x),
      );
      await device.compile();
      assert.is(device.counters().pipelinesCreated, 3);
      assert.equal(await device.read(outs[2]!), Float32Array.of(2, 3, 4, 5));
    });
  });

  test('a buffer beyond budget or limits is refused by name; pooled memory makes room first', async () => {
    await withDevice({ memoryLimit: 10_000 }, async (device) => {
      const x = device.alloc(6000, 'tensor');
      assert.throws(
        () => device.alloc(6000, 'conv2d'),
        (error: Error) =>
          error instanceof OutOfMemoryError &&
          /conv2d: 6000 bytes .* 6144 of 10000 bytes/.test(error.message),
      );
      device.free(x);
      assert.is(device.memory().pooled, 6144);
      device.alloc(9000, 'tensor');
      assert.equal(device.memory(), { live: 9216, pooled: 0, peak: 9216, buffers: 1 });
    });
    await withDevice({ memoryLimit: 2 ** 40 }, async (device) => {
      assert.throws(
        () => device.alloc(2 ** 36, 'fc6'),
        (error: Error) =>
          error instanceof OutOfMemoryError && /fc6: a buffer of 68719476736 bytes/.test(error.message),
      );
    });
  });

  test('the first error is thrown at the next await, and only once', async () => {
    await withDevice({}, async (device) => {
      device.gpu.createBuffer({ size: 16, usage: 0x1 | 0x80 }); // MAP_READ doesn't go with STORAGE
      const error = await rejection(device.sync());
      assert.match(error.message, /webgpu:0: .*usage/s);
      await device.sync();
    });
  });

  test('a shader that fails to compile is shown with the line of its source', async () => {
    await withDevice({}, async (device) => {
      const health = new Health('webgpu:0', device.gpu);
      const source = '@compute @workgroup_size(1)\nfn main() {\n  let x: f32 = 1u;\n}';
      const program = new Pipelines(device.gpu, health).get('broken', [], 'w', () => source);
      await program.ready;
      assert.throws(() => health.throwKept('sync'), /kernel broken .*line 3.*let x: f32 = 1u;/s);
    });
  });

  test('a key that names two programs is found out, where programs are checked', async () => {
    await withDevice({}, async (device) => {
      const health = new Health('webgpu:0', device.gpu);
      const source = (body: string) => () => `@compute @workgroup_size(1)\nfn main() {\n  ${body}\n}`;
      const pipelines = new Pipelines(device.gpu, health, true);
      const first = pipelines.get('key', [], '', source('let x = 1;'));
      assert.is(pipelines.get('key', [], '', source('let x = 1;')), first);
      assert.throws(
        () => pipelines.get('key', [], '', source('let x = 2;')),
        /kernel key names two programs.*let x = 1; \/ +let x = 2;/s,
      );
      await first.ready;
    });
  });

  test('a lost device says so, everywhere', async () => {
    const device = await openSoftware(driver);
    const x = upload(device, new Float32Array(4));
    const pending = rejection(device.read(map(device, double, x)));
    device.gpu.destroy();
    assert.instance(await pending, DeviceLostError);
    assert.instance(await rejection(device.sync()), DeviceLostError);
    assert.throws(
      () => map(device, double, x),
      (error: Error) => error instanceof DeviceLostError,
    );
    device.free(x.buffer);
    await device.close();
  });

  test('a closed device says so; closing runs what is pending and may be repeated', async () => {
    const device = await openSoftware(driver);
    const x = upload(device, new Float32Array(4));
    map(device, double, x);
    await device.close();
    await device.close();
    assert.throws(
      () => map(device, double, x),
      (error: Error) => error instanceof DeviceError && /closed/.test(error.message),
    );
    assert.instance(await rejection(device.sync()), DeviceError);
    device.free(x.buffer);
  });

  test('no adapter: what was looked for, what there is, and the way out', async () => {
    const missing = await rejection(openWebGpu('webgpu:0', { driver, adapter: 'Voodoo' }));
    assert.instance(missing, DeviceError);
    assert.match(missing.message, /'Voodoo'/);
    assert.ok(missing.message.includes(await adapterName(driver)), missing.message);
    assert.match(
      (await rejection(openWebGpu('webgpu:0', { driver: '/nowhere.json' }))).message,
      /nowhere\.json doesn't exist/,
    );
    assert.instance(await rejection(openWebGpu('gpu', { driver })), ArgumentError);
  });

  test('two devices on one adapter work side by side, and say that they share it', async () => {
    const devices = [
      await openSoftware(driver),
      await openSoftware(driver, { adapter: (await adapterName(driver)).toLowerCase() }, 'webgpu:1'),
    ];
    assert.match(devices[1]!.description, /software adapter .*the only one/);
    const outs = devices.map((device, i) =>
      map(device, double, upload(device, new Float32Array(1000).fill(i + 1))),
    );
    const data = await Promise.all(devices.map((device, i) => device.read(outs[i]!)));
    assert.equal(
      data.map((array) => array[999]),
      [2, 4],
    );
    for (const device of devices) await device.close();
  });

  test('two drivers count as two adapters', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'tandem-driver-'));
    const second = await secondDriver(driver, folder);
    const both = `${driver}${delimiter}${second}`;
    const adapters = await listAdapters({ driver: both });
    assert.equal(
      adapters.map(({ driver, software }) => [driver, software]),
      [
        [driver, true],
        [second, true],
      ],
    );
    const devices = [await openSoftware(both), await openSoftware(both, {}, 'webgpu:1')];
    for (const device of devices) {
      assert.not.match(device.description, /only one/);
      const out = map(device, double, upload(device, Float32Array.of(21)));
      assert.equal(await device.read(out), Float32Array.of(42));
    }
    for (const device of devices) await device.close();
    await rm(folder, { recursive: true });
  });

  test('variables of an entry hold while its driver is loaded, and tell entries of one file apart', async () => {
    const entries = [
      `${driver}@TANDEM_CARD=first`,
      `${driver}@VK_LOADER_DRIVERS_DISABLE=*`,
      `${driver}@TANDEM_CARD=second`,
    ];
    const adapters = await listAdapters({ driver: entries.join(delimiter) });
    // The Vulkan loader that is told to disable all drivers finds none.
    assert.equal(
      adapters.map(({ driver }) => driver),
      [entries[0], entries[2]],
    );
    assert.is(process.env.VK_LOADER_DRIVERS_DISABLE, undefined);
    assert.is(process.env.TANDEM_CARD, undefined);
  });

  test('a profile has a row for each kernel, with its layer and time', async () => {
    await withDevice({}, async (device) => {
      const x = upload(device, new Float32Array(100_000).fill(1));
      map(device, double, x);
      device.startProfile();
      const y = inLayer('relu1', () => map(device, e.max(e.input(0), 0), x));
      const total = { ...y, buffer: device.alloc(4, 'sum'), shape: [], strides: [] };
      device.kernels.reduce({ op: 'sum', x: y, kept: 0, scale: 1, out: total });
      const rows = await device.stopProfile();
      assert.equal(
        rows.map(({ kernel, layer, phase }) => [kernel, layer, phase]),
        [
          ['map', 'relu1', 'forward'],
          ['reduce', '', 'forward'],
        ],
      );
      assert.is(rows[0]!.bytes, 800_000);
      assert.ok(
        rows.every((row) => row.milliseconds > 0),
        'each takes time',
      );
      const rounded = rows.every(({ milliseconds }) => Math.round(milliseconds * 1e6) % 65_536 === 0);
      assert.not.ok(rounded, 'times are rounded to 65,536 ns, as pages get them');
      assert.ok(rows[0]!.start === 0 && rows[1]!.start >= rows[0]!.milliseconds);
      map(device, double, x);
      assert.equal(await device.stopProfile(), []);
    });
  });
}

test.run();
