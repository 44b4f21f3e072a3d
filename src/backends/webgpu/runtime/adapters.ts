/**
 * Which adapter a device gets. `webgpu:N` takes the N-th adapter, in the browser the only one there is; when there
 * are fewer adapters, devices share them. Software adapters (drivers that compute on the CPU) count only when asked
 * for by name or by driver.
 */
import { readOptions } from '../../../core/arguments.js';
import { ArgumentError, DeviceError } from '../../../core/errors.js';
import { isNode } from '../../nodeModule.js';
import type { FoundAdapter } from './node.js';
import type { AdapterDescription, AdapterOptions } from './options.js';

type NodeOnly = typeof import('./node.js');

/** The part for Node, by a name that bundlers for browsers don't see. */
const nodeOnly = (file = './node.js'): Promise<NodeOnly> =>
  import(/* @vite-ignore */ /* webpackIgnore: true */ file);

interface Candidate extends AdapterDescription {
  readonly request: FoundAdapter['request'];
}

/** A chosen adapter, not yet used up. */
export interface ChosenAdapter {
  readonly adapter: GPUAdapter;
  readonly name: string;
  readonly software: boolean;
  /** Whether other devices of other numbers share the adapter, because there are no more. */
  readonly shared: boolean;
}

/**
 * Everything this machine offers, software adapters too.
 * @param options `driver` as in `openWebGpu`
 * @throws {DeviceError} when WebGPU is missing altogether, or a driver file doesn't exist.
 */
export async function listAdapters(
  options: Pick<AdapterOptions, 'driver'> = {},
): Promise<AdapterDescription[]> {
  const { driver } = readOptions('listAdapters', options, { driver: undefined });
  return (await findCandidates(driver === undefined ? {} : { driver })).map(describe);
}

/**
 * Those to use when nobody said which device: 'webgpu:0', 'webgpu:1', .. of the same options are on these, in this
 * order. One of software is among them only if `adapter` or `driver` asks for it (a driver that the environment names
 * may be meant for other programs).
 * @throws {DeviceError} as `listAdapters`
 */
export async function usableAdapters(options: AdapterOptions): Promise<AdapterDescription[]> {
  const asked = options.adapter !== undefined || options.driver !== undefined;
  return fitting(await findCandidates(options), options, asked).map(describe);
}

function describe({ request: _, ...description }: Candidate): AdapterDescription {
  return description;
}

/** Those that the options name; of software only if `asked`. */
function fitting(all: readonly Candidate[], { adapter }: AdapterOptions, asked: boolean): Candidate[] {
  const wanted = adapter?.toLowerCase() ?? '';
  return all.filter((c) => (asked || !c.software) && c.name.toLowerCase().includes(wanted));
}

/**
 * The adapter for device `name` ('webgpu:1').
 * @param trusting as `FoundAdapter.request`
 * @throws {ArgumentError} for a name that isn't webgpu:N
 * @throws {DeviceError} when no adapter fits, saying what was looked for and how to get one.
 */
export async function chooseAdapter(
  name: string,
  options: AdapterOptions,
  trusting: boolean,
): Promise<ChosenAdapter> {
  const match = /^webgpu(?::(\d+))?$/.exec(name);
  if (!match) throw new ArgumentError(`openWebGpu: '${name}' isn't a device name; expected 'webgpu:0'`);
  const all = await findCandidates(options);
  const asked = options.adapter !== undefined || (await driverOf(options)) !== null;
  const fit = fitting(all, options, asked);
  const chosen = fit[Number(match[1] ?? 0) % Math.max(1, fit.length)];
  if (trusting && inBrowser()) {
    throw new ArgumentError(`openDevice: ${name}: browsers check all programs; leave boundsChecks out`);
  }
  const adapter = await chosen?.request(trusting);
  if (!chosen || !adapter) throw new DeviceError(await noAdapterMessage(name, options, all));
  return { adapter, name: chosen.name, software: chosen.software, shared: fit.length === 1 };
}

