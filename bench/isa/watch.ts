/**
 * Watches what a library asks of WebGPU in this process: a line `MARK n` on standard error goes before what the driver
 * prints of the n-th pipeline, one pipeline at a time, and dispatches are counted.
 */
import { writeSync } from 'node:fs';

/** Runs of one pipeline in a row of `Watch.take`. */
export interface Dispatched {
  /** Number of the pipeline. */
  readonly pipeline: number;
  readonly label: string;
  /** Of all runs together, those of the last workgroup's that have nothing to do included. */
  readonly invocations: number;
}

/** Keeps watch from its creation on, over the global classes of WebGPU. */
export class Watch {
  private readonly pipelines = new Map<GPUComputePipeline, { number: number; label: string; size: number }>();
  private readonly codes = new Map<GPUShaderModule, string>();
  /** The first pipeline of each program: of a second one, under another name, the driver prints nothing. */
  private readonly firsts = new Map<string, number>();
  private count = 0;
  private dispatched: Dispatched[] = [];
  private last: Promise<unknown> = Promise.resolve();

  constructor() {
    const { codes, pipelines, firsts } = this;
    const device = GPUDevice.prototype;
    const { createShaderModule, createComputePipeline, createComputePipelineAsync } = device;
    device.createShaderModule = function (descriptor) {
      const module = createShaderModule.call(this, descriptor);
      codes.set(module, descriptor.code);
      return module;
    };
    const note = (
      pipeline: GPUComputePipeline,
      number: number,
      { label, compute: { module, entryPoint, constants } }: GPUComputePipelineDescriptor,
    ) => {
      const code = codes.get(module) ?? '';
      const program = JSON.stringify([code, entryPoint, constants]);
      const first = firsts.get(program) ?? number;
      firsts.set(program, first);
      pipelines.set(pipeline, { number: first, label: label ?? '', size: workgroupSizeOf(code) });
      return pipeline;
    };
    const mark = (): number => {
      this.count++;
      writeSync(2, `\nMARK ${this.count}\n`);
      return this.count;
    };
    device.createComputePipeline = function (descriptor) {
      const number = mark();
      return note(createComputePipeline.call(this, descriptor), number, descriptor);
    };
    const inTurn = <T>(make: () => Promise<T>): Promise<T> => {
      const made = this.last.then(make);
      this.last = made.catch(() => undefined);
      return made;
    };
    device.createComputePipelineAsync = function (descriptor) {
      return inTurn(async () => {
        const number = mark();
        return note(await createComputePipelineAsync.call(this, descriptor), number, descriptor);
      });
    };
    const pass = GPUComputePassEncoder.prototype;
    const { setPipeline, dispatchWorkgroups } = pass;
    let current: GPUComputePipeline | null = null;
    pass.setPipeline = function (pipeline) {
      current = pipeline;
      return setPipeline.call(this, pipeline);
    };
    const add = (groups: number): void => {
      const known = current && pipelines.get(current);
      if (!known) return;
      const { number, label, size } = known;
      this.dispatched.push({ pipeline: number, label, invocations: groups * size });
    };
    pass.dispatchWorkgroups = function (x, y = 1, z = 1) {
      add(x * y * z);
      return dispatchWorkgroups.call(this, x, y, z);
    };
  }

  /** What was dispatched since the last time. */
  take(): Dispatched[] {
    const { dispatched } = this;
    this.dispatched = [];
    return dispatched;
  }
}

function workgroupSizeOf(code: string): number {
  const sizes = /@workgroup_size\(([^)]*)\)/.exec(code)?.[1] ?? '1';
  return sizes
    .split(',')
    .map((size) => Number.parseInt(size, 10))
    .reduce((product, size) => product * (size || 1), 1);
}
