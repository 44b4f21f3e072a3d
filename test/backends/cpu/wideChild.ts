/**
 * A program for wide.test.ts: prints a hash of the bits that every kernel of the contract gives over generated arguments
 * on a CPU device, and the device's description. Its arguments are the device's options as JSON, and a seed.
 */
import { createHash } from 'node:crypto';
import { openCpu } from '../../../src/backends/cpu/runtime/device.js';
import { HostRandom } from '../../../src/backends/threefry.js';
import type { Backend, KernelName } from '../../../src/core/backend.js';
import { drawOf } from '../../../src/core/random.js';
import { generators } from '../contract/generators.js';
import { Maker } from '../contract/maker.js';

async function hashOf<K extends KernelName>(device: Backend, kernel: K, random: HostRandom): Promise<string> {
  const hash = createHash('sha256');
  const make = new Maker(random, (data) => device.upload(data, 'test'));
  for (const { args, outs } of generators[kernel](make)) {
    device.kernels[kernel](args);
    for (const out of outs)
      hash.update(await device.read({ ...out, shape: [out.data.length], strides: [1], offset: 0 }));
    for (const { buffer } of make.take()) device.free(buffer);
  }
  return hash.digest('hex');
}

const [options = '', seed = ''] = process.argv.slice(2);
const device = await openCpu(JSON.parse(options));
const random = new HostRandom(drawOf(Number(seed), 0));
const kernels = Object.keys(generators).filter((name): name is KernelName => name in generators);
const hashes: Record<string, string> = {};
for (const kernel of kernels) hashes[kernel] = await hashOf(device, kernel, random);
console.log(JSON.stringify({ description: device.description, hashes }));
await device.close();
