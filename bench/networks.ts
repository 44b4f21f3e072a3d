/**
 * Whole AlexNet: inference and training steps, with a breakdown of where the time goes.
 *
 * A run is what a user does: bytes of random images go up, the network computes, and for inference the scores come
 * back. A training step is the trainer's: forward, cross-entropy, backward, SGD. The rate counts multiply-adds of
 * convolutions and products alone, by arithmetic from the network's table, so that all else shows as lost.
 */
import { multiplyAdds, placeLayers, trainingMultiplyAdds } from '../src/alexnet/architecture.js';
import { nets } from '../src/alexnet/recipes.js';
import { Trainer } from '../src/alexnet/trainer.js';
import { HostRandom } from '../src/backends/threefry.js';
import type { KernelTime } from '../src/core/backend.js';
import type { Device } from '../src/core/device.js';
import { drawOf } from '../src/core/random.js';
import { readFigures, takeStep } from '../src/train/step.js';
import { type Budget, idealTime, measure } from './harness.js';
import { bestRates, type Probe, type Rates } from './probes.js';
import type { Part, Row } from './rows.js';

/** Some work of a network on a batch. */
export interface NetworkRow {
  readonly name: string;
  readonly work: 'inference' | 'training step';
  readonly batch: number;
}

const net = nets.alexnet;
const classes = 1000;

/** Runs after which the buffers of one serve the next. */
const settled = 3;

/** A row for each batch size. */
export function networkRows(work: NetworkRow['work'], batches: readonly number[]): NetworkRow[] {
  return batches.map((batch) => ({ name: `AlexNet ${work}, batch ${batch}`, work, batch }));
}

/** Multiply-adds of the row's work. */
function multiplyAddsOf({ work, batch }: NetworkRow): number {
  const layers = placeLayers(net.architecture, net.placement(classes));
  const forward = [...multiplyAdds(layers).values()].reduce((a, b) => a + b, 0);
  return batch * (work === 'inference' ? forward : trainingMultiplyAdds(layers));
}

/** Measures a row on freshly opened devices, so that their peak is the row's own. */
export async function measureNetwork(
  row: NetworkRow,
  devices: readonly Device[],
  probe: Probe,
  budget: Omit<Budget, 'burst'>,
  seed: number,
): Promise<Omit<Row, 'device' | 'threads'>> {
  const { channels, size } = net.architecture;
  const mean = new Float32Array(channels * net.recipe.imageSize ** 2).fill(127);
  const trainer = new Trainer({ net, recipe: net.recipe, classes, devices, seed, mean });
  const random = new HostRandom(drawOf(seed, 0));
  const images = Uint8Array.from({ length: row.batch * channels * size * size }, () => random.integer(256));
  const labels = Int32Array.from({ length: row.batch }, () => random.integer(classes));
  const live: number[] = [];
  const run = async (): Promise<void> => {
    if (row.work === 'inference') {
      const scores = trainer.classifier.predict({ images });
      await scores.data().finally(() => scores.dispose());
    } else await readFigures(takeStep(trainer, { images, labels }));
  };
  const sync = async (): Promise<void> => {
    await Promise.all(devices.map((device) => device.sync()));
    live.push(devices.reduce((sum, device) => sum + device.memory().live, 0));
  };
  try {
    const cost = { flops: 2 * multiplyAddsOf(row), bytes: 0 };
    const measured = await measure({ run, sync, cost }, probe, { ...budget, burst: 0 });
    for (const device of devices) device.startProfile();
    const rates = await bestRates(probe);
    const start = performance.now();
    await run();
    const kernels = await Promise.all(devices.map((device) => device.stopProfile()));
    const wall = performance.now() - start;
    return {
      name: row.name,
      ...measured,
      network: {
        images: row.batch,
        msPerImage: measured.medianMs / row.batch,
        shareOfRoofline: kernels.flat().reduce((sum, kernel) => sum + idealTime(kernel, rates), 0) / wall,
        busy: kernels.map((times) => total(times) / wall),
        breakdown: breakdown(kernels.flat(), rates, devices.length),
        memory: devices.map((device) => device.memory()),
        memoryFlat: new Set(live.slice(Math.min(settled, live.length - 2))).size === 1,
      },
    };
  } finally {
    trainer.dispose();
  }
}

function total(times: readonly KernelTime[]): number {
  return times.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
}

/** Kernels of a kind, layer and phase together, the longest first. */
function breakdown(times: readonly KernelTime[], rates: Rates, devices: number): Part[] {
  const groups = new Map<string, KernelTime[]>();
  for (const time of times) {
    const key = [time.phase, time.layer, time.kernel].join();
    groups.set(key, [...(groups.get(key) ?? []), time]);
  }
  const parts = [...groups.values()].map((group): Part => {
    const { phase = '', layer = '', kernel = '' } = group[0] ?? {};
    const milliseconds = total(group);
    const flops = group.reduce((sum, time) => sum + time.flops, 0);
    const bytes = group.reduce((sum, time) => sum + time.bytes, 0);
    // Each device has its share of the rates.
    const ideal = devices * group.reduce((sum, time) => sum + idealTime(time, rates), 0);
    // A clock of coarse steps can say that a kernel took no time; a report holds finite numbers.
    const perMs = (x: number): number => (milliseconds > 0 ? x / milliseconds : 0);
    return {
      phase,
      layer,
      kernel,
      milliseconds,
      share: milliseconds > 0 ? milliseconds / total(times) : 0,
      gflops: perMs(flops) / 1e6,
      gbps: perMs(bytes) / 1e6,
      shareOfPeak: perMs(ideal),
    };
  });
  return parts.sort((a, b) => b.milliseconds - a.milliseconds);
}
