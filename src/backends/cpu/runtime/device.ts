/**
 * The CPU device: the contract's kernels, each as a plan's commands (plan.ts) or as a plain loop, on a team of threads.
 */
import { readOptions, requireBoolean, requireChoice, wrongArgument } from '../../../core/arguments.js';
import type {
  Arrived,
  Backend,
  KernelName,
  Kernels,
  KernelTable,
  KernelTime,
  MemoryStats,
} from '../../../core/backend.js';
import { DeviceError } from '../../../core/errors.js';
import type { BufferId, DType, TypedArray, View } from '../../../core/shape.js';
import { trace } from '../../../core/trace.js';
import { costOf } from '../../cost.js';
import { kernelTable } from '../../kernelTable.js';
import { plans } from '../kernels/plans.js';
import type { Plan, Planner } from '../plan.js';
import { heapAt, pageBytes } from './control.js';
import { availableThreads, enableRelaxedSimd, hasSimd, whyNoThreads } from './features.js';
import { Team } from './team.js';
import { enableWideSimd, narrow } from './wide.js';

/** Options of a CPU device. */
export interface CpuOptions {
  /** Threads of its team; the default is what the machine can run at once. 1 to 256. */
  readonly threads?: number;
  /** No relaxed SIMD, whose rounding depends on the machine: the same bits on every machine. Default false. */
  readonly deterministic?: boolean;
  /** Whether it may set V8's flag for 256-bit vectors, in the whole process. Default true: where that pays. */
  readonly wide?: boolean;
  /** Bytes its memory may reach, at most and by default 4 GiB less a page; where it can't be shared, 1 GiB by default, taken at once. */
  readonly memoryLimit?: number;
  /**
   * 'direct' sums convolutions by their definition, without Winograd's method, whose rounding errors, infinities and NaN
   * spread within tiles; 'plain' runs every kernel as its plain loop, to find out whether a fast one is wrong. Default
   * 'fast'.
   */
  readonly kernels?: 'fast' | 'direct' | 'plain';
  /** Browsers: makes a `Worker` of `tandem-ts/worker`, for bundlers that don't find it by themselves (esbuild, rollup). */
  readonly worker?: () => object;
}

const maxMemory = 2 ** 32 - pageBytes;
const unsharedMemory = 2 ** 30;
const minMemory = heapAt + pageBytes;
const maxThreads = 256;

/**
 * Opens a CPU device. In a browser's page that isn't isolated from other sites, memory can't be shared between threads:
 * the device then has one thread, the caller, and says so in its description. The results have the same bits.
 * @param name for messages
 * @throws {ArgumentError} for options it doesn't have or can't meet
 * @throws {DeviceLostError} when its worker's script doesn't load
 */
export async function openCpu(options: CpuOptions = {}, name = 'cpu:0'): Promise<Backend> {
  const settings = readCpuOptions(options, name);
  const alone = whyNoThreads();
  const shared = alone === null;
  const threads = shared ? (settings.threads ?? Math.min(maxThreads, await availableThreads())) : 1;
  const fast = settings.kernels !== 'plain' && hasSimd();
  const relaxed = fast && !settings.deterministic && (await enableRelaxedSimd());
  const vectors = fast && settings.wide ? await enableWideSimd(relaxed) : narrow;
  const wanted = settings.memoryLimit ?? (shared ? maxMemory : unsharedMemory);
  const memoryLimit = Math.floor(wanted / pageBytes) * pageBytes;
  const features = { shared, relaxed, ...vectors };
  const team = await Team.start({ device: name, threads, features, memoryLimit, worker: settings.worker });
  const simd = `${relaxed ? 'relaxed ' : ''}SIMD${vectors.wide ? ', 256 bits' : ''}`;
  const direct = settings.kernels === 'direct' ? ', direct convolutions' : '';
  const instructions = fast ? `${simd}${direct}` : 'plain loops';
  const who = shared
    ? `${threads} ${threads === 1 ? 'thread' : 'threads'}`
    : `the calling thread alone (${alone})`;
  return new CpuDevice(name, `CPU, ${who}, ${instructions}`, team, fast, settings.kernels === 'fast');
}

function readCpuOptions(options: CpuOptions, name: string) {
  const op = `openDevice: ${name}`;
  const defaults = {
    threads: undefined,
    deterministic: false,
    wide: true,
    memoryLimit: undefined,
    kernels: 'fast',
    worker: undefined,
  } as const;
  const settings = readOptions(op, options, defaults);
  const { threads, deterministic, wide, memoryLimit, kernels, worker } = settings;
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1 && threads <= maxThreads)) {
    throw wrongArgument(op, 'threads', threads, `an integer from 1 to ${maxThreads}`);
  }
  requireBoolean(op, 'deterministic', deterministic);
  requireBoolean(op, 'wide', wide);
  if (memoryLimit !== undefined && !(memoryLimit >= minMemory && memoryLimit <= 2 ** 32)) {
    throw wrongArgument(op, 'memoryLimit', memoryLimit, `bytes from ${minMemory} to ${2 ** 32}`);
  }
  requireChoice(op, 'kernels', kernels, ['fast', 'direct', 'plain']);
  if (worker !== undefined && typeof worker !== 'function')
    throw wrongArgument(op, 'worker', worker, 'a function that makes a Worker');
  return settings;
}

type ProfiledKernel = Omit<KernelTime, 'start' | 'milliseconds'>;

