/**
 * The thread of the benchmark: the repository's own suite, row by row.
 */
import type { Row } from '../../bench/rows.js';
import { parseSettings } from '../../bench/settings.js';
import { runSuite } from '../../bench/suite.js';

/** What to measure. */
export interface ToMachine {
  /** 'cpu:0' or 'webgpu:0'. */
  readonly device: string;
  readonly threads: number;
  /** The name of the WebGPU adapter. */
  readonly adapter?: string;
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

self.onmessage = ({ data: { device, threads, adapter } }: MessageEvent<ToMachine>) => {
  runSuite({
    settings: parseSettings(device, String(threads)),
    only: kernels,
    quick: true,
    scaling: false,
    seed: 1,
    webGpu: adapter === undefined ? {} : { adapter },
    onRow: (row) => tell({ kind: 'row', row }),
    onDevices: (devices) => tell({ kind: 'devices', devices }),
  }).then(
    () => tell({ kind: 'done' }),
    (error: unknown) =>
      tell({ kind: 'failed', problem: error instanceof Error ? error.message : String(error) }),
  );
};
