/**
 * A device's memory, queue and threads, brought together: blocks of bytes, functions of emitted modules and plain
 * loops to run on them in order, and replies to wait for.
 */
import type { Arrived, KernelName, Kernels } from '../../../core/backend.js';
import { DeviceLostError, KernelError, OutOfMemoryError } from '../../../core/errors.js';
import {
  arrayAt,
  type BufferId,
  bytesPerElement,
  sizeOf,
  type TypedArray,
  type View,
} from '../../../core/shape.js';
import { addressOf, type Features, type KernelModule } from '../plan.js';
import { Allocator } from './allocator.js';
import {
  control,
  dtypes,
  errorAt,
  errorState,
  heapAt,
  opcode,
  pageBytes,
  type TeamMessage,
} from './control.js';
import { Functions } from './functions.js';
import { InlineThread, runInline } from './inline.js';
import { encodeLoop } from './loopCommand.js';
import { Peers } from './peers.js';
import { inlineBytes, Queue } from './queue.js';
import { type StartThread, type Thread, threadStarter } from './thread.js';

/** What a team is made with. */
interface TeamOptions {
  /** The device's name, for messages. */
  readonly device: string;
  readonly threads: number;
  readonly features: Features;
  /** Bytes its memory may reach, a multiple of 64 KiB. */
  readonly memoryLimit: number;
  /** Browsers: makes a worker. */
  readonly worker?: (() => object) | undefined;
}

/** Uploads of at most so many bytes travel in the ring and may take any block; larger ones are written in place. */
const smallUpload = 4096;

/** The memory grows by at least so many bytes. */
const growthStep = 16 << 20;

interface Request {
  /** Whether it leaves what went wrong to the next. */
  readonly internal: boolean;
  resolve(data: TypedArray): void;
  reject(error: Error): void;
}

/** The devices there are, by number. */
const teams = new Map<number, Team>();

/** Memory, queue and threads of one device. */
export class Team {
  readonly allocator: Allocator;
  readonly queue: Queue;
  private readonly peers: Peers;
  private readonly words: Int32Array;
  private readonly functions: Functions;
  private readonly requests = new Map<number, Request>();
  private requestCount = 0;
  private readonly threads: Thread[] = [];
  private lost: DeviceLostError | null = null;
  /** What went wrong on the way of what others sent. */
  private failure: Error | null = null;

  private constructor(
    readonly options: TeamOptions,
    readonly memory: WebAssembly.Memory,
  ) {
    this.words = new Int32Array(memory.buffer, 0, heapAt / 4);
    Atomics.store(this.words, control.pages, memory.buffer.byteLength / pageBytes);
    this.queue = new Queue(
      options.device,
      memory,
      () => {
        for (const team of teams.values()) team.findDead();
        this.requireAlive();
      },
      options.features.shared ? () => {} : runInline,
    );
    this.peers = new Peers(memory, this.queue, (message) => this.threads[0]?.post(message));
    this.functions = new Functions(options.features, (code, a, b, bytes) =>
      this.pushData(code, a, b, [], bytes),
    );
    this.allocator = new Allocator(options.device, options.memoryLimit, this.queue, (bytes) =>
      this.grow(bytes),
    );
  }

  /**
   * Starts the threads; resolves when all of them listen.
   * @throws {OutOfMemoryError} when the system doesn't give that much address space
   * @throws {DeviceLostError} when a thread doesn't come up
   */
  static async start(options: TeamOptions): Promise<Team> {
    const team = new Team(options, reserve(options));
    try {
      const { features, worker } = options;
      const inline: StartThread = (member, events) => new InlineThread(member, events);
      await team.startThreads(features.shared ? await threadStarter(worker) : inline);
    } catch (error) {
      await team.endThreads();
      throw error;
    }
    team.keepAlive(false);
    teams.set(team.peers.number, team);
    return team;
  }

  private async startThreads(start: StartThread): Promise<void> {
    const { memory } = this;
    const { threads, features } = this.options;
    const listening: Promise<void>[] = [];
    for (let thread = 0; thread < threads; thread++) {
      const member = { device: this.peers.number, memory, thread, threads, relaxed: features.relaxed };
      listening.push(
        new Promise((resolve, reject) => {
          const started = start(member, {
            message: (message) => {
              if (message.kind === 'ready') resolve();
              else this.take(message);
            },
            died: (reason) => reject(this.lose(`thread ${thread} died: ${reason}`)),
          });
          this.threads.push(started);
        }),
      );
    }
    await Promise.all(listening);
  }

  /** Enqueues function `fn` of `module`, with `words` in memory, on every thread or on one `alone`. */
  run(module: KernelModule, fn: string, words: readonly number[], alone = false): void {
    this.queue.push(alone ? opcode.runAlone : opcode.run, this.functions.of(module, fn), 0, words);
  }

