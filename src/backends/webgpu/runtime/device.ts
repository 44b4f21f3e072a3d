/**
 * WebGPU devices: `openWebGpu` chooses an adapter and makes a logical device on it; `WebGpuDevice` joins buffers,
 * pipelines, queue and kernels to the `Backend` of the contract.
 */
import type {
  Backend,
  KernelName,
  Kernels,
  KernelTable,
  KernelTime,
  MemoryStats,
} from '../../../core/backend.js';
import { DeviceError } from '../../../core/errors.js';
import {
  type BufferId,
  bytesPerElement,
  type DType,
  makeArray,
  sizeOf,
  type TypedArray,
  type View,
} from '../../../core/shape.js';
import { trace } from '../../../core/trace.js';
import { costOf } from '../../cost.js';
import { kernelTable } from '../../kernelTable.js';
import { isNode } from '../../nodeModule.js';
import { kernels } from '../kernels/index.js';
import { type ChosenAdapter, chooseAdapter, softwareBudget } from './adapters.js';
import { Buffers, type MemoryLimits } from './buffers.js';
import { Health } from './errors.js';
import { checkWebGpuOptions, type Tiles, type WebGpuOptions } from './options.js';
import { Pipelines } from './pipelines.js';
import { Profiler } from './profile.js';
import { CommandQueue } from './queue.js';
import { Readbacks } from './readback.js';
import { Recorder } from './recorder.js';
import { defaultTuning, lanesThatShare, type Tuning, tuningKey } from './tuning.js';
import { Windows } from './windows.js';

/** What a device has made and done since it was opened. */
interface Counters {
  /** Buffers that tensors were kept in. */
  readonly buffersCreated: number;
  /** Buffers through which numbers were read: as many of a size as were being read at once. */
  readonly readbacksCreated: number;
  /** Buffers through which large arrays were written. */
  readonly uploadsCreated: number;
  /** Reads begun. */
  readonly reads: number;
  readonly pipelinesCreated: number;
  readonly bindGroupsCreated: number;
  readonly dispatches: number;
  readonly submits: number;
}

/**
 * Opens 'webgpu:0', 'webgpu:1', ...: each call makes a logical device of its own. The N-th adapter serves
 * 'webgpu:N'; where there are fewer, devices share them, and `description` says so.
 * @throws {ArgumentError} for a name that isn't 'webgpu:N'
 * @throws {DeviceError} when no adapter fits, saying what was looked for and how to get one.
 */
export async function openWebGpu(name: string, options: WebGpuOptions = {}): Promise<WebGpuDevice> {
  checkWebGpuOptions(`openDevice: ${name}`, options);
  const chosen = await chooseAdapter(name, options, options.boundsChecks === false);
  const { limits, features } = chosen.adapter;
  const bindingLimit = Math.min(
    options.bindingLimit ?? Number.POSITIVE_INFINITY,
    limits.maxStorageBufferBindingSize,
  );
  if (options.operands === 'float16' && !features.has('shader-f16')) {
    throw new DeviceError(
      `${name}: ${chosen.name} has no float16 (WebGPU's feature shader-f16): leave the option operands out`,
    );
  }
  const gpu = await chosen.adapter.requestDevice({
    label: name,
    requiredFeatures: [
      ...(features.has('timestamp-query') ? (['timestamp-query'] as const) : []),
      ...(options.operands === 'float16' ? (['shader-f16'] as const) : []),
      ...(options.subgroups !== false && features.has('subgroups') ? (['subgroups'] as const) : []),
    ],
    requiredLimits: {
      maxBufferSize: limits.maxBufferSize,
      maxStorageBufferBindingSize: bindingLimit,
    },
  });
  const budget = options.memoryLimit ?? (chosen.software ? await softwareBudget() : Number.POSITIVE_INFINITY);
  const tuning = await tuningFor(chosen, options.tiles);
  const memory = { budget, largest: limits.maxBufferSize };
  return new WebGpuDevice(name, gpu, chosen, memory, { ...options, tuning, bindingLimit });
}