/** Bytes that a software adapter may take by default: half the memory of the machine, which it shares. */
export async function softwareBudget(): Promise<number> {
  return inBrowser() ? 2 ** 31 : (await nodeOnly()).systemMemory() / 2;
}

/** Whether the host brings WebGPU, as browsers and Deno do, and no package is asked for it. */
export function inBrowser(): boolean {
  return typeof navigator !== 'undefined' && 'gpu' in navigator && navigator.gpu !== undefined;
}

/** The driver files asked for, by option or environment. */
async function driverOf(options: AdapterOptions): Promise<string | null> {
  if (options.driver !== undefined || inBrowser()) return options.driver ?? null;
  return (await nodeOnly()).driverFromEnvironment();
}

async function findCandidates(options: AdapterOptions): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const found of await search(options)) {
    const adapter = await found.request();
    if (!adapter) continue;
    const { info, limits, features } = adapter;
    candidates.push({
      name: found.name || info.description || info.device || info.vendor,
      vendor: info.vendor,
      architecture: info.architecture,
      software: info.isFallbackAdapter === true, // older browsers don't say
      driver: found.driver,
      limits: {
        maxBufferSize: limits.maxBufferSize,
        maxStorageBufferBindingSize: limits.maxStorageBufferBindingSize,
        maxStorageBuffersPerShaderStage: limits.maxStorageBuffersPerShaderStage,
        maxComputeWorkgroupStorageSize: limits.maxComputeWorkgroupStorageSize,
        maxComputeInvocationsPerWorkgroup: limits.maxComputeInvocationsPerWorkgroup,
        maxComputeWorkgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
      },
      features: [...features].sort(),
      request: found.request,
    });
  }
  return candidates;
}

async function search(options: AdapterOptions): Promise<FoundAdapter[]> {
  if (inBrowser()) {
    const power = options.powerPreference;
    const request = () => navigator.gpu.requestAdapter(power ? { powerPreference: power } : {});
    return [{ name: '', driver: null, request }];
  }
  if (!isNode()) {
    throw new DeviceError('This browser has no WebGPU (navigator.gpu); use a cpu device or a newer browser');
  }
  const node = await nodeOnly();
  const driver = await driverOf(options);
  if (options.powerPreference && driver === null && options.adapter === undefined) {
    const adapter = await node.adapterByPower(options.powerPreference);
    return adapter ? [adapter] : [];
  }
  return node.findAdapters(driver);
}

async function noAdapterMessage(
  name: string,
  options: AdapterOptions,
  all: readonly Candidate[],
): Promise<string> {
  const driver = await driverOf(options);
  const place = driver === null ? "the system's drivers" : `driver ${driver}`;
  const looked = options.adapter === undefined ? 'a GPU' : `an adapter named '${options.adapter}'`;
  const names = all.map((c) => `'${c.name}'${c.software ? ' (software)' : ''}`).join(', ');
  const lines = [
    `${name}: no WebGPU adapter: looked for ${looked} among ${place}, found ${names || 'none'}.`,
  ];
  if (options.adapter === undefined && all.some((c) => c.software)) {
    lines.push("A software adapter is used only when asked for by name (option 'adapter').");
  } else if (!inBrowser()) {
    lines.push(
      'A GPU needs its Vulkan driver and the Vulkan loader (Debian: apt install libvulkan1), or Metal or Direct3D 12.',
    );
    const software = (await nodeOnly()).findSoftwareDriver();
    lines.push(
      software === null
        ? "To compute on the CPU with a software driver, install Chromium (it brings SwiftShader) and give its vk_swiftshader_icd.json as option 'driver', or use a cpu device."
        : `To compute on the CPU with the software driver found here, give option driver: '${software}', or use a cpu device.`,
    );
  }
  return lines.join(' ');
}
