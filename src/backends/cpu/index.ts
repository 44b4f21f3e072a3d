/**
 * The CPU backend, as the registry loads it.
 */
import type { BackendKind } from '../kind.js';
import { type CpuOptions, openCpu } from './runtime/device.js';
import { CpuBooks } from './runtime/dry.js';

export type { CpuOptions };

/** Devices that are teams of threads. */
export const cpu: BackendKind<CpuOptions> = {
  open: (name, options) => openCpu(options, name),
  openBooks: (name, options) => new CpuBooks(name, options),
};
