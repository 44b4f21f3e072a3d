/**
 * The contract, on every backend: each kernel over generated arguments against the plain loops, and the plain loops
 * of gradients against finite differences in double precision.
 *
 * A new backend gets these tests with a line in `openings`. TANDEM_TEST_SHARE=0.2 runs a share of the cases, drawn by the seed,
 * on WebGPU alone: for drivers that compile slowly.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { loops } from '../../src/backends/cpu/kernels/loops.js';
import { kindOf, loadKind } from '../../src/backends/registry.js';
import type { Backend, KernelName, Kernels } from '../../src/core/backend.js';
import { sizeOf } from '../../src/core/shape.js';
import { softwareDriver } from '../../support/driver.js';
import { generators } from './contract/generators.js';
import { type Case, type Held, Maker } from './contract/maker.js';
import { takesWinograd } from './contract/products.js';
import { nmse, seededRandom } from './cpu/numbers.js';

const driver = await softwareDriver();

/** The kernels that are made of tiles. */
const tiled: readonly KernelName[] = ['matmul', 'conv2d', 'conv2dInputGrad', 'conv2dWeightGrad'];
/** Those that WebGPU may do by Winograd's method. */
const byWinograd: readonly KernelName[] = ['conv2d', 'conv2dInputGrad'];
const kernels = Object.keys(generators).filter((name): name is KernelName => name in generators);

/** A way of running kernels: a device's name, its options, and the kernels that they make a difference to. */
interface Opening {
  readonly name: string;
  readonly options: object;
  readonly kernels: readonly KernelName[];
  /** Which of their calls. Default: all. */
  readonly takes?: (args: Kernels[KernelName]) => boolean;
}
const share = Number(process.env.TANDEM_TEST_SHARE || 1);
const cpus: readonly Opening[] = [
  { name: 'cpu:0', options: { threads: 2 }, kernels },
  { name: 'cpu:0', options: { threads: 1, deterministic: true }, kernels },
  { name: 'cpu:0', options: { threads: 3, kernels: 'plain' }, kernels },
  { name: 'cpu:0', options: { threads: 2, kernels: 'direct' }, kernels: tiled },
];
const openings: readonly Opening[] = [
  ...(share === 1 ? cpus : []),
  ...(driver === null
    ? []
    : [
        { name: 'webgpu:0', options: { driver, tiles: 'direct', checkPrograms: true }, kernels },
        { name: 'webgpu:0', options: { driver, tiles: 'shared', checkPrograms: true }, kernels: tiled },
        {
          name: 'webgpu:0',
          options: { driver, winograd: 'always', checkPrograms: true },
          kernels: byWinograd,
          takes: takesWinograd,
        },
      ]),
];

const random = seededRandom('contract');

/** Runs one call both ways and compares the whole buffers it writes. */
async function check<K extends KernelName>(
  device: Backend,
  kernel: K,
  { args, outs, tolerance = 1e-9 }: Case<K>,
  held: readonly Held[],
): Promise<void> {
  device.kernels[kernel](args);
  loops[kernel](args);
  for (const out of outs) {
    const whole = { ...out, shape: [out.data.length], strides: [1], offset: 0 };
    const actual = await device.read(whole);
    const error = nmse(actual, out.data);
    if (error <= tolerance) continue;
    const at = actual.findIndex((value, i) => !(Math.abs(value - out.data[i]!) <= 1e-3));
    const shapes = held.map((view) => `${view.dtype} ${view.shape} +${view.offset}`).join(', ');
    assert.unreachable(
      `${kernel} over ${shapes}: error ${error}; element ${at} is ${actual[at]}, expected ${out.data[at]}`,
    );
  }
}

async function checkAll<K extends KernelName>(
  device: Backend,
  kernel: K,
  takes: (args: Kernels[KernelName]) => boolean = () => true,
): Promise<void> {
  const make = new Maker(random, (data) => device.upload(data, 'test'));
  let taken = 0;
  for (const call of generators[kernel](make)) {
    const held = make.take();
    if (takes(call.args)) {
      taken++;
      if (random.uniform() < share) await check(device, kernel, call, held);
    }
    for (const { buffer } of held) device.free(buffer);
  }
  assert.ok(taken > 0, `${kernel}: no call is taken`);
}

for (const { name, options, kernels: own, takes } of openings) {
  const kind = kindOf(name);
  if (kind === null) throw new Error(`${name} names no kind of backend`);
  const { driver: _, ...told } = { driver: null, ...options };
  const test = suite(`${name} ${JSON.stringify(told)}`);
  const device = await (await loadKind(kind)).open(name, options);
  test.after(() => device.close());
  for (const kernel of own) test(kernel, () => checkAll(device, kernel, takes));
  test.run();
}

/** Half the distance of a finite difference. */
const step = 1e-5;

/** Compares a gradient kernel's loop with the change of the scalar it is the gradient of. */
function checkDerivatives<K extends KernelName>(kernel: K): number {
  let checked = 0;
  for (const { args, outs, derivative } of generators[kernel](new Maker(random, undefined, 'float64'))) {
    if (!derivative) continue;
    loops[kernel](args);
    const { by, value } = derivative;
    const gradient = outs[0]!;
    const size = sizeOf(by.shape);
    for (let trial = 0; trial < Math.min(size, 20); trial++) {
      const i = random.integer(size);
      const at = by.data[by.offset + i]!;
      const scalar = (x: number): number => {
        by.data[by.offset + i] = x;
        return value();
      };
      const expected = (scalar(at + step) - scalar(at - step)) / (2 * step);
      by.data[by.offset + i] = at;
      const found = gradient.data[gradient.offset + i]!;
      const close = Math.abs(found - expected) <= 1e-6 * Math.max(1, Math.abs(expected));
      assert.ok(
        close,
        `${kernel}: derivative by element ${i} of ${by.shape} is ${found}, expected ${expected}`,
      );
      checked++;
    }
  }
  return checked;
}

const derivatives = suite('gradients by finite differences');
for (const kernel of kernels.filter((name) => /Grad$|scatterAdd/.test(name))) {
  derivatives(kernel, () => assert.ok(checkDerivatives(kernel) > 0, `${kernel} has no derivative to check`));
}
derivatives.run();
