/**
 * The process of `run.ts`: AlexNet's step on a card that isn't there, so that what it takes is the host's own work, or on one that
 * is. As in training, a step is enqueued before the figures of the one before are read. Prints one line of JSON. Arguments: images in
 * a batch, steps, the driver (as `openDevice` takes it; empty for the system's).
 */
import { readFileSync } from 'node:fs';
import { nets } from '../../src/alexnet/recipes.js';
import { Trainer } from '../../src/alexnet/trainer.js';
import { openWebGpu } from '../../src/backends/webgpu/runtime/device.js';
import { Device } from '../../src/core/device.js';
import { type PendingFigures, readFigures, takeStep } from '../../src/train/step.js';
import { median } from '../stats.js';

/**
 * What the steps took: milliseconds that the main thread ran (not those it waited for a core), of a step faster than nine in
 * ten, since others on the machine only slow it down.
 */
export interface HostCost {
  /** Enqueueing a step. */
  readonly enqueue: number;
  /** From a step to the next, the figures of the one before read. */
  readonly step: number;
  /** From a step to the next by the clock, the median: on a card that is there, what a training gets. */
  readonly wall: number;
  /** Of a step's kernels together, as the card took the times of three steps afterwards. */
  readonly kernels: number;
  /** Of a step. */
  readonly dispatches: number;
  readonly submits: number;
  /** Of the steps after the third, all together. */
  readonly buffersMade: number;
  readonly pipelinesMade: number;
  readonly bindGroupsMade: number;
}

const [batchSize = 128, steps = 30] = process.argv.slice(2, 4).map(Number);
const backend = await openWebGpu('webgpu:0', process.argv[4] ? { driver: process.argv[4] } : {});
const device = new Device('webgpu:0', backend);
const net = nets.alexnet;
const { size, channels } = net.architecture;
const { imageSize } = net.recipe;
const trainer = new Trainer({
  net,
  recipe: { ...net.recipe, batchSize },
  classes: 1000,
  devices: [device],
  seed: 0,
  mean: new Float32Array(channels * imageSize ** 2).fill(100),
});
const batches = Array.from({ length: 3 }, (_, k) => ({
  images: new Uint8Array(batchSize * channels * size ** 2).fill(k),
  labels: Int32Array.from({ length: batchSize }, (_, i) => i % 1000),
  offsets: Int32Array.from({ length: 2 * batchSize }, (_, i) => (7 * i + k) % 32),
  mirrored: Uint8Array.from({ length: batchSize }, (_, i) => (i + k) % 2),
  colour: new Float32Array(channels * batchSize),
}));

/** Milliseconds that the main thread has run, by Linux's account. */
const ran = (): number => Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[0]) / 1e6;

const settled = 3;
let pending: PendingFigures | null = null;
let before = backend.counters();
const times: { enqueue: number; step: number; wall: number }[] = [];
let last = performance.now();
for (let step = 0; step < settled + steps; step++) {
  if (step === settled) before = backend.counters();
  const start = ran();
  const figures = takeStep(trainer, batches[step % batches.length]!);
  const enqueued = ran();
  if (step < settled) await device.compile();
  if (pending) await readFigures(pending);
  pending = figures;
  const now = performance.now();
  if (step >= settled) times.push({ enqueue: enqueued - start, step: ran() - start, wall: now - last });
  last = now;
}
const after = backend.counters();
if (pending) await readFigures(pending);
const profiled = 3;
device.startProfile();
for (let step = 0; step < profiled; step++) await readFigures(takeStep(trainer, batches[step]!));
const kernels = await device.stopProfile();
/** Buffers of tensors, and those through which numbers are read and written. */
const made = ({ buffersCreated, readbacksCreated, uploadsCreated }: typeof after): number =>
  buffersCreated + readbacksCreated + uploadsCreated;
const tenth = (values: number[]): number => values.sort((a, b) => a - b)[Math.floor(values.length / 10)]!;
const cost: HostCost = {
  enqueue: tenth(times.map(({ enqueue }) => enqueue)),
  step: tenth(times.map(({ step }) => step)),
  wall: median(times.map(({ wall }) => wall)),
  kernels: kernels.reduce((sum, { milliseconds }) => sum + milliseconds, 0) / profiled,
  dispatches: (after.dispatches - before.dispatches) / steps,
  submits: (after.submits - before.submits) / steps,
  buffersMade: made(after) - made(before),
  bindGroupsMade: after.bindGroupsCreated - before.bindGroupsCreated,
  pipelinesMade: after.pipelinesCreated - before.pipelinesCreated,
};
process.stdout.write(`${JSON.stringify(cost)}\n`);
trainer.dispose();
await device.close();
