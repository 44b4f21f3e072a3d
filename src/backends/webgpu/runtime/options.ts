/**
 * What users say and see of WebGPU devices, without WebGPU's own types: a project needs none of them to use these.
 */

import {
  readOptions,
  requireBoolean,
  requireChoice,
  requireNumber,
  requireText,
  requireWhole,
} from '../../../core/arguments.js';
import { type TileDevice, tileForms } from '../kernels/matmul/forms.js';

/** How to choose an adapter. */
export interface AdapterOptions {
  /** Take an adapter whose name contains this (any case). */
  readonly adapter?: string;
  /** Let the system choose by power; all devices opened so share one adapter. */
  readonly powerPreference?: 'low-power' | 'high-performance';
  /**
   * Node: path of a Vulkan driver file (ICD json), or several joined by the path delimiter (':', Windows ';'). Each may be
   * followed by variables, '@NAME=value', that hold while it is loaded, and may be nothing but these, for the system's
   * drivers: '@DRI_PRIME=pci-0000_03_00_0:@DRI_PRIME=pci-0000_0a_00_0' are two cards that share a name.
   */
  readonly driver?: string;
}

/**
 * Where the tiles of matrix products and convolutions get their operands: 'direct', each invocation from memory
 * (best on software adapters, where workgroup memory is slow), or 'shared', through workgroup memory, in the form that
 * suits a product's shape. The name of a form ('128x128', the rows and columns of a workgroup's tile) takes that one for
 * all products: for tests and measurements.
 */
export type Tiles = TileDevice['tiles'];

const tileChoices: readonly string[] = ['direct', 'shared', ...tileForms.map(({ name }) => name)];

/** How to open a device. */
export interface WebGpuOptions extends AdapterOptions {
  /** Bytes its buffers may take together; by default half the machine's memory on software adapters, else no limit. */
  readonly memoryLimit?: number;
  /**
   * Bytes that a kernel may see of one buffer, from 1024; by default what the adapter allows
   * (`maxStorageBufferBindingSize`). Maps, products, reductions and kernels of images cut what is larger; others refuse
   * it.
   */
  readonly bindingLimit?: number;
  /**
   * What convolutions set images with a border and packed weights aside in for their products: 'float16' takes half the memory
   * and its traffic, with sums in float32, and needs the adapter's feature 'shader-f16'. It rounds images and weights to 11
   * bits, and to infinity from 65,520 on; gradients that come in stay float32. Default 'float32'.
   */
  readonly operands?: 'float32' | 'float16';
  /**
   * Node: whether Dawn adds checks to programs, of indices, of divisors and of workgroup memory that nobody set. Without
   * (false) programs are shorter; Tandem's own, all there are, need none (test/backends/webgpu/bounds.test.ts). Default true.
   */
  readonly boundsChecks?: boolean;
  /**
   * Whether folds over rows let invocations of a subgroup see each other's registers, where the adapter has the feature
   * 'subgroups': fewer barriers, the same bits. Default true.
   */
  readonly subgroups?: boolean;
  /**
   * Where convolutions of 3x3 taps and stride 1 take Winograd's method: 'counted', on GPUs where counted arithmetic and bytes say
   * that it pays; 'always' where it can, for tests and measurements. Default 'counted'.
   */
  readonly winograd?: 'never' | 'counted' | 'always';
  /**
   * Tiles of matrix products and convolutions; by default what `tandem tune` measured on the adapter, else 'direct' on
   * software adapters and 'shared' on most others.
   */
  readonly tiles?: Tiles;
  /**
   * Print each program again whenever it is used, and compare it with the one compiled under its key: for tests of
   * kernels. Default false.
   */
  readonly checkPrograms?: boolean;
}

/** The limits that `AdapterDescription` tells. */
type LimitName =
  | 'maxBufferSize'
  | 'maxStorageBufferBindingSize'
  | 'maxStorageBuffersPerShaderStage'
  | 'maxComputeWorkgroupStorageSize'
  | 'maxComputeInvocationsPerWorkgroup'
  | 'maxComputeWorkgroupsPerDimension';

/** An adapter as `listAdapters` gives it. */
export interface AdapterDescription {
  /** Name, as option `adapter` takes it. */
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  /** Whether it computes on the CPU; such an adapter is used only when asked for. */
  readonly software: boolean;
  /** What of option `driver` it was found with, null where the system chose. */
  readonly driver: string | null;
  /** What kernels may ask of it, in bytes, invocations and workgroups. */
  readonly limits: Readonly<Record<LimitName, number>>;
  /** Optional features by their WebGPU names: 'timestamp-query', 'shader-f16', .. */
  readonly features: readonly string[];
}

/** @throws {ArgumentError} naming `op` for options that WebGPU devices don't have or can't meet */
export function checkWebGpuOptions(op: string, options: WebGpuOptions): void {
  const read = readOptions(op, options, {
    adapter: undefined,
    powerPreference: undefined,
    driver: undefined,
    memoryLimit: undefined,
    bindingLimit: undefined,
    tiles: undefined,
    boundsChecks: true,
    operands: 'float32',
    subgroups: true,
    winograd: 'counted',
    checkPrograms: false,
  });
  const { adapter, powerPreference, driver, memoryLimit, bindingLimit, tiles } = read;
  if (adapter !== undefined) requireText(op, 'adapter', adapter);
  if (driver !== undefined) requireText(op, 'driver', driver);
  if (memoryLimit !== undefined) requireNumber(op, 'memoryLimit', memoryLimit);
  if (bindingLimit !== undefined) requireWhole(op, 'bindingLimit', bindingLimit, 1024);
  requireBoolean(op, 'boundsChecks', read.boundsChecks);
  requireChoice(op, 'operands', read.operands, ['float32', 'float16']);
  requireBoolean(op, 'subgroups', read.subgroups);
  requireChoice(op, 'winograd', read.winograd, ['never', 'counted', 'always']);
  requireBoolean(op, 'checkPrograms', read.checkPrograms);
  if (tiles !== undefined) requireChoice(op, 'tiles', tiles, tileChoices);
  if (powerPreference !== undefined) {
    requireChoice(op, 'powerPreference', powerPreference, ['low-power', 'high-performance']);
  }
}
