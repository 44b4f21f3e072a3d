/**
 * The limits of a WebGPU device by two shaders of our own: multiply-adds in registers, and reading a buffer.
 */

import type { WebGpuOptions } from '../src/backends/open.js';
import { usage } from '../src/backends/webgpu/runtime/buffers.js';
import { openWebGpu } from '../src/backends/webgpu/runtime/device.js';
import type { Probe } from './probes.js';

const invocations = 64 * 256;
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
  for (var i = id.x; i < arrayLength(&data); i += ${invocations}u) { sum += data[i]; }
  if (sum.x == 12345.0) { data[0] = sum; }
}`;

function names(each: (name: string) => string, between = ' '): string {
  return Array.from({ length: chains }, (_, i) => each(`s${i}`)).join(between);
}

/** Probes the adapter that these options choose, through a logical device of its own. */
export async function webGpuProbe(name: string, options: WebGpuOptions): Promise<Probe> {
  const device = await openWebGpu(name, options);
  const { gpu } = device;
  const readBytes = Math.min(64 << 20, gpu.limits.maxStorageBufferBindingSize);
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
  const setTurns = (turns: number): void => gpu.queue.writeBuffer(buffer, 16, new Float32Array([turns]));
  // As many turns as take some milliseconds on this device.
  let turns = 64;
  for (setTurns(turns), await time(flops); (await time(flops)) < 0.005 && turns < 1 << 22; setTurns(turns))
    turns *= 2;
  await time(read);
  return {
    async measure() {
      return {
        flops: (invocations * turns * chains * 8) / (await time(flops)),
        bytes: readBytes / (await time(read)),
      };
    },
    async close() {
      buffer.destroy();
      await device.close();
    },
  };
}
