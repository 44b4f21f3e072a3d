/**
 * What a run of the suite writes: rows, and what they were measured on. `--json` writes a `Report`; `compare.ts`
 * reads two of them.
 */
import type { MemoryStats } from '../src/core/backend.js';
import {
  type Fields,
  flag,
  list,
  nullable,
  number,
  object,
  oneOf,
  optional,
  parseJson,
  record,
  type Schema,
  text,
  tuple,
  whole,
} from '../src/formats/json.js';
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

const measured = number(0);

/** The fields of a `Measurement`. */
const measurementFields: Fields<Measurement> = {
  medianMs: measured,
  cpuMs: nullable(measured),
  spread: measured,
  samples: whole(1),
  gflops: measured,
  gbps: measured,
  shareOfPeak: measured,
  bound: oneOf('arithmetic', 'memory'),
  probe: object<Measurement['probe']>({ gflops: measured, gflops128: optional(measured), gbps: measured }),
};

const partSchema = object<Part>({
  phase: text,
  layer: text,
  kernel: text,
  milliseconds: measured,
  share: measured,
  gflops: measured,
  gbps: measured,
  shareOfPeak: measured,
});

const networkSchema = object<NetworkFigures>({
  images: whole(1),
  msPerImage: measured,
  shareOfRoofline: measured,
  busy: list(measured),
  breakdown: list(partSchema),
  memory: list(object<MemoryStats>({ live: whole(), pooled: whole(), peak: whole(), buffers: whole() })),
  memoryFlat: flag,
});

/** Steps of a start in a file. */
export const stepsSchema: Schema<readonly StartStep[]> = list(
  object<StartStep>({ name: text, milliseconds: measured }),
);

const rowSchema = object<Row>({
  ...measurementFields,
  name: text,
  device: text,
  threads: nullable(whole(1)),
  network: optional(networkSchema),
  start: optional(stepsSchema),
});

const reportSchema = object<Report>({
  date: text,
  machine: object<Machine>({
    cpu: text,
    cores: whole(1),
    memoryBytes: nullable(whole()),
    platform: text,
    runtime: text,
    tandem: text,
  }),
  load: nullable(tuple(measured, measured)),
  seed: whole(),
  quick: flag,
  devices: record(text),
  rows: list(rowSchema),
});

/** Reads a report. @throws {DataError} when the text isn't one, naming the file and what is wrong where. */
export function parseReport(json: string, file: string): Report {
  return parseJson(json, `${file}, read as what npm run bench -- --json FILE writes`, reportSchema);
}