/** Files of tunings, which Node alone has, by a name that bundlers for browsers don't see. */
const tuningFiles = (file = './tuningFile.js'): Promise<typeof import('./tuningFile.js')> =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ file);

/** The tiles of a device. */
interface ChosenTuning extends Omit<Tuning, 'tiles'> {
  readonly tiles: Tiles;
  /** Whether `tune` measured them on the adapter. */
  readonly measured: boolean;
}

/** @param tiles as the caller wants them, whatever was measured */
async function tuningFor(
  { adapter: { info }, name, software }: ChosenAdapter,
  tiles: Tiles | undefined,
): Promise<ChosenTuning> {
  if (tiles !== undefined) return { ...defaultTuning(info, software), tiles, times: {}, measured: false };
  const file = isNode() ? await tuningFiles() : null;
  const measured = file?.readTuning(tuningKey(name, info.description)) ?? null;
  return { ...(measured ?? defaultTuning(info, software)), measured: measured !== null };
}

/** The element types of WebGPU devices. */
export const webGpuDTypes: ReadonlySet<DType> = new Set<DType>(['float32', 'int32', 'uint8']);

/** One logical device. */
export class WebGpuDevice implements Backend {
  readonly kind = 'webgpu';
  readonly description: string;
  readonly dtypes = webGpuDTypes;
  readonly kernels: KernelTable;
  private readonly health: Health;
  private readonly buffers: Buffers;
  private readonly pipelines: Pipelines;
  private readonly queue: CommandQueue;
  private readonly recorder: Recorder;
  private readonly readbacks: Readbacks;
  /** Reads under way: another device may wait for what they bring. */
  private readonly reads = new Set<Promise<TypedArray>>();

  constructor(
    name: string,
    readonly gpu: GPUDevice,
    chosen: ChosenAdapter,
    memory: MemoryLimits,
    {
      tuning,
      bindingLimit,
      boundsChecks = true,
      operands = 'float32',
      winograd = 'counted',
      checkPrograms = false,
    }: WebGpuOptions & { tuning: ChosenTuning; bindingLimit: number },
  ) {
    this.description = [
      `WebGPU ${chosen.software ? 'software adapter' : 'adapter'} ${chosen.name}`,
      ...(tuning.measured ? ['tuned'] : []),
      ...(operands === 'float16' ? ['operands in float16'] : []),
      ...(boundsChecks ? [] : ['without bounds checks']),
      ...(chosen.shared ? ['the only one: every webgpu:N is on it'] : []),
    ].join(', ');
    this.health = new Health(name, gpu);
    this.buffers = new Buffers(gpu, name, memory, () => this.queue.submitted);
    const windows = new Windows(this.buffers, bindingLimit, name);
    this.pipelines = new Pipelines(gpu, this.health, checkPrograms);
    this.queue = new CommandQueue(gpu, this.health, new Profiler(gpu, gpu.features.has('timestamp-query')));
    const { tiles, times, perByte } = tuning;
    const { info } = chosen.adapter;
    const lanes = gpu.features.has('subgroups') ? lanesThatShare(chosen.name, info) : 0;
    const tileDevice = { tiles, times, perByte, vendor: info.vendor.toLowerCase(), lanes };
    this.recorder = new Recorder(
      this.buffers,
      windows,
      this.pipelines,
      this.queue,
      tileDevice,
      operands === 'float16',
      gpu.features.has('subgroups') ? { min: info.subgroupMinSize, max: info.subgroupMaxSize } : null,
      winograd,
    );
    this.readbacks = new Readbacks(gpu, this.queue, chosen.software ? 'software' : 'gpu');
    this.kernels = kernelTable((kernel, args) => this.enqueue(kernel, args));
  }

  /** Buffers and pipelines made, flat over training, and what was done with them. */
  counters(): Counters {
    return {
      buffersCreated: this.buffers.created,
      readbacksCreated: this.readbacks.created,
      uploadsCreated: this.queue.uploads.created,
      reads: this.readbacks.begun,
      pipelinesCreated: this.pipelines.created,
      bindGroupsCreated: this.queue.groups.created,
      ...this.queue.counts,
    };
  }

