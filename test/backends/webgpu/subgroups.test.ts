/**
 * Folds over a workgroup through subgroups give the bits of those through workgroup memory: kernels on a driver that has
 * subgroups, and what is printed for subgroups of every size, with memory in the place of the registers they'd see.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { HostRandom } from '../../../src/backends/threefry.js';
import { workgroupFold } from '../../../src/backends/webgpu/kernels/workgroupFold.js';
import type { KernelName } from '../../../src/core/backend.js';
import { drawOf } from '../../../src/core/random.js';
import { softwareDriver } from '../../../support/driver.js';
import { generators } from '../contract/generators.js';
import { Maker } from '../contract/maker.js';
import { seededRandom } from '../cpu/numbers.js';
import { openSoftware } from './harness.js';

const driver = await softwareDriver();
const test = suite('subgroups');

test('subgroups of a workgroup or more take no memory and no barrier', () => {
  const text = workgroupFold({ subgroups: { min: 64, max: 64 } }, [
    { name: 'v', fold: (a, b) => `${a} + ${b}` },
  ]);
  assert.not.match(text, /parts|Barrier/);
  assert.is(text.split('subgroupShuffleXor').length - 1, 6);
});

if (driver !== null) {
  const random = seededRandom('subgroups');
  const devices = {
    with: await openSoftware(driver),
    without: await openSoftware(driver, { subgroups: false }),
  };
  test.after(async () => {
    for (const device of Object.values(devices)) await device.close();
  });

  async function compare<K extends KernelName>(kernel: K): Promise<void> {
    const seed = random.integer(1 << 30);
    const results: Uint8Array[][] = [];
    for (const device of Object.values(devices)) {
      const make = new Maker(new HostRandom(drawOf(seed, 0)), (data) => device.upload(data, 'test'));
      const bytes: Uint8Array[] = [];
      for (const { args, outs } of generators[kernel](make)) {
        const held = make.take();
        device.kernels[kernel](args);
        for (const out of outs) {
          const whole = { ...out, shape: [out.data.length], strides: [1], offset: 0 };
          const { buffer, byteOffset, byteLength } = await device.read(whole);
          bytes.push(new Uint8Array(buffer, byteOffset, byteLength));
        }
        for (const { buffer } of held) device.free(buffer);
      }
      results.push(bytes);
    }
    const [one, other] = results;
    one!.forEach((bytes, i) => {
      assert.ok(Buffer.compare(bytes, other![i]!) === 0, `${kernel}: result ${i} has other bits`);
    });
  }

  for (const kernel of ['foldMap', 'crossEntropy'] as const) {
    test(`${kernel} has the bits of the device without`, async () => {
      const { features } = devices.with.gpu;
      if (!features.has('subgroups')) {
        console.warn(`\nTEST OF SUBGROUPS SKIPPED: ${devices.with.description} has none.\n`);
        return;
      }
      assert.not(devices.without.gpu.features.has('subgroups'));
      await compare(kernel);
    });
  }

  test('the bits of every size of subgroups are those without', async () => {
    const { gpu } = devices.with;
    const numbers = Float32Array.from({ length: 128 }, () => 2 ** (12 * random.uniform()) * random.normal());
    const input = gpu.createBuffer({ size: 512, usage: 0x88 }); // STORAGE | COPY_DST
    gpu.queue.writeBuffer(input, 0, numbers);
    const run = async (size: number | null): Promise<Float32Array> => {
      // Drivers of one size are asked for it alone, others for all: both are printed here.
      const exact = size !== null && size < 128 && random.uniform() < 0.5;
      const subgroups = size === null ? null : exact ? { min: size, max: size } : { min: 4, max: 128 };
      const statements = workgroupFold({ subgroups }, [
        { name: 'sum', fold: (a, b) => `(${a} + ${b})` },
        { name: 'most', fold: (a, b) => `max(${a}, ${b})` },
      ]);
      const code = `@group(0) @binding(0) var<storage, read_write> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> out: array<f32>;
var<workgroup> parts: array<f32, 128>;
var<workgroup> registers: array<f32, 64>;
fn shuffle(value: f32, local: i32, step: i32) -> f32 {
  registers[local] = value;
  workgroupBarrier();
  let taken = registers[local ^ step];
  workgroupBarrier();
  return taken;
}
@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) localIndex: u32) {
  let local = i32(localIndex);
  const subgroupSize = ${size ?? 64};
  let lane = local % subgroupSize;
  var sum = x[local]; var most = x[64 + local];
  ${statements.replaceAll(/subgroupShuffleXor\((\w+), (\d+)u\)/g, 'shuffle($1, local, $2)')}
  out[local] = sum; out[64 + local] = most;
}`;
      const module = gpu.createShaderModule({ code });
      const pipeline = await gpu.createComputePipelineAsync({
        layout: 'auto',
        compute: { module, entryPoint: 'main' },
      });
      const [out, read] = [0x84, 0x9].map((usage) => gpu.createBuffer({ size: 512, usage })); // STORAGE | COPY_SRC, MAP_READ | COPY_DST
      const group = gpu.createBindGroup({
        layout: pipeline.getBindGroupLayout(0),
        entries: [input, out!].map((buffer, binding) => ({ binding, resource: { buffer } })),
      });
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(1);
      pass.end();
      encoder.copyBufferToBuffer(out!, 0, read!, 0, 512);
      gpu.queue.submit([encoder.finish()]);
      await read!.mapAsync(1);
      return new Float32Array(read!.getMappedRange().slice(0));
    };
    const wanted = await run(null);
    const total = numbers.subarray(0, 64).reduce((sum, x) => sum + x, 0);
    assert.ok(Math.abs(wanted[0]! - total) < 1e-2);
    assert.is(wanted[64], Math.max(...numbers.subarray(64)));
    for (const size of [4, 8, 16, 32, 64, 128]) {
      assert.equal(await run(size), wanted, `subgroups of ${size}`);
    }
  });
}

test.run();
