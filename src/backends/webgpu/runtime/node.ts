/**
 * WebGPU in Node: the package `webgpu` (Dawn), loaded when first needed.
 *
 * Dawn reads the driver-selection variables (`VK_DRIVER_FILES`, and `VK_ICD_FILENAMES` for older Vulkan loaders)
 * whenever an instance is made, so each instance here is made under a driver of its own, one at a time. Dawn
 * crashes when an instance is collected while its work is pending: every instance stays reachable from `globalThis`
 * for the life of the process. There are few: one for each adapter.
 */
import { existsSync } from 'node:fs';
import { constants, totalmem } from 'node:os';
import { delimiter, dirname, join, resolve } from 'node:path';
import { DeviceError } from '../../../core/errors.js';

/** One adapter, and how to ask for it. */
export interface FoundAdapter {
  /** The driver's name of the device: 'NVIDIA GeForce RTX 3090', 'SwiftShader Device (Subzero)'. */
  readonly name: string;
  /** The entry of `driver` it was found with: path and variables; null where the system chose the drivers. */
  readonly driver: string | null;
  /**
   * Makes a fresh adapter; each can give one device.
   * @param trusting whose devices leave out the checks of `trustingToggles`
   */
  request(trusting?: boolean): Promise<GPUAdapter | null>;
}

const selecting = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;

/**
 * What Dawn adds to programs that it doesn't trust: indices held within their arrays, divisors that mustn't be 0,
 * workgroup memory set to 0.
 */
const trustingToggles =
  'enable-dawn-features=disable_robustness,disable_polyfills_on_integer_div_and_mod,disable_workgroup_init';

/** Timestamps to the nanosecond; Dawn rounds them to 65,536 for pages that shouldn't know. */
const exactTimes = 'disable-dawn-features=timestamp_quantization';

/** Where Chromium and its relatives keep SwiftShader, a Vulkan driver that computes on the CPU. */
const softwareDrivers = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/usr/lib64/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
];

/** The first software driver file that the system has, or null. */
export function findSoftwareDriver(): string | null {
  return softwareDrivers.find((file) => existsSync(file)) ?? null;
}

/** Bytes of the machine's memory. */
export function systemMemory(): number {
  return totalmem();
}

/** The driver files that the environment names, as a list joined by the path delimiter; null if it names none. */
export function driverFromEnvironment(): string | null {
  return process.env.VK_DRIVER_FILES || process.env.VK_ICD_FILENAMES || null;
}

const found = new Map<string, Promise<FoundAdapter[]>>();
let last: Promise<unknown> = Promise.resolve();

/** Drivers to ask, and under which variables. */
interface Entry {
  /** As given; null: the system's drivers. */
  readonly text: string | null;
  readonly file: string | null;
  readonly variables: Readonly<Record<string, string>>;
}

/** An entry of `driver`: a file, the system's drivers where there is none, then `@NAME=value` for each variable. */
function entryOf(text: string): Entry {
  const [, path = '', set = ''] = /^(.*?)((?:@[A-Za-z_]\w*=[^@]*)*)$/s.exec(text) ?? [];
  const pairs = set.split('@').slice(1);
  const variables = Object.fromEntries(
    pairs.map((pair): [string, string] => [
      pair.slice(0, pair.indexOf('=')),
      pair.slice(pair.indexOf('=') + 1),
    ]),
  );
  return { text, file: path === '' ? null : resolve(path), variables };
}

/**
 * The adapters of this machine. Several entries (joined by the path delimiter) are asked one by one, which tells apart
 * devices of one name behind different drivers or variables; identical devices behind one entry count as one, because
 * Dawn selects by name.
 * @param driver as `AdapterOptions.driver`; by default the files the environment names, else the system's
 * @throws {DeviceError} when the package `webgpu` or a driver file is missing.
 */
export async function findAdapters(driver: string | null): Promise<FoundAdapter[]> {
  const entries =
    driver === null ? [{ text: null, file: null, variables: {} }] : driver.split(delimiter).map(entryOf);
  const lists = await Promise.all(entries.map((entry) => adaptersOf(entry)));
  return lists.flat();
}

function adaptersOf(entry: Entry): Promise<FoundAdapter[]> {
  const { file, variables } = entry;
  const key = JSON.stringify([file, variables]);
  let list = found.get(key);
  if (!list) {
    if (file !== null && !existsSync(file)) {
      throw new DeviceError(`WebGPU driver file ${file} doesn't exist; expected a Vulkan ICD file (.json)`);
    }
    // One after the other: the environment is shared.
    list = last.then(() => enumerate(entry));
    last = list.catch(() => undefined);
    found.set(key, list);
    list.catch(() => found.delete(key));
  }
  return list;
}

