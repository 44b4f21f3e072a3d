/**
 * What the commands share: reading options, opening devices for them, and ending with one line when something is
 * wrong.
 */
import { type Command, InvalidArgumentError } from 'commander';
import type { DeviceName } from '../../backends/open.js';
import type { Device } from '../../core/device.js';
import { TandemError } from '../../core/errors.js';
import { closeDevices, openDevices, parseDevices } from './devices.js';

/** A parser of whole numbers from `least`. */
export const whole =
  (least: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`expected a whole number from ${least}.`);
  };

/** Reads a number from 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value) && value >= 0) return value;
  throw new InvalidArgumentError('expected a number from 0.');
}

/** A parser of whole numbers from `least`, separated by commas. */
export const wholes =
  (least: number) =>
  (text: string): number[] =>
    text.split(',').map(whole(least));

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

function deviceList(text: string): DeviceName[] {
  try {
    return parseDevices(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** Options that choose devices. */
export interface DeviceOptions {
  readonly device?: DeviceName[];
  readonly threads?: number;
  readonly deterministic: boolean;
}

/** Adds the options that choose devices. */
export function addDeviceOptions(command: Command): Command {
  return command
    .option(
      '--device <list>',
      'one device, or one for each tower: cpu:0,cpu:1 (default: a cpu device for each tower)',
      deviceList,
    )
    .option('--threads <n>', "threads of each cpu device (default: the machine's, shared out)", whole(1))
    .option('--deterministic', 'the same bits on every machine: no relaxed SIMD', false);
}

/** Opens the devices chosen, a CPU device for each of `towers` by default, and closes them after `use`. */
export async function withChosenDevices<T>(
  { device, threads, deterministic }: DeviceOptions,
  towers: number,
  use: (devices: readonly Device[]) => Promise<T>,
): Promise<T> {
  const names = device ?? Array.from({ length: towers }, (_, i): DeviceName => `cpu:${i}`);
  const devices = await openDevices({ names, threads, deterministic });
  try {
    return await use(devices);
  } finally {
    await closeDevices(devices);
  }
}

/** What `--help` says of data. */
export const dataHelp =
  'folder (or .tar, .tar.gz) of class folders of JPEG/PNG files, CIFAR-10 binary files, or MNIST IDX files';

/** A command with what all of them have. */
export function settled(command: Command): Command {
  return command.allowExcessArguments(false).showHelpAfterError('(--help lists the options)');
}

/** Runs a command's work; an error of ours becomes a line on standard error and exit code 1. */
export async function runCommand(work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof TandemError)) throw error;
    console.error(`error: ${error.message}`);
    process.exitCode = 1;
  }
}