  /** Enqueues a plain loop. */
  loop<K extends KernelName>(kernel: K, args: Kernels[K]): void {
    const text = new TextEncoder().encode(encodeLoop(kernel, args));
    this.pushData(opcode.loop, this.functions.ofLoop(kernel), 0, [], text);
  }

  /** A new block holding a copy of `data`; `counted` if it is a tensor's. @throws {OutOfMemoryError} */
  upload(data: TypedArray, op: string, counted = true): BufferId {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (bytes.length > smallUpload) return this.writeBlock(bytes, op, counted);
    const block = this.allocator.alloc(bytes.length, op, counted);
    this.pushData(opcode.copy, 0, 0, [block], bytes);
    return block;
  }

  /**
   * A new block that will hold a dense view's elements of another device, as they are when everything enqueued there
   * so far has run; what is enqueued here from now on waits for them. @throws {OutOfMemoryError}
   */
  receive(source: Team, view: View, op: string, arrived: Arrived): BufferId {
    const bytes = sizeOf(view.shape) * bytesPerElement[view.dtype];
    const block = this.allocator.alloc(bytes, op);
    try {
      this.peers.receive(source.peers, view.buffer, addressOf(view), block, bytes, arrived);
    } catch (error) {
      this.allocator.free(block);
      throw error;
    }
    return block;
  }

  /**
   * A new block holding what a promise will bring; what is enqueued from now on waits for it. @throws {OutOfMemoryError}
   */
  uploadLater(data: Promise<TypedArray>, bytes: number, op: string): BufferId {
    return this.writeLater(data, bytes, op, true);
  }

  /** Keeps an error for the next await. */
  fail(error: Error): void {
    this.failure ??= error;
  }

  /** Before a buffer's elements are written over: what other devices were promised of them is copied first. */
  overwrite(buffer: BufferId): void {
    this.peers.awaitCopies(buffer);
  }

  /** Gives a tensor's block back. */
  free(buffer: BufferId): void {
    if (!this.lost) this.peers.awaitCopies(buffer);
    this.allocator.free(buffer);
  }

  /** A copy of a dense view's elements as they are when everything enqueued so far has run. */
  read(view: View): Promise<TypedArray> {
    return this.request(opcode.read, dtypes.indexOf(view.dtype), [addressOf(view), sizeOf(view.shape)]);
  }

  /** Resolves when everything enqueued so far has run. @throws {KernelError} for what failed on the way. */
  async sync(): Promise<void> {
    await this.request(opcode.fence, 0, []);
  }

  /** The elements of dense views in this memory, when everything enqueued so far has run. */
  async lend(views: readonly View[]): Promise<TypedArray[]> {
    await this.sync();
    return views.map((view) => arrayAt(view.dtype, this.memory.buffer, addressOf(view), sizeOf(view.shape)));
  }

  /** What is enqueued from now on waits for a promise. Where it fails, the next await says so. */
  waitFor(promise: Promise<unknown>): void {
    this.queue.hold(
      promise.catch((error: unknown) => this.fail(error instanceof Error ? error : new Error(String(error)))),
    );
  }

  /** Enqueues noting the time. */
  mark(): void {
    this.queue.push(opcode.mark, 0, 0, []);
  }

  /** The times noted since the last call, in milliseconds. */
  marks(): Promise<TypedArray> {
    return this.request(opcode.marks, 0, []);
  }

  /** Throws if a thread is known to have died. @throws {DeviceLostError} */
  requireAlive(): void {
    if (this.lost) throw this.lost;
  }

  /** Looks whether the threads run, where their events can't be heard. */
  findDead(): void {
    const dead = this.threads.findIndex((thread) => !thread.runs());
    if (dead >= 0) this.lose(`thread ${dead} died`);
  }

  /** Waits for what was enqueued, then ends the threads. @throws {KernelError} for what failed since the last await */
  async close(): Promise<void> {
    try {
      if (!this.lost) await this.sync();
    } finally {
      teams.delete(this.peers.number);
      this.peers.part();
      await this.endThreads();
    }
  }

  private request(
    code: number,
    b: number,
    payload: readonly number[],
    internal = false,
  ): Promise<TypedArray> {
    if (this.lost) return Promise.reject(this.lost);
    const id = this.requestCount++;
    return new Promise((resolve, reject) => {
      if (this.requests.size === 0) this.keepAlive(true);
      this.requests.set(id, { internal, resolve, reject });
      this.queue.push(code, id, b, payload);
    });
  }

  private take(message: Exclude<TeamMessage, { kind: 'ready' }>): void {
    if (message.kind === 'copies') {
      this.peers.note(message.times);
      return;
    }
    const { id, data } = message;
    const request = this.requests.get(id);
    this.requests.delete(id);
    if (this.requests.size === 0) this.keepAlive(false);
    const error = request?.internal ? null : this.fetchError();
    if (error) request?.reject(error);
    else request?.resolve(data);
  }

