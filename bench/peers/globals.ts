/**
 * Browser globals that the WebGPU libraries expect, made from the package `webgpu`, for this process alone.
 */
import { findAdapters } from '../../src/backends/webgpu/runtime/node.js';

/** Puts `navigator.gpu` and the WebGPU names in place, with the first adapter of a Vulkan driver ('': the system's). */
export async function installWebGpu(driver: string): Promise<void> {
  const { globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const [adapter] = await findAdapters(driver === '' ? null : driver);
  if (!adapter) throw new Error('there is no WebGPU adapter');
  const gpu = { requestAdapter: () => adapter.request(), wgslLanguageFeatures: new Set<string>() };
  const value = { gpu, userAgent: 'node', hardwareConcurrency: 1 };
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
}
