/**
 * The thread of the benchmark: the repository's own suite, row by row.
 */
import { listAdapters } from 'tandem-ts';
import type { Row } from '../../bench/rows.js';
import { parseSettings } from '../../bench/settings.js';
import { runSuite } from '../../bench/suite.js';

/** What to measure: all threads of the processor together, or the first WebGPU adapter. */
export interface ToMachine {
  readonly device: 'cpu' | 'webgpu';
  readonly threads: number;
}

/** From the thread: a row; the devices' descriptions; or the end. */
export type FromMachine =
  | { readonly kind: 'row'; readonly row: Row }
  | { readonly kind: 'devices'; readonly devices: Readonly<Record<string, string>> }
  | { readonly kind: 'done' }
  | { readonly kind: 'failed'; readonly problem: string };

const tell = (message: FromMachine): void => self.postMessage(message);

/** Kernels alone: products, convolutions, pooling, normalization, passes over memory. */
const kernels = /^(matmul|fc\d|conv|pool|lrn|softmax|copy|relu|add|sum|sgd)/i;

async function measure({ device, threads }: ToMachine): Promise<void> {
  const [adapter] = device === 'webgpu' ? await listAdapters() : [];
  await runSuite({
    settings: parseSettings(`${device}:0`, String(threads)),
    only: kernels,
    quick: true,
    scaling: false,
    seed: 1,
    webGpu: adapter ? { adapter: adapter.name } : {},
    onRow: (row) => tell({ kind: 'row', row }),
    onDevices: (devices) => tell({ kind: 'devices', devices }),
  });
}

self.onmessage = ({ data }: MessageEvent<ToMachine>) => {
  measure(data).then(
    () => tell({ kind: 'done' }),
    (error: unknown) =>
      tell({ kind: 'failed', problem: error instanceof Error ? error.message : String(error) }),
  );
};
