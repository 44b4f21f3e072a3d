/**
 * Devices that keep the books and compute nothing: what a program would allocate, multiply and send across, without
 * the hours or the hardware that running it would take.
 *
 * A dry device shares its kind's own account of memory and its own kernels up to the point where work would be
 * enqueued, so it counts padded and packed temporaries, tables, and rounded sizes as the real one does. Whatever is
 * read from it is zeros.
 */
import type { Backend, KernelName } from '../core/backend.js';
import { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { bytesPerElement, type DType, makeArray, sizeOf, type TypedArray } from '../core/shape.js';
import { type Phase, trace } from '../core/trace.js';
import { costOf } from './cost.js';
import { kernelTable } from './kernelTable.js';
import type { DryOptions } from './kind.js';
import { type DeviceName, kindOf, loadKind } from './registry.js';

export type { DryOptions };

/** All runs of a kernel for one layer and phase. */
export interface DryRow {
  readonly kernel: KernelName;
  /** As core/trace.ts had it. */
  readonly layer: string;
  readonly phase: Phase;
  readonly runs: number;
  /** What was enqueued for them: dispatches of a WebGPU device, commands of a CPU's team. */
  readonly dispatches: number;
  /** Floating-point operations (a multiply-add counts as two), and bytes read and written at the least. */
  readonly flops: number;
  readonly bytes: number;
}

/** A device that computes nothing. */
interface DryDevice {
  readonly device: Device;
  /** What was asked of it since the last call. */
  takeRows(): DryRow[];
}

/** Elements that an array has in earnest: what a program looks at, losses and errors, is no longer. */
const mostElements = 2 ** 16;

/**
 * Zeros for a dry device to be given or read from. A long array says how long it is and holds nothing, so that a batch
 * can be counted that no memory would hold, and whose length no array could have.
 */
export function dryArray(dtype: 'uint8', length: number): Uint8Array;
export function dryArray(dtype: DType, length: number): TypedArray;
export function dryArray(dtype: DType, length: number): TypedArray {
  if (length <= mostElements) return makeArray(dtype, length);
  return Object.defineProperties(makeArray(dtype, 0), {
    length: { value: length },
    byteLength: { value: length * bytesPerElement[dtype] },
  });
}

/** Opens a dry device: `await openDryDevice('webgpu:0')`. @param label what it's called instead */
export async function openDryDevice(
  name: DeviceName,
  options: DryOptions = {},
  label: string = name,
): Promise<DryDevice> {
  const kind = kindOf(name);
  if (kind === null) throw new ArgumentError(`openDryDevice: there is no device '${name}'`);
  const books = (await loadKind(kind)).openBooks(name, options);
  const rows = new Map<string, DryRow>();
  const backend: Backend = {
    kind,
    description: `dry run of a ${kind} device`,
    dtypes: books.dtypes,
    kernels: kernelTable((kernel, args) => {
      const { layer, phase } = trace;
      const key = [kernel, layer, phase].join('\n');
      const row = rows.get(key) ?? { kernel, layer, phase, runs: 0, dispatches: 0, flops: 0, bytes: 0 };
      const { flops, bytes } = costOf(kernel, args);
      rows.set(key, {
        ...row,
        runs: row.runs + 1,
        dispatches: row.dispatches + books.launch(kernel, args),
        flops: row.flops + flops,
        bytes: row.bytes + bytes,
      });
    }),
    alloc: (bytes, op) => books.alloc(bytes, op),
    upload: (data, op) => books.alloc(data.byteLength, op),
    uploadLater: (_data, bytes, op) => books.alloc(bytes, op),
    fail: () => {},
    copyFrom: (_source, view, op, arrived) => {
      arrived(performance.now(), 0);
      return books.alloc(sizeOf(view.shape) * bytesPerElement[view.dtype], op);
    },
    free: (buffer) => books.free(buffer),
    read: async (view) => dryArray(view.dtype, sizeOf(view.shape)),
    lend: async (views) => views.map((view) => dryArray(view.dtype, sizeOf(view.shape))),
    takeBack: () => {},
    sync: async () => {},
    compile: async () => {},
    memory: () => books.memory(),
    startProfile: () => {},
    stopProfile: async () => [],
    close: async () => {},
  };
  const takeRows = (): DryRow[] => {
    const taken = [...rows.values()];
    rows.clear();
    return taken;
  };
  return { device: new Device(label, backend), takeRows };
}
