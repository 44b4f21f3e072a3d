/**
 * Pooled buffers settle: a step that repeats the one before makes none, whatever it asks for in which order; so AlexNet's at
 * full size makes none after the third, in the account that dry runs keep, which is the devices' own.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { nets } from '../../../src/alexnet/recipes.js';
import { Trainer } from '../../../src/alexnet/trainer.js';
import { dryArray, openDryDevice } from '../../../src/backends/dry.js';
import { Buffers } from '../../../src/backends/webgpu/runtime/buffers.js';
import { NoBuffer } from '../../../src/backends/webgpu/runtime/dry.js';
import type { BufferId } from '../../../src/core/shape.js';
import { type PendingFigures, takeStep } from '../../../src/train/step.js';
import { seededRandom } from '../cpu/numbers.js';

const test = suite('webgpu buffers');

test('a program that runs again takes what it made the first time', () => {
  const random = seededRandom('webgpu buffers');
  for (let round = 0; round < 50; round++) {
    // Numbers of bytes to ask for, and null where one of those in use is given back.
    const program = Array.from({ length: 60 }, () =>
      random.integer(5) < 2 ? null : Math.ceil(2 ** (15 + 10 * random.uniform())),
    );
    const picks = program.map(() => random.integer(1000));
    const limits = { budget: Number.POSITIVE_INFINITY, largest: Number.POSITIVE_INFINITY };
    const nowhere = { createBuffer: ({ size, usage }: GPUBufferDescriptor) => new NoBuffer(size, usage) };
    const buffers = new Buffers(nowhere, 'webgpu:0', limits, () => 0);
    const run = (): string => {
      const inUse: BufferId[] = [];
      const took: number[] = [];
      for (const [i, bytes] of program.entries()) {
        if (bytes !== null) {
          const id = buffers.alloc(bytes, 'test');
          inUse.push(id);
          took.push(buffers.get(id).number);
          assert.ok(buffers.get(id).bytes >= bytes);
        } else if (inUse.length > 0) buffers.free(inUse.splice(picks[i]! % inUse.length, 1)[0]!);
      }
      for (const id of inUse) buffers.free(id);
      return took.join(' ');
    };
    const first = run();
    const made = buffers.created;
    assert.is(run(), first);
    assert.is(buffers.created, made);
  }
});

for (const [batchSize, towers] of [
  [128, 1],
  [128, 2],
  [200, 1],
] as const) {
  test(`AlexNet at batch ${batchSize} makes no buffer after the third step, devices: ${towers}`, async () => {
    const { channels, size } = nets.alexnet.architecture;
    const { imageSize } = nets.alexnet.recipe;
    const opened = [await openDryDevice('webgpu:0'), await openDryDevice('webgpu:1')].slice(0, towers);
    const devices = opened.map(({ device }) => device);
    const recipe = { ...nets.alexnet.recipe, batchSize };
    const mean = new Float32Array(channels * imageSize ** 2);
    const trainer = new Trainer({ net: nets.alexnet, recipe, classes: 1000, devices, seed: 0, mean });
    const batch = {
      images: dryArray('uint8', batchSize * channels * size ** 2),
      labels: new Int32Array(batchSize),
      offsets: new Int32Array(2 * batchSize),
      mirrored: new Uint8Array(batchSize),
      colour: new Float32Array(channels * batchSize),
    };
    const given: number[][] = [];
    // A step's figures are read when the next one is enqueued.
    let pending: PendingFigures | null = null;
    for (let step = 0; step < 7; step++) {
      const figures = takeStep(trainer, batch);
      pending?.row.dispose();
      pending = figures;
      given.push(devices.map((device) => device.memory()).map(({ live, pooled }) => live + pooled));
    }
    for (const row of given.slice(3)) assert.equal(row, given[2]);
    pending?.row.dispose();
    trainer.dispose();
  });
}

test.run();
