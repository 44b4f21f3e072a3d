/**
 * What a run of the suite writes: rows, and what they were measured on. `--json` writes a `Report`; `compare.ts`
 * reads two of them.
 */
import type { MemoryStats } from '../src/core/backend.js';
import { ArgumentError } from '../src/core/errors.js';
import type { Measurement } from './harness.js';

/** One row. */
export interface Row extends Measurement {
  /** The work, with its sizes. Rows of two reports are the same by name, device and threads. */
  readonly name: string;
  /** 'cpu:0', or 'cpu:0+cpu:1' for work on two. */
  readonly device: string;
  /** CPU threads of all devices together; null on a GPU. */
  readonly threads: number | null;
  /** For whole networks. */
  readonly network?: NetworkFigures;
  /** For starts: how long each step took, one after the other. */
  readonly start?: readonly StartStep[];
}

/** Name of the row that measures a start. */
export const startName = 'AlexNet start to first result';

/** A step on the way from a process's start to its first result. */
export interface StartStep {
  readonly name: string;
  readonly milliseconds: number;
}

/** What is known of a network's run besides its time. */
export interface NetworkFigures {
  readonly images: number;
  readonly msPerImage: number;
  /** Time that the roofline leaves for all kernels of the run, as a share of the run. */
  readonly shareOfRoofline: number;
  /** For each device the time in kernels, as a share of the run: the rest it waited. */
  readonly busy: readonly number[];
  readonly breakdown: readonly Part[];
  /** For each device, after the last run; `peak` since it was opened. */
  readonly memory: readonly MemoryStats[];
  /** Whether live bytes were the same after each run. */
  readonly memoryFlat: boolean;
}

/** One kind of work in a network's run. */
export interface Part {
  readonly phase: string;
  readonly layer: string;
  readonly kernel: string;
  /** Of all devices together. */
  readonly milliseconds: number;
  /** Of all kernels' time. */
  readonly share: number;
  readonly gflops: number;
  readonly gbps: number;
  readonly shareOfPeak: number;
}

/** What the rows were measured on. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  /** null in browsers. */
  readonly memoryBytes: number | null;
  readonly platform: string;
  /** 'node 20.20.2', or the browser. */
  readonly runtime: string;
  readonly tandem: string;
}

/** A run of the suite. */
export interface Report {
  readonly date: string;
  readonly machine: Machine;
  /** Processes that wanted to run on average over the last minute, before and after; null in browsers. */
  readonly load: readonly [before: number, after: number] | null;
  readonly seed: number;
  readonly quick: boolean;
  /** What the devices call themselves, by name. */
  readonly devices: Readonly<Record<string, string>>;
  readonly rows: readonly Row[];
}

/** What a file's text holds. @throws {ArgumentError} when that isn't JSON, naming the file. */
export function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ArgumentError(`${file} isn't JSON: ${error}`);
  }
}

/** Reads a report. @throws {ArgumentError} when the text isn't one, naming the file. */
export function parseReport(text: string, file: string): Report {
  const value = parseJson(text, file);
  if (isReport(value)) return value;
  throw new ArgumentError(`${file} isn't a report of the suite; make one with npm run bench -- --json FILE`);
}

function isReport(value: unknown): value is Report {
  if (!isObject(value) || !isObject(value.machine)) return false;
  if (value.load !== null && !Array.isArray(value.load)) return false;
  return typeof value.date === 'string' && Array.isArray(value.rows) && value.rows.every(isRow);
}

function isRow(value: unknown): value is Row {
  if (!isObject(value) || typeof value.name !== 'string' || typeof value.device !== 'string') return false;
  return ['medianMs', 'spread', 'samples', 'shareOfPeak'].every((key) => typeof value[key] === 'number');
}

/** Whether a value has fields. */
export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