  /** The first error since the last call, if any. */
  private fetchError(): Error | null {
    const { words, failure } = this;
    this.failure = null;
    if (failure) return failure;
    if (Atomics.load(words, control.errorState) !== errorState.written) return null;
    const bytes = new Uint8Array(words.buffer, errorAt, words[control.errorLength]!).slice();
    const text = new TextDecoder().decode(bytes);
    const origin = teams.get(words[control.errorOrigin]!);
    const failed = origin?.describe(words[control.errorOpcode]!, words[control.errorOperand]!);
    Atomics.store(words, control.errorState, errorState.none);
    const where = origin?.options.device ?? 'a device closed since';
    return new KernelError(`${where}: ${failed ?? 'a command failed'}: ${text}`);
  }

  /** What it was that failed, from a command's header. */
  private describe(code: number, a: number): string {
    if (code === opcode.read) return 'reading a tensor failed';
    if (code === opcode.receive)
      return `receiving from ${teams.get(a)?.options.device ?? 'another device'} failed`;
    return this.functions.describe(code, a) ?? `command ${code} failed`;
  }

  /** Enqueues a command that ends in [address, length] of `bytes`, which go along in the ring if they aren't many. */
  private pushData(code: number, a: number, b: number, lead: readonly number[], bytes: Uint8Array): void {
    if (bytes.length <= inlineBytes) {
      this.queue.pushBytes(code, a, b, lead, bytes);
      return;
    }
    const block = this.writeBlock(bytes, 'loading a kernel', false);
    this.queue.push(code, a, b, [...lead, block, bytes.length]);
    this.allocator.free(block);
  }

  private writeBlock(bytes: Uint8Array, op: string, counted: boolean): BufferId {
    const block = this.allocator.allocForCaller(bytes.length, op, counted);
    if (block === null) return this.writeLater(Promise.resolve(bytes.slice()), bytes.length, op, counted);
    this.write(block, bytes);
    return block;
  }

  private write(block: BufferId, bytes: ArrayBufferView): void {
    const { buffer, byteOffset, byteLength } = bytes;
    new Uint8Array(this.memory.buffer, block, byteLength).set(new Uint8Array(buffer, byteOffset, byteLength));
  }

  /** A new block; the queue goes on once its bytes have come. Where they fail to, the next await says so. */
  private writeLater(data: Promise<ArrayBufferView>, bytes: number, op: string, counted: boolean): BufferId {
    const own = this.allocator.allocForCaller(bytes, op, counted);
    const block = own ?? this.allocator.alloc(bytes, op, counted);
    // A block that commands may still use is written when they have run.
    const free = own === null ? this.request(opcode.fence, 0, [], true) : null;
    const written = Promise.all([data, free]).then(([elements]) => this.write(block, elements));
    this.waitFor(written);
    return block;
  }

  private grow(bytes: number): boolean {
    const held = this.memory.buffer.byteLength;
    if (bytes <= held) return true;
    if (!this.options.features.shared) return false;
    const wanted = Math.min(this.options.memoryLimit, Math.max(bytes, held + growthStep));
    try {
      this.memory.grow(Math.ceil((wanted - held) / pageBytes));
    } catch {
      return false;
    }
    Atomics.store(this.words, control.pages, this.memory.buffer.byteLength / pageBytes);
    return true;
  }

  private keepAlive(on: boolean): void {
    for (const thread of this.threads) thread.keepAlive(on);
  }

  private lose(reason: string): DeviceLostError {
    if (this.lost) return this.lost;
    this.lost = new DeviceLostError(
      `${this.options.device}: ${reason}; what it held is gone, open the device again`,
    );
    this.queue.drop();
    this.peers.lose();
    for (const request of this.requests.values()) request.reject(this.lost);
    this.requests.clear();
    void this.endThreads();
    return this.lost;
  }

  private async endThreads(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.terminate()));
  }
}

/** The device's memory: small at first, with the address space it may grow into. */
function reserve({ device, memoryLimit, features: { shared } }: TeamOptions): WebAssembly.Memory {
  const maximum = memoryLimit / pageBytes;
  // Memory that isn't shared moves when it grows, away from all that look at it, so it has its full size from the start.
  const initial = shared ? Math.ceil(heapAt / pageBytes) : maximum;
  try {
    return new WebAssembly.Memory({ initial, maximum, shared });
  } catch (error) {
    throw new OutOfMemoryError(
      `openDevice: ${device}: the system doesn't give ${memoryLimit} bytes of address space (${error}); ` +
        'pass a smaller memoryLimit or close other devices',
    );
  }
}
