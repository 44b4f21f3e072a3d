/**
 * The suite: every row that fits a setting, one after the other, each handed on as soon as it is measured. It runs in
 * Node and in browsers (page/live.ts) alike.
 */
import type { WebGpuOptions } from '../src/backends/open.js';
import { type Budget, type Measurement, measure } from './harness.js';
import { type KernelSizes, kernelRows } from './kernels.js';
import { measureNetwork, type NetworkRow, networkRows } from './networks.js';
import { opRows } from './ops.js';
import { bestRates, type Probe } from './probes.js';
import { rowOpRows } from './rowOps.js';
import { type Row, startName } from './rows.js';
import { closeAll, openProbe, openSetting, type Setting } from './settings.js';
import { transferRows } from './transfers.js';
import type { Work } from './work.js';

/** What to run, and how long. */
export interface SuiteOptions {
  readonly settings: readonly Setting[];
  /** Only rows whose name matches. */
  readonly only: RegExp;
  /** Smaller batches, fewer samples. */
  readonly quick: boolean;
  /** More sizes: networks at each power of two of images, ops from one element to many. */
  readonly scaling: boolean;
  readonly seed: number;
  readonly webGpu: WebGpuOptions;
  /** Measures the start of a process, where there are processes. */
  readonly measureStart?: (setting: Setting, probe: Probe, samples: number) => Promise<Row>;
  /** Called with each row, and with each setting's device descriptions by name. */
  onRow(row: Row): void;
  onDevices(descriptions: Readonly<Record<string, string>>): void;
  /** Called as a row begins, with how many its setting has in all. */
  onBegin?(setting: Setting, name: string, rows: number): void;
  /** Stops the suite, which then throws the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Sizes and patience. */
interface Plan {
  readonly kernels: KernelSizes;
  readonly inference: readonly number[];
  readonly training: readonly number[];
  readonly kernelBudget: Budget;
  readonly networkBudget: Omit<Budget, 'burst'>;
  readonly starts: number;
}

const full: Plan = {
  kernels: { batch: 16, squares: [256, 512, 768, 1024], fcBatches: [1, 16, 128] },
  inference: [1, 16, 128],
  training: [16, 128],
  kernelBudget: { samples: 7, time: 300, burst: 15 },
  networkBudget: { samples: 3, time: 3000 },
  starts: 7,
};

const quick: Plan = {
  kernels: { batch: 4, squares: [256, 1024], fcBatches: [1, 16] },
  inference: [1, 16],
  training: [16],
  kernelBudget: { samples: 5, time: 40, burst: 5 },
  networkBudget: { samples: 2, time: 0 },
  starts: 3,
};

/** For devices of a few GFLOP/s: software drivers. */
const slow: Plan = {
  kernels: { batch: 1, squares: [256, 512], fcBatches: [1, 16] },
  inference: [1],
  training: [1],
  kernelBudget: { samples: 3, time: 100, burst: 5 },
  networkBudget: { samples: 2, time: 0 },
  starts: 2,
};

const slowBelow = 8e9;

/** What `scaling` adds. */
const scaled = {
  inference: [1, 2, 4, 8, 16, 32, 64, 128, 256],
  training: [1, 2, 4, 8, 16, 32, 64, 128],
  opSides: [1, 32, 128, 512],
};
/** Its networks get no more patience than this: there are many of them. */
const scaledBudget = { samples: 3, time: 0 };

/** Runs all. */
export async function runSuite(options: SuiteOptions): Promise<void> {
  for (const setting of options.settings) {
    const probe = await openProbe(setting, options.webGpu);
    try {
      const { flops } = await bestRates(probe);
      const plan = flops < slowBelow ? slow : options.quick ? quick : full;
      const works = worksOf(setting, plan, options);
      const networks = networksOf(plan, options);
      const { measureStart, only } = options;
      const starts = measureStart && only.test(startName);
      const rows = works.length + networks.length + (starts ? 1 : 0);
      const begin = (name: string): void => {
        options.signal?.throwIfAborted();
        options.onBegin?.(setting, name, rows);
      };
      await runDeviceRows(works, setting, probe, plan, options, begin);
      await runNetworks(networks, setting, probe, plan, options, begin);
      if (starts) {
        begin(startName);
        options.onRow(await measureStart(setting, probe, plan.starts));
      }
    } finally {
      await probe.close();
    }
  }
}

/** Kernels and transfers that fit a setting. */
function worksOf({ names }: Setting, { kernels }: Plan, { scaling, only }: SuiteOptions): Work[] {
  return [
    ...kernelRows(kernels),
    ...opRows(scaling ? scaled.opSides : []),
    ...rowOpRows(kernels.batch),
    ...transferRows(kernels.batch),
  ].filter((work) => work.devices === names.length && only.test(work.name));
}

/** Whole networks. */
function networksOf(plan: Plan, { scaling, only }: SuiteOptions): NetworkRow[] {
  const { inference, training } = scaling && plan !== slow ? scaled : plan;
  const rows = [...networkRows('inference', inference), ...networkRows('training step', training)];
  return rows.filter(({ name }) => only.test(name));
}

/** Runs kernels and transfers, on devices opened once. */
async function runDeviceRows(
  works: readonly Work[],
  setting: Setting,
  probe: Probe,
  plan: Plan,
  options: SuiteOptions,
  begin: (name: string) => void,
): Promise<void> {
  const budget = { ...plan.kernelBudget, signal: options.signal };
  const devices = await openSetting(setting, options.webGpu);
  options.onDevices(Object.fromEntries(devices.map((device) => [device.name, device.description])));
  const sync = async (): Promise<void> => {
    await Promise.all(devices.map((device) => device.sync()));
  };
  try {
    for (const { name, prepare } of works) {
      begin(name);
      const ready = prepare(devices, options.seed);
      try {
        const { cost } = ready;
        const measured = await measure({ run: () => ready.run(), sync, cost }, probe, budget);
        options.onRow(rowOf(setting, name, measured));
      } finally {
        ready.dispose();
      }
    }
  } finally {
    await closeAll(devices);
  }
}

/** Runs whole networks, each on devices of its own. */
async function runNetworks(
  rows: readonly NetworkRow[],
  setting: Setting,
  probe: Probe,
  plan: Plan,
  { scaling, signal, ...options }: SuiteOptions,
  begin: (name: string) => void,
): Promise<void> {
  const budget = scaling && plan === full ? scaledBudget : plan.networkBudget;
  for (const row of rows) {
    begin(row.name);
    const devices = await openSetting(setting, options.webGpu);
    try {
      const { name, network, ...measured } = await measureNetwork(
        row,
        devices,
        probe,
        { ...budget, signal },
        options.seed,
      );
      options.onRow({ ...rowOf(setting, name, measured), ...(network && { network }) });
    } finally {
      await closeAll(devices);
    }
  }
}

function rowOf({ device, threads }: Setting, name: string, measured: Measurement): Row {
  return { name, device, threads, ...measured };
}
