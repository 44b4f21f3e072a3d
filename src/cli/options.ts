/**
 * Options that several commands have: reading them, and opening devices for them.
 */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { DeviceName } from '../backends/open.js';
import type { Device } from '../core/device.js';
import { ArgumentError } from '../core/errors.js';
import { formatLines } from '../data/sources/formats.js';
import { counted } from '../data/sources/names.js';
import type { DryRanks } from '../train/dryRun.js';
import { openRanks, type Ranks, spreadTowers } from '../train/ranks/index.js';
import { typed, wrapped } from './command.js';
import {
  checkSettings,
  chooseDevices,
  closeDevices,
  type DeviceSettings,
  openDevices,
  parseDevices,
} from './devices.js';

/** A parser of whole numbers from `least`, up to `most` if given. */
export const whole =
  (least: number, most?: number) =>
  (text: string): number => {
    const value = Number(text);
    const fits = Number.isSafeInteger(value) && value >= least && value <= (most ?? value);
    if (text.trim() !== '' && fits) return value;
    throw new InvalidArgumentError(
      `expected a whole number from ${least}${most === undefined ? '' : ` to ${most}`}.`,
    );
  };

/** Reads a number from 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('expected a number from 0.');
}

/** Reads a number from 0 up to but without 1. */
export function share(text: string): number {
  const value = positive(text);
  if (value < 1) return value;
  throw new InvalidArgumentError('expected a number from 0, below 1.');
}

/** A parser of whole numbers from `least`, separated by commas. */
export const wholes =
  (least: number) =>
  (text: string): number[] =>
    text.split(',').map((item) => whole(least)(item));

/** Reads names separated by commas. */
export function list(text: string): string[] {
  const names = text.split(',').map((name) => name.trim());
  if (names.every((name) => name !== '')) return names;
  throw new InvalidArgumentError('expected names separated by commas.');
}

/** Reads `on` or `off`. */
export function onOff(text: string): boolean {
  if (text === 'on' || text === 'off') return text === 'on';
  throw new InvalidArgumentError('expected on or off.');
}

/** Reads a size as people write it: 800MB, 1.3GB, or a number of bytes. */
export function byteSize(text: string): number {
  const [, number, unit = ''] = /^([\d.]+) *(kB|MB|GB)?$/i.exec(text.trim()) ?? [];
  const factors: Readonly<Record<string, number>> = { '': 1, kb: 1e3, mb: 1e6, gb: 1e9 };
  const bytes = Math.floor(Number(number) * factors[unit.toLowerCase()]!);
  if (Number.isSafeInteger(bytes) && bytes > 0) return bytes;
  throw new InvalidArgumentError('expected a size such as 800MB or 1.3GB.');
}

