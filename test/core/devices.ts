/**
 * The devices that tests of ops run on: a CPU device, and a WebGPU one where a driver is found.
 */
import { type Device, openDevice } from '../../src/index.js';
import { softwareDriver } from '../../support/driver.js';

/** Opens a device of each kind there is; the caller closes them. */
export async function openEachKind(): Promise<Device[]> {
  const driver = await softwareDriver();
  const cpu = await openDevice('cpu:0', { threads: 2 });
  return driver === null ? [cpu] : [cpu, await openDevice('webgpu:0', { driver, checkPrograms: true })];
}
