/**
 * The devices that tests of ops run on: a CPU device, and a WebGPU one where a driver is found.
 */
import type { Test } from 'uvu';
import * as assert from 'uvu/assert';
import { type Device, noLeaks, openDevice, type Tensor } from '../../src/index.js';
import { softwareDriver } from '../../support/driver.js';
import { inScope } from '../support/scope.js';

/** Opens a device of each kind there is; the caller closes them. */
export async function openEachKind(): Promise<Device[]> {
  const driver = await softwareDriver();
  const cpu = await openDevice('cpu:0', { threads: 2 });
  return driver === null ? [cpu] : [cpu, await openDevice('webgpu:0', { driver, checkPrograms: true })];
}

/** Adds a test for each device to a suite; none may leave a buffer behind. */
export function leaklessOnEach(test: Test, devices: readonly Device[]) {
  return (name: string, body: (device: Device) => Promise<void>): void => {
    for (const device of devices) {
      test(`${name} (${device.kind})`, async () => {
        await noLeaks(device, () => inScope(() => body(device)));
        assert.is(device.memory().buffers, 0, 'buffers left behind');
      });
    }
  };
}

/** A tensor's elements as plain numbers. */
export const list = async (x: Tensor): Promise<number[]> => [...(await x.data())];
