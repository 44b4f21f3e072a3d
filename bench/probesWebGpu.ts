/**
 * The limits of a WebGPU device by two shaders of our own: multiply-adds in registers, and reading a buffer larger than caches.
 * Both turn as often as takes some milliseconds, so that what a submission costs doesn't count.
 */

import type { WebGpuOptions } from '../src/backends/open.js';
import { usage } from '../src/backends/webgpu/runtime/buffers.js';
import { openWebGpu } from '../src/backends/webgpu/runtime/device.js';
import type { Probe } from './probes.js';

/** As many as a large GPU runs at once (an H100 270,336), so that it isn't memory's latency that is measured. */
const invocations = 1 << 18;
/** Bytes read in a turn: caches hold up to some hundred million. */
const mostRead = 256 << 20;
/** Seconds that a probe takes at least. */
const enough = 0.005;
/** Multiply-adds of a vec4 in a turn. */
const chains = 8;

const flopsCode = `
@group(0) @binding(0) var<storage, read_write> data: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  let x = data[0];
  let turns = u32(data[1].x);
  ${names((s) => `var ${s} = vec4f(0);`)}
  for (var i = 0u; i < turns; i++) { ${names((s) => `${s} = fma(x, x, ${s});`)} }
  data[2u + id.x] = ${names((s) => s, ' + ')};
}`;

const readCode = `
@group(0) @binding(0) var<storage, read_write> data: array<vec4f>;
@compute @workgroup_size(64) fn main(@builtin(global_invocation_id) id: vec3u) {
  var sum = vec4f(0);
  let turns = u32(data[1].x);
  for (var turn = 0u; turn < turns; turn++) {
    for (var i = id.x; i < arrayLength(&data); i += ${invocations}u) { sum += data[i]; }
  }
  if (sum.x == 12345.0) { data[0] = sum; }
}`;

function names(each: (name: string) => string, between = ' '): string {
  return Array.from({ length: chains }, (_, i) => each(`s${i}`)).join(between);
}

/** Probes the adapter that these options choose, through a logical device of its own. */
export async function webGpuProbe(name: string, options: WebGpuOptions): Promise<Probe> {
  const device = await openWebGpu(name, options);
  const { gpu } = device;
  const readBytes = Math.min(mostRead, gpu.limits.maxStorageBufferBindingSize);
  const storage = usage.storage | usage.copyDst;
  const buffer = gpu.createBuffer({ size: readBytes, usage: storage });
  const pipelineOf = (code: string): GPUComputePipeline =>
    gpu.createComputePipeline({ layout: 'auto', compute: { module: gpu.createShaderModule({ code }) } });
  const [flops, read] = [pipelineOf(flopsCode), pipelineOf(readCode)];
  const time = async (pipeline: GPUComputePipeline): Promise<number> => {
    const entries = [{ binding: 0, resource: { buffer } }];
    const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const encoder = gpu.createCommandEncoder();
    const pass = encoder.beginComputePass();
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(invocations / 64);
    pass.end();
    const start = performance.now();
    gpu.queue.submit([encoder.finish()]);
    await gpu.queue.onSubmittedWorkDone();
    return (performance.now() - start) / 1000;
  };
  const timeOf = (pipeline: GPUComputePipeline, turns: number): Promise<number> => {
    gpu.queue.writeBuffer(buffer, 16, new Float32Array([turns]));
    return time(pipeline);
  };
  /** As many turns as take long enough on this device. */
  const turnsOf = async (pipeline: GPUComputePipeline): Promise<number> => {
    await timeOf(pipeline, 1);
    let turns = 1;
    while (turns < 1 << 22 && (await timeOf(pipeline, turns)) < enough) turns *= 2;
    return turns;
  };
  const [flopTurns, readTurns] = [await turnsOf(flops), await turnsOf(read)];
  return {
    async measure() {
      return {
        flops: (invocations * flopTurns * chains * 8) / (await timeOf(flops, flopTurns)),
        bytes: (readBytes * readTurns) / (await timeOf(read, readTurns)),
      };
    },
    async close() {
      buffer.destroy();
      await device.close();
    },
  };
}
