/**
 * What `boundsChecks: false` rests on: over the contract's arguments, ragged shapes and offsets among them, no kernel computes
 * an index outside its buffer or workgroup memory, not even one whose element it then ignores, and none reads
 * workgroup memory that it hasn't written.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loops } from '../../../src/backends/cpu/kernels/loops.js';
import { tileForms } from '../../../src/backends/webgpu/kernels/matmul/forms.js';
import type { WebGpuDevice } from '../../../src/backends/webgpu/runtime/device.js';
import type { KernelName, Kernels } from '../../../src/core/backend.js';
import { softwareDriver } from '../../../support/driver.js';
import { generators } from '../contract/generators.js';
import { Maker } from '../contract/maker.js';
import { takesWinograd } from '../contract/products.js';
import { nmse, seededRandom } from '../cpu/numbers.js';
import { openSoftware } from './harness.js';
import { instrument, instrumented } from './instrument.js';

const driver = await softwareDriver();
const test = suite('bounds');
const random = seededRandom('bounds');

test('the instrument finds an index outside', () => {
  const code = instrumented(`@group(0) @binding(1) var<storage, read> x: array<vec4<f32>>;
var<workgroup> parts: array<f32, 64>;
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) localIndex: u32) { parts[x[i + 1][2]] = 1.0; }`);
  assert.match(code, 'parts[within(i32(x[within(i32(i + 1), i32(arrayLength(&x)))][2]), 64)]');
});

if (driver !== null) {
  /**
   * Products are long programs, which take seconds to compile: some of their cases are tried, by the seed, and few with one form
   * of tiles; TANDEM_TEST_BOUNDS=0.5 tries half of them, with each form.
   */
  const told = process.env.TANDEM_TEST_BOUNDS;
  const sampled = Number(told || 0.12);
  const forms = tileForms.map(({ name }) => name);
  const tried = told ? forms : [forms[random.integer(forms.length)]!];
  const isTiled = (kernel: string): boolean => /matmul|conv/.test(kernel);

  const faultsOf = async (device: WebGpuDevice, faults: GPUBuffer): Promise<Int32Array> => {
    await device.sync();
    const read = device.gpu.createBuffer({ size: 8, usage: 0x9 }); // MAP_READ | COPY_DST
    const encoder = device.gpu.createCommandEncoder();
    encoder.copyBufferToBuffer(faults, 0, read, 0, 8);
    device.gpu.queue.submit([encoder.finish()]);
    await read.mapAsync(1);
    return new Int32Array(read.getMappedRange().slice(0));
  };

  async function runAll<K extends KernelName>(
    device: WebGpuDevice,
    kernel: K,
    share = 1,
    takes: (args: Kernels[KernelName]) => boolean = () => true,
  ): Promise<void> {
    const make = new Maker(random, (data) => device.upload(data, 'test'));
    for (const { args, outs, tolerance = 1e-9 } of generators[kernel](make)) {
      const held = make.take();
      if (!takes(args) || random.uniform() >= share) {
        for (const { buffer } of held) device.free(buffer);
        continue;
      }
      device.kernels[kernel](args);
      loops[kernel](args);
      for (const out of outs) {
        const actual = await device.read({ ...out, shape: [out.data.length], strides: [1], offset: 0 });
        assert.ok(nmse(actual, out.data) <= tolerance, `${kernel} reads what nobody wrote`);
      }
      for (const { buffer } of held) device.free(buffer);
    }
  }

  for (const tiles of ['direct', 'shared', ...tried] as const) {
    const device = await openSoftware(driver, { tiles, checkPrograms: false });
    const faults = instrument(device.gpu);
    test.after(() => device.close());
    for (const kernel of Object.keys(generators).filter((name): name is KernelName => name in generators)) {
      if (tiles !== 'direct' && !isTiled(kernel)) continue;
      test(`${kernel}, ${tiles} tiles`, async () => {
        const [before = 0] = await faultsOf(device, faults);
        await runAll(
          device,
          kernel,
          isTiled(kernel) ? (tiles === 'direct' || tiles === 'shared' ? sampled : sampled / 2) : 1,
        );
        const [count = 0, index] = await faultsOf(device, faults);
        assert.is(count - before, 0, `${count - before} indices outside, the last ${index}`);
      });
    }
  }

  const winograd = await openSoftware(driver, { winograd: 'always', checkPrograms: false });
  const winogradFaults = instrument(winograd.gpu);
  test.after(() => winograd.close());
  for (const kernel of ['conv2d', 'conv2dInputGrad'] as const) {
    test(`${kernel}, by Winograd's method`, async () => {
      const [before = 0] = await faultsOf(winograd, winogradFaults);
      await runAll(winograd, kernel, 1, takesWinograd);
      const [count = 0, index] = await faultsOf(winograd, winogradFaults);
      assert.is(count - before, 0, `${count - before} indices outside, the last ${index}`);
    });
  }

  test('a device without bounds checks computes the same, and says so', async () => {
    const device = await openSoftware(driver, { boundsChecks: false });
    assert.match(device.description, /without bounds checks/);
    for (const kernel of ['map', 'gather', 'pool2d'] as const) await runAll(device, kernel);
    await device.close();
  });
}

test.run();
