/**
 * The command list of one device.
 *
 * Kernels append commands; `flush` records them into as few command buffers as it can and submits them in order.
 * Every dispatch reads its arguments from a slice of one uniform buffer, written just before the submit: the
 * queue runs writes and submits in the order of the calls, so the buffer can be used again for the next.
 * When a pipeline is still compiling, or bytes of another device haven't come, the list waits there and goes on by
 * itself when they are ready.
 */
import { BindGroups, type Binding, uniformAlignment } from './bindings.js';
import type { Slot } from './buffers.js';
import { usage } from './buffers.js';
import type { Health } from './errors.js';
import type { Program } from './pipelines.js';
import type { Profiler, Tag } from './profile.js';
import { Uploads } from './uploads.js';

/** One run of a program. */
interface Dispatch {
  readonly kind: 'dispatch';
  readonly program: Program;
  /** Bindings 1, 2, ...; the uniforms are binding 0. */
  readonly bindings: readonly Binding[];
  readonly uniforms: Uint32Array<ArrayBuffer>;
  readonly groups: readonly [number, number];
  readonly tag: Tag | null;
}

/** Writes host bytes into a buffer in its turn. */
interface Write {
  readonly kind: 'write';
  readonly to: Slot;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Copies bytes from buffer to buffer (offsets and size multiples of 4). */
interface Copy {
  readonly kind: 'copy';
  readonly from: GPUBuffer;
  readonly fromAt: number;
  readonly to: GPUBuffer;
  readonly toAt: number;
  readonly bytes: number;
}

/** Writes bytes into a buffer that another device computes. */
interface Arrival {
  readonly kind: 'arrival';
  readonly to: Slot;
  /** Resolves when they have come, or never will. */
  readonly settled: Promise<void>;
  /** Undefined before, null where they never will. */
  data: Uint8Array<ArrayBuffer> | null | undefined;
}

type Command = Dispatch | Write | Copy | Arrival;

const uniformBytes = 64 << 10;

/**
 * The list is submitted at this many dispatches, or when they touch this many bytes, so that the GPU starts early and the
 * host's cost of a submit is little: a layer of AlexNet and its gradient at batch 128 are about one.
 */
const flushDispatches = 48;
const flushBytes = 2 ** 30;

/** Counts for tests and curiosity. */
interface QueueCounts {
  dispatches: number;
  submits: number;
}

/** The queue of one device. */
export class CommandQueue {
  readonly counts: QueueCounts = { dispatches: 0, submits: 0 };
  /** Number of the last command submitted; `enqueued` counts those appended. */
  submitted = 0;
  private enqueued = 0;
  private commands: Command[] = [];
  private pendingDispatches = 0;
  private pendingBytes = 0;
  /** What the first command waits for, or null. */
  private blocked: Promise<void> | null = null;
  private readonly staging = new Uint32Array(uniformBytes / 4);
  private readonly uniforms: GPUBuffer;
  readonly groups: BindGroups;
  readonly uploads: Uploads;

  constructor(
    private readonly device: GPUDevice,
    private readonly health: Health,
    readonly profiler: Profiler,
  ) {
    this.uniforms = device.createBuffer({
      label: 'uniforms',
      size: uniformBytes,
      usage: usage.uniform | usage.copyDst,
    });
    this.groups = new BindGroups(device, this.uniforms);
    this.uploads = new Uploads(device);
  }

  /** Appends a dispatch. */
  dispatch(command: Dispatch): void {
    const slots = command.bindings.map(({ slot }) => slot);
    this.append(command, slots);
    this.pendingDispatches++;
    for (const { bytes } of command.bindings) this.pendingBytes += bytes;
    if (this.pendingDispatches >= flushDispatches || this.pendingBytes >= flushBytes) this.flush();
  }

  /** Writes `data`'s bytes to the start of a buffer, after every command that uses the buffer now. */
  write(to: Slot, data: ArrayBufferView): void {
    const filled = this.uploads.fill(data);
    if (filled) {
      this.uploads.send(filled, this.copy(filled, 0, to, 0, Math.ceil(data.byteLength / 4) * 4));
      return;
    }
    if (to.lastUse > this.submitted) this.flush();
    const bytes = transferable(data);
    if (to.lastUse <= this.submitted) this.device.queue.writeBuffer(to.gpu, 0, bytes);
    else this.append({ kind: 'write', to, data: bytes.slice() }, [to]);
  }

  /** Writes the bytes that a promise brings into a buffer: what is appended from here on waits for them. */
  writeLater(to: Slot, bytes: Promise<ArrayBufferView>): void {
    const settled = bytes.then(
      (data) => {
        arrival.data = transferable(data);
      },
      (error: unknown) => {
        arrival.data = null;
        this.health.note(error instanceof Error ? error : new Error(String(error)));
      },
    );
    const arrival: Arrival = { kind: 'arrival', to, settled, data: undefined };
    this.append(arrival, [to]);
    this.flush();
  }

  /** Appends a copy. Returns its number. */
  copy(from: Slot | GPUBuffer, fromAt: number, to: Slot | GPUBuffer, toAt: number, bytes: number): number {
    const slots = [from, to].filter((end): end is Slot => 'gpu' in end);
    const [source, target] = [from, to].map((end) => ('gpu' in end ? end.gpu : end));
    this.append({ kind: 'copy', from: source!, fromAt, to: target!, toAt, bytes }, slots);
    return this.enqueued;
  }