/** The element types of CPU devices. */
export const cpuDTypes: ReadonlySet<DType> = new Set<DType>(['float32', 'float64', 'int32', 'uint8']);

class CpuDevice implements Backend {
  readonly kind = 'cpu';
  readonly dtypes = cpuDTypes;
  readonly kernels: KernelTable;

  private readonly planner: Planner;
  /** The kernel whose plan is at work, and its temporaries, given back at its end. */
  private planning = '';
  private temporaries: BufferId[] = [];
  private readonly tables = new Map<string, BufferId>();
  private profile: ProfiledKernel[] | null = null;

  constructor(
    private readonly name: string,
    readonly description: string,
    private team: Team | null,
    private readonly fast: boolean,
    winograd: boolean,
  ) {
    this.kernels = kernelTable((kernel, args) => this.launch(kernel, args));
    const { threads, features } = this.open('openDevice').options;
    this.planner = {
      threads,
      features,
      winograd,
      run: (module, fn, words, alone) => this.open(fn).run(module, fn, words, alone),
      temporary: (bytes) => this.temporary(bytes),
      table: (key, make) => this.table(key, make),
    };
  }

  alloc(bytes: number, op: string): BufferId {
    return this.open(op).allocator.alloc(bytes, op);
  }

  upload(data: TypedArray, op: string): BufferId {
    return this.open(op).upload(data, op);
  }

  uploadLater(data: Promise<TypedArray>, bytes: number, op: string): BufferId {
    return this.open(op).uploadLater(data, bytes, op);
  }

  copyFrom(source: Backend, view: View, op: string, arrived: Arrived): BufferId | null {
    if (!(source instanceof CpuDevice)) return null;
    return this.open(op).receive(source.open(op), view, op, arrived);
  }

  fail(error: Error): void {
    this.team?.fail(error);
  }

  free(buffer: BufferId): void {
    this.team?.free(buffer);
  }

  async read(view: View): Promise<TypedArray> {
    return this.open('read').read(view);
  }

  async lend(views: readonly View[]): Promise<TypedArray[]> {
    return this.open('lend').lend(views);
  }

  takeBack(_views: readonly View[], arrays: Promise<readonly TypedArray[]>): void {
    this.open('takeBack').waitFor(arrays);
  }

  async sync(): Promise<void> {
    await this.open('sync').sync();
  }

  async compile(): Promise<void> {
    this.open('compile');
  }

  memory(): MemoryStats {
    if (!this.team) return { live: 0, pooled: 0, peak: 0, buffers: 0 };
    const { live, pooled, peak, buffers } = this.team.allocator;
    return { live, pooled, peak, buffers };
  }

  startProfile(): void {
    const team = this.open('startProfile');
    if (this.profile)
      throw new DeviceError(`startProfile: ${this.name} is being profiled; call stopProfile() first`);
    this.profile = [];
    team.mark();
  }

  async stopProfile(): Promise<KernelTime[]> {
    const { profile } = this;
    const team = this.open('stopProfile');
    if (!profile)
      throw new DeviceError(`stopProfile: ${this.name} isn't being profiled; call startProfile() first`);
    this.profile = null;
    const marks = await team.marks();
    return profile.map((kernel, i) => {
      const begin = marks[2 * i + 1]!;
      return { ...kernel, start: begin - marks[0]!, milliseconds: marks[2 * i + 2]! - begin };
    });
  }

  async close(): Promise<void> {
    const { team } = this;
    this.team = null;
    this.tables.clear();
    await team?.close();
  }

  private open(op: string): Team {
    if (!this.team) throw new DeviceError(`${op}: device ${this.name} was closed; open it again`);
    this.team.requireAlive();
    return this.team;
  }

  private launch<K extends KernelName>(kernel: K, args: Kernels[K]): void {
    const team = this.open(kernel);
    if (!this.profile) {
      this.enqueue(team, kernel, args);
      return;
    }
    this.profile.push({ kernel, layer: trace.layer, phase: trace.phase, ...costOf(kernel, args) });
    team.mark();
    try {
      this.enqueue(team, kernel, args);
    } finally {
      team.mark();
    }
  }

  private enqueue<K extends KernelName>(team: Team, kernel: K, args: Kernels[K]): void {
    // Of all kernels only a map writes into buffers that held something before.
    if ('outputs' in args) for (const out of args.outputs) team.overwrite(out.buffer);
    this.planning = kernel;
    const plan: Plan<K> | undefined = this.fast && !hasDoubles(args) ? plans[kernel] : undefined;
    try {
      if (!plan?.(args, this.planner)) team.loop(kernel, args);
    } finally {
      for (const block of this.temporaries) team.allocator.free(block);
      this.temporaries = [];
    }
  }

  private temporary(bytes: number): number {
    const block = this.open(this.planning).allocator.alloc(bytes, this.planning, false);
    this.temporaries.push(block);
    return block;
  }

  private table(key: string, make: () => Int32Array): number {
    const known = this.tables.get(key);
    if (known !== undefined) return known;
    const block = this.open(this.planning).upload(make(), this.planning, false);
    this.tables.set(key, block);
    return block;
  }
}

/** Whether an operand is float64, which only plain loops take. */
export function hasDoubles(args: object): boolean {
  for (const value of Object.values(args)) {
    if (typeof value === 'object' && (Array.isArray(value) ? value.some(isDouble) : isDouble(value)))
      return true;
  }
  return false;
}

function isDouble(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'dtype' in value && value.dtype === 'float64';
}
