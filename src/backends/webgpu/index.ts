/**
 * The WebGPU backend, as the registry loads it.
 */
import type { BackendKind } from '../kind.js';
import { openWebGpu } from './runtime/device.js';
import { WebGpuBooks } from './runtime/dry.js';
import type { WebGpuOptions } from './runtime/options.js';

export { listAdapters } from './runtime/adapters.js';

/** Devices that are GPUs, or a driver that computes on the CPU. */
export const webgpu: BackendKind<WebGpuOptions> = {
  open: openWebGpu,
  openBooks: (name, options) => new WebGpuBooks(name, options),
};
