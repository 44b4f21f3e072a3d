/**
 * Browser globals that the WebGPU libraries expect, made from the package `webgpu`, for this process alone.
 */
import { dirname, join } from 'node:path';

/** Puts `navigator.gpu` and the WebGPU names in place, on this Vulkan driver. */
export async function installWebGpu(driver: string | undefined): Promise<void> {
  if (driver !== undefined) {
    process.env.VK_DRIVER_FILES = driver;
    process.env.VK_ICD_FILENAMES = driver;
    process.env.LD_LIBRARY_PATH = [dirname(driver), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
  }
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  const gpu = create([]);
  const value = Object.assign(Object.create(null), { gpu, userAgent: join('node', process.versions.node) });
  Object.defineProperty(globalThis, 'navigator', { value, configurable: true });
}