async function enumerate(entry: Entry): Promise<FoundAdapter[]> {
  const { create } = await loadDawn();
  if (entry.file !== null) loadVulkanBeside(entry.file);
  return withVariables(entry, async () => {
    const names = await adapterNames(create);
    const adapters: FoundAdapter[] = [];
    for (const name of new Set(names)) {
      const instance = make(create, `adapter=${name}`);
      // The first request makes Dawn look at the drivers, so it belongs under this environment.
      if ((await instance.requestAdapter()) === null) continue;
      const trusted = once(() => trustingInstance(entry, name));
      const request = async (trusting = false): Promise<GPUAdapter | null> =>
        (trusting ? await trusted() : instance).requestAdapter();
      adapters.push({ name, driver: entry.text, request });
    }
    return adapters;
  });
}

/** An instance as `enumerate` makes them, whose devices trust their programs. */
function trustingInstance(entry: Entry, name: string): Promise<GPU> {
  const making = last.then(async () => {
    const { create } = await loadDawn();
    return withVariables(entry, async () => {
      const instance = make(create, `adapter=${name}`, trustingToggles);
      await instance.requestAdapter();
      return instance;
    });
  });
  last = making.catch(() => undefined);
  return making;
}

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | null = null;
  return () => {
    made ??= make();
    return made;
  };
}

/** Asks for an adapter that can't exist: Dawn's message lists those that do. */
async function adapterNames(create: Create): Promise<string[]> {
  try {
    await make(create, 'adapter=?').requestAdapter();
    return [];
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    return [...text.matchAll(/ name: '(.*)'$/gm)].map((match) => match[1]!);
  }
}

/** The adapter Dawn takes for a power preference, among the system's drivers. */
export async function adapterByPower(power: GPUPowerPreference): Promise<FoundAdapter | null> {
  const { create } = await loadDawn();
  const instance = make(create);
  const adapter = await instance.requestAdapter({ powerPreference: power });
  if (adapter === null) return null;
  const trusted = once(async () => make(create, trustingToggles));
  return {
    name: adapter.info.device,
    driver: null,
    request: async (trusting = false) =>
      (trusting ? await trusted() : instance).requestAdapter({ powerPreference: power }),
  };
}

async function loadDawn(): Promise<typeof import('webgpu')> {
  try {
    return await import('webgpu');
  } catch (cause) {
    throw new DeviceError('WebGPU in Node needs the package webgpu: npm install webgpu', { cause });
  }
}

const keepKey = Symbol.for('tandem.webgpu.instances');
const kept: GPU[] = [];

/** Dawn's way to make an instance. */
type Create = (options: string[]) => GPU;

/** An instance that stays reachable, whose devices tell exact times. */
function make(create: Create, ...options: readonly string[]): GPU {
  const instance = create([exactTimes, ...options]);
  kept.push(instance);
  Object.defineProperty(globalThis, keepKey, { value: kept, configurable: true });
  return instance;
}

async function withVariables<T>({ file, variables }: Entry, run: () => Promise<T>): Promise<T> {
  const set = {
    ...(file !== null && Object.fromEntries(selecting.map((name) => [name, file]))),
    ...variables,
  };
  const before = Object.keys(set).map((name): [string, string | undefined] => [name, process.env[name]]);
  Object.assign(process.env, set);
  try {
    return await run();
  } finally {
    for (const [name, value] of before) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
}

/** glibc's flag for a library that stays when its handle is closed; Node doesn't name it. */
const RTLD_NODELETE = 0x1000;

/**
 * Loads the Vulkan loader lying beside a driver file, if there is one: Dawn then finds `libvulkan.so.1` by name
 * where the system has none.
 */
function loadVulkanBeside(driver: string): void {
  const library = join(dirname(driver), 'libvulkan.so.1');
  if (process.platform !== 'linux' || !existsSync(library)) return;
  try {
    process.dlopen({ exports: {} }, library, constants.dlopen.RTLD_NOW | RTLD_NODELETE);
  } catch {
    // It isn't a Node module, so Node always complains here; the library stays loaded all the same, and if it could
    // not be loaded Dawn reports what it lacks.
  }
}
