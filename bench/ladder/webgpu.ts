/**
 * WebGPU's ladder: from one number at a time to tiles in registers.
 */
import { openDevice, type WebGpuOptions } from '../../src/backends/open.js';
import { usage } from '../../src/backends/webgpu/runtime/buffers.js';
import { openWebGpu } from '../../src/backends/webgpu/runtime/device.js';
import type { Problem } from './problems.js';
import { type Climb, climbOnDevice, type Rung } from './rung.js';

/** Side of the shared-memory rung's tiles, and of the workgroups of both shaders here. */
const side = 16;

const bindings = `
@group(0) @binding(0) var<storage, read> left: array<f32>;
@group(0) @binding(1) var<storage, read> data: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;`;

function naive({ m, k, n, wgsl }: Problem): string {
  return `${bindings}
fn right(k: u32, n: u32) -> f32 { ${wgsl} }
@compute @workgroup_size(${side}, ${side}) fn main(@builtin(global_invocation_id) id: vec3u) {
  if (id.y >= ${m}u || id.x >= ${n}u) { return; }
  var sum = 0.0;
  for (var k = 0u; k < ${k}u; k++) { sum += left[id.y * ${k}u + k] * right(k, id.x); }
  out[id.y * ${n}u + id.x] = sum;
}`;
}

function tiled({ m, k, n, wgsl }: Problem): string {
  return `${bindings}
var<workgroup> a: array<array<f32, ${side}>, ${side}>;
var<workgroup> b: array<array<f32, ${side}>, ${side}>;
fn right(k: u32, n: u32) -> f32 { ${wgsl} }
@compute @workgroup_size(${side}, ${side})
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_id) at: vec3u) {
  var sum = 0.0;
  for (var k = 0u; k < ${k}u; k += ${side}u) {
    a[at.y][at.x] = 0.0;
    b[at.y][at.x] = 0.0;
    if (id.y < ${m}u && k + at.x < ${k}u) { a[at.y][at.x] = left[id.y * ${k}u + k + at.x]; }
    if (id.x < ${n}u && k + at.y < ${k}u) { b[at.y][at.x] = right(k + at.y, id.x); }
    workgroupBarrier();
    for (var i = 0u; i < ${side}u; i++) { sum += a[at.y][i] * b[i][at.x]; }
    workgroupBarrier();
  }
  if (id.y < ${m}u && id.x < ${n}u) { out[id.y * ${n}u + id.x] = sum; }
}`;
}

/** The rungs on the adapter that these options choose. */
export function webGpuRungs(options: WebGpuOptions): Rung[] {
  const shader = (code: (problem: Problem) => string) => (problem: Problem) =>
    run(problem, code(problem), options);
  const device = (tiles: 'direct' | 'shared') => (problem: Problem) =>
    climbOnDevice(problem, openDevice('webgpu:0', { ...options, tiles }));
  return [
    {
      name: 'naive',
      buys: 'One invocation for each number of the result. Two loads for each multiply-add.',
      start: shader(naive),
    },
    {
      name: 'tiled',
      buys: 'A workgroup loads 16x16 numbers of both operands into its shared memory and uses each sixteen times. A GPU gains; a software driver pays for every barrier.',
      start: shader(tiled),
    },
    {
      name: 'register tiles',
      buys: 'Each invocation keeps a tile of sums in registers and loads vectors of four straight from the buffers: no barriers. What software drivers like best.',
      start: device('direct'),
    },
    {
      name: 'register tiles, shared memory',
      buys: 'Both together: workgroups share loads, invocations keep tiles. What GPUs like best.',
      start: device('shared'),
    },
  ];
}

async function run({ m, n, left, data }: Problem, code: string, options: WebGpuOptions): Promise<Climb> {
  const device = await openWebGpu('webgpu:0', options);
  const { gpu } = device;
  const upload = (numbers: Float32Array<ArrayBuffer>): GPUBuffer => {
    const buffer = gpu.createBuffer({ size: numbers.byteLength, usage: usage.storage | usage.copyDst });
    gpu.queue.writeBuffer(buffer, 0, numbers);
    return buffer;
  };
  const out = gpu.createBuffer({ size: 4 * m * n, usage: usage.storage | usage.copySrc });
  const readback = gpu.createBuffer({ size: 4 * m * n, usage: usage.mapRead | usage.copyDst });
  const buffers = [upload(Float32Array.from(left)), upload(Float32Array.from(data)), out];
  const module = gpu.createShaderModule({ code });
  const pipeline = gpu.createComputePipeline({ layout: 'auto', compute: { module } });
  const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
  const group = gpu.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
  return {
    run() {
      const encoder = gpu.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      pass.dispatchWorkgroups(Math.ceil(n / side), Math.ceil(m / side));
      pass.end();
      gpu.queue.submit([encoder.finish()]);
    },
    sync: () => gpu.queue.onSubmittedWorkDone(),
    async result() {
      const encoder = gpu.createCommandEncoder();
      encoder.copyBufferToBuffer(out, 0, readback, 0, 4 * m * n);
      gpu.queue.submit([encoder.finish()]);
      await readback.mapAsync(1);
      const copy = new Float32Array(readback.getMappedRange().slice(0));
      readback.unmap();
      return copy;
    },
    close: () => device.close(),
  };
}