function deviceList(text: string): DeviceName[] | 'auto' {
  if (text.trim() === 'auto') return 'auto';
  try {
    return parseDevices(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** Options that choose devices. */
export interface DeviceOptions extends DeviceSettings {
  readonly device?: DeviceName[] | 'auto';
  /** Whether the ranks that a launcher starts hold a tower each. */
  readonly towerPerRank?: boolean;
}

const deviceOfEachTower =
  'one device, or one for each tower: cpu:0,cpu:1 or webgpu:0,webgpu:1; auto: the GPUs there are, else cpu ' +
  '(default: a cpu device for each tower)';

/** Adds the options that choose devices. @param which what the devices named are for */
export function addDeviceOptions(command: Command, which = deviceOfEachTower): Command {
  return command
    .option('--device <list>', which, deviceList)
    .option('--threads <n>', "threads of each cpu device (default: the machine's, shared out)", whole(1, 256))
    .option('--deterministic', 'the same bits on every machine: no relaxed SIMD', false)
    .option(
      '--adapter <name>',
      `webgpu: an adapter whose name contains this (${typed('devices')} lists them)`,
    )
    .addOption(
      new Option('--power <preference>', 'webgpu: let the system choose the adapter by power').choices([
        'high-performance',
        'low-power',
      ]),
    )
    .option('--driver <files>', "webgpu: Vulkan driver files (.json) instead of the system's, joined by ':'")
    .option('--memory-limit <size>', 'what the tensors of each device may take: 800MB, 1.3GB', byteSize);
}

/** Adds the option that spreads a network over ranks. */
export function addTowerPerRank(command: Command): Command {
  return command.option(
    '--tower-per-rank',
    'one tower on each rank that an MPI launcher starts, on the one device named (default: cpu:0)',
    false,
  );
}

/**
 * Opens the devices chosen, a CPU device for each of `towers` by default, and closes them after `use`. What `auto`
 * chose, and why, is printed.
 */
export async function withChosenDevices<T>(
  options: DeviceOptions,
  towers: number,
  use: (devices: readonly Device[], ranks: Ranks) => Promise<T>,
): Promise<T> {
  const ranks = await openRanks();
  const spread = options.towerPerRank === true;
  if (spread) checkSpread(ranks.size, towers);
  const names = await chosenNames(options, spread ? 1 : towers);
  if (spread) checkSingle(names);
  const devices = await openDevices(names, options);
  const [device] = devices;
  try {
    if (!spread || !device) return await use(devices, ranks);
    const placed = await spreadTowers(ranks, device, towers);
    return await use(placed.devices, placed.ranks);
  } finally {
    await closeDevices(devices);
  }
}

/** @throws {ArgumentError} when so many ranks can't have a tower each */
function checkSpread(size: number, towers: number): void {
  if (towers >= 2 && size % towers === 0) return;
  throw new ArgumentError(
    towers < 2
      ? '--tower-per-rank: this network has no towers on devices of their own'
      : `--tower-per-rank: ${counted(size, 'rank')} for ${towers} towers; start ${towers} or a multiple of it by mpirun -n`,
  );
}

/** @throws {ArgumentError} for more than one device */
function checkSingle(names: readonly DeviceName[]): void {
  if (names.length < 2) return;
  throw new ArgumentError(
    `--tower-per-rank: each rank has one tower on one device; --device names ${names.length}, give ${names[0]} alone`,
  );
}

/** Devices and ranks of a step that is counted and not run. */
interface Counted {
  /** In the order of the towers. */
  readonly devices: readonly DeviceName[];
  readonly ranks: DryRanks;
}

/**
 * What `withChosenDevices` would open, for counting. Towers on ranks that no launcher has started are one network's.
 * @throws as `withChosenDevices` does for options that don't go together
 */
export async function countedDevices(options: DeviceOptions, towers: number): Promise<Counted> {
  const { size } = await openRanks();
  if (options.towerPerRank !== true) {
    return { devices: await chosenNames(options, towers), ranks: { replicas: size, spread: false } };
  }
  const all = size === 1 ? towers : size;
  checkSpread(all, towers);
  const names = await chosenNames(options, 1);
  checkSingle(names);
  const devices = names.flatMap((name) => Array.from({ length: towers }, () => name));
  return { devices, ranks: { replicas: all / towers, spread: true } };
}

/** The names of the devices chosen. @throws {ArgumentError} for settings of WebGPU devices when none is named */
async function chosenNames(options: DeviceOptions, towers: number): Promise<DeviceName[]> {
  if (options.device !== 'auto') {
    const names = options.device ?? Array.from({ length: towers }, (_, i): DeviceName => `cpu:${i}`);
    checkSettings(names, options);
    return names;
  }
  const { names, reason } = await chooseDevices(towers, options);
  console.log(`auto      ${names.join(', ')}: ${reason}`);
  return names;
}

/** What `--help` says of data. */
export const dataHelp = 'folder or archive (.tar, .tar.gz) of labelled images, in a format listed below';

/** Adds the list of data formats to a command's `--help`. */
export function addDataFormats(command: Command): Command {
  return command.addHelpText(
    'after',
    `\nData formats:\n${formatLines.map((line) => `  ${wrapped(line, '    ')}`).join('\n')}`,
  );
}

/** Options that choose what is trained on. */
export interface TrainingDataOptions {
  readonly data?: string;
  readonly validation?: string;
  readonly limit?: number;
  readonly workers?: number;
}

/** Adds the number of threads that decode images. */
export function addWorkers(command: Command): Command {
  return command.option(
    '--workers <n>',
    'threads that decode image files (default: one for each core, at most 8)',
    whole(1, 256),
  );
}

/** Adds the options that choose what is trained on. */
export function addTrainingData(command: Command): Command {
  return addWorkers(
    addDataFormats(command)
      .optionsGroup('Data:')
      .option('--data <path>', `${dataHelp}; default: ten classes of synthetic images`)
      .option('--validation <path>', 'a second such folder or archive to validate with')
      .option('--limit <n>', 'train on n images, as many of each class', whole(1)),
  );
}
