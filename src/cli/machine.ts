/**
 * `tandem devices`: what this machine offers: the CPU's threads and instructions, and the WebGPU adapters with their
 * limits and features.
 */
import { availableParallelism, cpus, totalmem } from 'node:os';
import { Command } from 'commander';
import { enableRelaxedSimd, hasSimd } from '../backends/cpu/runtime/features.js';
import { enableWideSimd } from '../backends/cpu/runtime/wide.js';
import { type AdapterDescription, listAdapters } from '../backends/open.js';
import { findSoftwareDriver } from '../backends/webgpu/runtime/node.js';
import { DeviceError } from '../core/errors.js';
import { addExamples, settled, wrapped } from './command.js';
import { chooseDevices } from './devices.js';

export const command = settled(new Command())
  .option('--driver <files>', "Vulkan driver files (.json) instead of the system's, joined by ':'")
  .option('--json', 'print it as JSON', false);

interface Options {
  driver?: string;
  json: boolean;
}

async function main({ driver, json }: Options): Promise<void> {
  const from = driver === undefined ? {} : { driver };
  const cpu = {
    model: cpus()[0]?.model.trim() ?? 'CPU',
    threads: availableParallelism(),
    memory: totalmem(),
    simd: hasSimd(),
    relaxedSimd: hasSimd() && (await enableRelaxedSimd()),
    wideSimd: hasSimd() && (await enableWideSimd(await enableRelaxedSimd())).wide,
  };
  let missing: string | null = null;
  const adapters = await listAdapters(from).catch((error: unknown): AdapterDescription[] => {
    if (!(error instanceof DeviceError) || driver !== undefined) throw error;
    missing = error.message;
    return [];
  });
  const auto = await chooseDevices(2, { ...from, deterministic: false });
  if (json) {
    console.log(JSON.stringify({ cpu, adapters, auto }, null, 2));
    return;
  }
  const simd = cpu.relaxedSimd ? 'relaxed SIMD' : cpu.simd ? 'SIMD' : 'no SIMD (plain loops)';
  const instructions = `${simd}${cpu.wideSimd ? ', 256 bits' : ''}`;
  console.log(
    `cpu:0, cpu:1, ..\n  ${cpu.model}, ${cpu.threads} threads, ${size(cpu.memory)}, ${instructions}`,
  );
  for (const [i, adapter] of adapters.entries()) console.log(`\n${described(adapter, i, adapters)}`);
  if (adapters.length === 0) {
    console.log(`\nno WebGPU adapter${missing === null ? '' : `: ${missing}`}`);
    const software = driver === undefined ? findSoftwareDriver() : null;
    if (software) console.log(`  a driver that computes on the CPU is here: --driver ${software}`);
  } else if (adapters.length === 1) {
    console.log('\none adapter: webgpu:0, webgpu:1, .. are devices of their own on it');
  }
  console.log(wrapped(`\n--device auto takes ${auto.names.join(', ')} for two towers: ${auto.reason}`));
}

/** What stands before the further lines of an adapter's limits and features. */
const indent = ' '.repeat(12);

/** Features that matter to kernels and profiles; --json has all. */
const computing = ['shader-f16', 'subgroups', 'timestamp-query'];

function described(adapter: AdapterDescription, at: number, all: readonly AdapterDescription[]): string {
  const { name, software, vendor, architecture, driver, limits, features } = adapter;
  // Numbers count the adapters that a device may be opened on without further options.
  const usable = driver === null ? all.filter((other) => !other.software) : all;
  const number = usable.indexOf(adapter);
  const how = number >= 0 ? `webgpu:${number}` : `webgpu, with --adapter '${name}'`;
  const about = [software ? 'software: computes on the CPU' : 'GPU', vendor, architecture].filter(Boolean);
  const known = features.filter((feature) => computing.includes(feature));
  const found = driver === null ? '' : `\n  driver ${driver}`;
  return (
    `${how}\n${wrapped(`  ${name || `adapter ${at}`} (${about.join(', ')})`, indent)}${found}\n` +
    `${wrapped(
      `  limits    buffer ${size(limits.maxBufferSize)}, binding ${size(limits.maxStorageBufferBindingSize)}, ` +
        `${limits.maxStorageBuffersPerShaderStage} bindings a kernel; workgroup ${limits.maxComputeInvocationsPerWorkgroup} ` +
        `invocations, ${limits.maxComputeWorkgroupStorageSize >> 10} KiB; grid ${limits.maxComputeWorkgroupsPerDimension}`,
      indent,
    )}\n` +
    wrapped(`  features  ${[...known, `${features.length - known.length} others`].join(', ')}`, indent)
  );
}

function size(bytes: number): string {
  return bytes < 2 ** 30 ? `${Math.floor(bytes / 2 ** 20)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}

addExamples(command, '', '--json').action(main);