  alloc(bytes: number, op: string): BufferId {
    this.health.requireOpen(op);
    return this.buffers.alloc(bytes, op);
  }

  upload(data: TypedArray, op: string): BufferId {
    const id = this.alloc(data.byteLength, op);
    if (data.byteLength > 0) this.queue.write(this.buffers.get(id), data);
    return id;
  }

  uploadLater(data: Promise<TypedArray>, bytes: number, op: string): BufferId {
    const id = this.alloc(bytes, op);
    this.queue.writeLater(this.buffers.get(id), data);
    return id;
  }

  copyFrom(): null {
    return null;
  }

  fail(error: Error): void {
    this.health.note(error);
  }

  free(buffer: BufferId): void {
    if (this.health.isOpen) this.buffers.free(buffer);
  }

  read(view: View): Promise<TypedArray> {
    const elements = this.readElements(view);
    const forget = (): void => void this.reads.delete(elements);
    this.reads.add(elements);
    elements.then(forget, forget);
    return elements;
  }

  private async readElements(view: View): Promise<TypedArray> {
    this.health.requireOpen('read');
    const size = bytesPerElement[view.dtype];
    const data = makeArray(view.dtype, sizeOf(view.shape));
    const bytes = new Uint8Array(data.buffer);
    const slot = this.buffers.get(view.buffer);
    if (bytes.length > 0)
      await this.waiting('read', () => this.readbacks.read(slot, view.offset * size, bytes));
    return data;
  }

  lend(views: readonly View[]): Promise<TypedArray[]> {
    return Promise.all(views.map((view) => this.read(view)));
  }

  takeBack(views: readonly View[], arrays: Promise<readonly TypedArray[]>): void {
    for (const [i, { buffer }] of views.entries()) {
      this.queue.writeLater(
        this.buffers.get(buffer),
        arrays.then((all) => all[i]!),
      );
    }
  }

  async sync(): Promise<void> {
    await this.waiting('sync', () => this.readbacks.finish());
  }

  async compile(): Promise<void> {
    this.health.requireOpen('compile');
    await this.pipelines.idle();
    this.health.throwKept('compile');
    this.queue.flush();
  }

  memory(): MemoryStats {
    return this.buffers.stats();
  }

  startProfile(): void {
    this.health.requireOpen('startProfile');
    this.queue.flush();
    this.queue.profiler.start();
  }

  async stopProfile(): Promise<KernelTime[]> {
    await this.sync();
    return this.queue.profiler.stop();
  }

  /** @throws what went wrong since the last wait; everything is freed all the same. */
  async close(): Promise<void> {
    try {
      // Dawn must not be left with work.
      if (this.health.isOpen) await this.waiting('close', () => this.readbacks.finish());
      await Promise.allSettled(this.reads);
    } finally {
      this.health.close();
      this.gpu.destroy();
      await this.gpu.lost;
    }
  }

  /** Waits, and throws what went wrong meanwhile: the first error explains more than those that follow from it. */
  private async waiting(op: string, wait: () => Promise<void>): Promise<void> {
    this.health.requireOpen(op);
    try {
      await wait();
    } catch (error) {
      // When the device was lost, that is told a little later.
      await Promise.race([this.gpu.lost, new Promise((resolve) => setTimeout(resolve, 50))]);
      this.health.throwKept(op);
      throw error;
    }
    this.health.throwKept(op);
  }

  private enqueue<K extends KernelName>(kernel: K, args: Kernels[K]): void {
    this.health.requireOpen(kernel);
    this.recorder.op = kernel;
    this.recorder.tag = this.queue.profiler.active
      ? { kernel, layer: trace.layer, phase: trace.phase, ...costOf(kernel, args) }
      : null;
    kernels[kernel](this.recorder, args);
  }
}
