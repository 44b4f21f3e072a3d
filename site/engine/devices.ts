/**
 * The devices of a run: one for each tower, on the processor or on WebGPU.
 */
import { type Device, listAdapters, openDevice } from 'tandem-ts';

/** Whether this place may run one tower beside the other. */
export const isolated = (): boolean => typeof process === 'object' || globalThis.crossOriginIsolated;

/** Bytes a device's memory may reach: the page's nets need a tenth of it, and telephones have no more to give. */
const memoryLimit = 2 ** 29;

/**
 * Opens the devices of a net of some towers. On the processor each tower has a thread of its own; one tower alone has
 * two. Without cross-origin isolation all towers sit on one device, in the calling thread.
 * @throws {DeviceError} when there is no such device
 */
export async function openDevices(kind: 'cpu' | 'webgpu', towers: number): Promise<Device[]> {
  if (kind === 'cpu') {
    const names = isolated() && towers > 1 ? (['cpu:0', 'cpu:1'] as const) : (['cpu:0'] as const);
    const threads = isolated() && names.length === 1 ? 2 : 1;
    return Promise.all(names.map((name) => openDevice(name, { threads, memoryLimit })));
  }
  const [adapter] = await listAdapters();
  const options = adapter ? { adapter: adapter.name } : {};
  const names = towers > 1 ? (['webgpu:0', 'webgpu:1'] as const) : (['webgpu:0'] as const);
  return Promise.all(names.map((name) => openDevice(name, options)));
}