  /** Submits what can be submitted now; the rest follows when its pipelines are ready. */
  flush(): void {
    if (this.blocked || this.commands.length === 0 || !this.health.isOpen) return;
    const batch = new Batch(
      this.device,
      this.uniforms,
      this.groups,
      this.staging,
      this.profiler,
      this.counts,
    );
    let done = 0;
    let wait: Promise<void> | null = null;
    for (const command of this.commands) {
      if (command.kind === 'dispatch') {
        if (!command.program.pipeline && !command.program.failed) {
          wait = command.program.ready;
          break;
        }
        batch.dispatch(command);
      } else if (command.kind === 'arrival') {
        const { to, data, settled } = command;
        if (data === undefined) {
          wait = settled;
          break;
        }
        if (data) batch.write({ to, data });
      } else if (command.kind === 'copy') batch.copy(command);
      else batch.write(command);
      done++;
      if (command.kind === 'dispatch' && command.tag && this.profiler.serial) {
        wait = this.timeAlone(batch, command.tag);
        break;
      }
    }
    batch.submit();
    this.commands = this.commands.slice(done);
    this.submitted = this.enqueued - this.commands.length;
    this.pendingDispatches = this.commands.length;
    this.pendingBytes = 0;
    if (wait) {
      this.blocked = wait.then(() => {
        this.blocked = null;
        this.flush();
      });
    }
  }

  /** Resolves when every command appended so far was submitted. */
  async drain(): Promise<void> {
    const target = this.enqueued;
    while (this.submitted < target && this.health.isOpen) {
      this.flush();
      if (this.blocked) await this.blocked;
    }
  }

  /** Forgets the commands not yet submitted. */
  drop(): void {
    this.commands = [];
    this.submitted = this.enqueued;
  }

  private append(command: Command, slots: readonly Slot[]): void {
    this.commands.push(command);
    this.enqueued++;
    for (const slot of slots) slot.lastUse = this.enqueued;
  }

  private async timeAlone(batch: Batch, tag: Tag): Promise<void> {
    batch.submit();
    const start = performance.now();
    await this.device.queue.onSubmittedWorkDone();
    this.profiler.note(tag, start, performance.now() - start);
  }
}

/** `data`'s bytes as `writeBuffer` can take them: a multiple of 4 of them, not shared (Dawn crashes on those). */
function transferable(data: ArrayBufferView): Uint8Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = data;
  if (buffer instanceof ArrayBuffer && byteLength % 4 === 0)
    return new Uint8Array(buffer, byteOffset, byteLength);
  const bytes = new Uint8Array(Math.ceil(byteLength / 4) * 4);
  bytes.set(new Uint8Array(buffer, byteOffset, byteLength));
  return bytes;
}

/** Records commands between two submits. */
class Batch {
  private encoder: GPUCommandEncoder | null = null;
  private pass: GPUComputePassEncoder | null = null;
  /** Where the dispatch's numbers lie in the uniform buffer. */
  private readonly place = new Uint32Array(1);
  /** Words of `staging` in use. */
  private used = 0;

  constructor(
    private readonly device: GPUDevice,
    private readonly uniforms: GPUBuffer,
    private readonly groups: BindGroups,
    private readonly staging: Uint32Array<ArrayBuffer>,
    private readonly profiler: Profiler,
    private readonly counts: QueueCounts,
  ) {}

  dispatch({ program, bindings, uniforms, groups, tag }: Dispatch): void {
    const { pipeline, layout, access } = program;
    if (!pipeline || !layout) return; // it failed to compile; the error is on its way to the next await
    const bytes = Math.ceil((uniforms.length * 4) / uniformAlignment) * uniformAlignment;
    const words = bytes / 4;
    const timed = tag !== null && this.profiler.active && !this.profiler.serial;
    if (this.used + words > this.staging.length || (timed && this.profiler.full)) this.submit();
    this.staging.set(uniforms, this.used);
    this.place[0] = this.used * 4;
    this.used += words;
    const group = this.groups.get(layout, access, bytes, bindings);
    if (timed) this.endPass();
    this.encoder ??= this.device.createCommandEncoder();
    this.pass ??= this.encoder.beginComputePass(timed ? { timestampWrites: this.profiler.next(tag) } : {});
    this.pass.setPipeline(pipeline);
    this.pass.setBindGroup(0, group, this.place, 0, 1);
    this.pass.dispatchWorkgroups(groups[0], groups[1]);
    if (timed) this.endPass();
    this.counts.dispatches++;
  }

  copy({ from, fromAt, to, toAt, bytes }: Copy): void {
    this.endPass();
    this.encoder ??= this.device.createCommandEncoder();
    this.encoder.copyBufferToBuffer(from, fromAt, to, toAt, bytes);
  }

  write({ to, data }: Pick<Write, 'to' | 'data'>): void {
    this.submit(); // the write would overtake what is recorded
    this.device.queue.writeBuffer(to.gpu, 0, data);
  }

  submit(): void {
    this.endPass();
    if (!this.encoder) return;
    if (this.used > 0) this.device.queue.writeBuffer(this.uniforms, 0, this.staging, 0, this.used);
    const after = this.profiler.resolve(this.encoder);
    this.device.queue.submit([this.encoder.finish()]);
    after();
    this.counts.submits++;
    this.encoder = null;
    this.used = 0;
  }

  private endPass(): void {
    this.pass?.end();
    this.pass = null;
  }
}
